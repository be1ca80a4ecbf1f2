"""The guard's pipe, read in the test's own thread."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest

from penstock.pod.guard import Guard
from tests.support.world import until


def test_who_asks_during_a_read_is_told_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal is in the pipe when the question comes; a read that was under way has not seen it."""
    guard = Guard()
    answers: list[bool] = []
    asks = threading.Thread(target=lambda: answers.append(guard.signalled(60)), daemon=True)
    sort_out = guard._hearing.sort_out

    def ask_meanwhile(said: bytes) -> list[int]:
        if not asks.ident:
            os.write(guard._pipe.write, bytes((signal.SIGTERM,)))
            asks.start()
            until("it is asked", lambda: len(guard._asking) == 1)
        return sort_out(said)

    monkeypatch.setattr(guard._hearing, "sort_out", ask_meanwhile)
    guard._turn(0)
    assert len(guard._asking) == 1
    guard._turn(0)
    asks.join(60)
    assert answers == [True]


def test_who_asks_without_a_signal_is_told_so() -> None:
    guard: Any = Guard()
    answers: list[bool] = []
    asks = threading.Thread(target=lambda: answers.append(guard.signalled(60)), daemon=True)
    asks.start()
    until("it is asked", lambda: len(guard._asking) == 1)
    guard._turn(60)
    asks.join(60)
    assert answers == [False]
