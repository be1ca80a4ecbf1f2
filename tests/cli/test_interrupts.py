"""Ctrl-C that Python loses."""

from __future__ import annotations

import threading

import pytest

from penstock_cli.interrupts import keep_interrupts
from tests.support.world import PATIENCE


class Loses:
    """An object whose finalizer is hit by Ctrl-C."""

    def __del__(self) -> None:
        raise KeyboardInterrupt


def test_an_interrupt_that_was_lost_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[type[BaseException]] = []
    monkeypatch.setattr("sys.unraisablehook", lambda unraisable: told.append(unraisable.exc_type))
    keep_interrupts()

    def wait() -> None:
        Loses()
        threading.Event().wait(PATIENCE)

    with pytest.raises(KeyboardInterrupt):
        wait()
    assert told == []
