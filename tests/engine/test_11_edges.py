"""An interruption that arrives where a loop jumps back: the `finally` around the loop runs, whatever the loop is made of."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from penstock import flow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# By a thread: a limit by the signal of timers would leave none for those of flows.
pytestmark = pytest.mark.timeout(60, method="thread")

LEFT: list[str] = []
TIMES = 5


def step() -> None:
    pass


def counts() -> None:
    n = 0
    try:
        while True:
            n += 1
    finally:
        LEFT.append("finally")


def compares() -> None:
    n = 0
    try:
        while n >= 0:
            n += 1
    finally:
        LEFT.append("finally")


def calls() -> None:
    try:
        while True:
            step()
    except BaseException:
        LEFT.append("except")
        raise


class Leaves:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        LEFT.append("exit")


def opens() -> None:
    with Leaves():
        while True:
            pass


def is_long() -> None:
    n = 0
    try:
        while n >= 0:
            n = n + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1
            n = n + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1
            n = n + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1
            n = n + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1 - 1 + 1
    finally:
        LEFT.append("finally")


@pytest.fixture(autouse=True)
def _fresh() -> None:
    LEFT.clear()
    logging.getLogger("penstock").setLevel(logging.CRITICAL)


@pytest.mark.parametrize("body", [counts, compares, calls, opens, is_long])
def test_on_the_main_thread(body: Callable[[], None]) -> None:
    timed = flow(body, timeout_seconds=0.02)
    assert [timed(return_state=True).name for _ in range(TIMES)] == ["TimedOut"] * TIMES
    assert len(LEFT) == TIMES
    assert sys.gettrace() is None


@pytest.mark.parametrize("body", [compares, calls])
def test_in_another_thread(body: Callable[[], None]) -> None:
    timed = flow(body, timeout_seconds=0.02)
    names: list[str] = []
    thread = threading.Thread(target=lambda: names.extend(timed(return_state=True).name for _ in range(TIMES)))
    thread.start()
    thread.join()
    assert names == ["TimedOut"] * TIMES
    assert len(LEFT) == TIMES


@pytest.fixture
def traces() -> Iterator[Callable[..., None]]:
    """What a debugger or a coverage tool installs."""

    def trace(*_: Any) -> None:
        return None

    sys.settrace(trace)
    yield trace
    sys.settrace(None)


def test_beside_a_debugger(traces: Callable[..., None]) -> None:
    """It has the frame's next instruction for itself: the interruption comes at once, and what it traces stays its own."""
    assert flow(counts, timeout_seconds=0.02)(return_state=True).name == "TimedOut"
    assert sys.gettrace() is traces


def test_a_timeout_in_a_thread_stops_no_debugger(traces: Callable[..., None]) -> None:
    """What is injected into the body's thread leaves nothing behind that others look for: with 3.11.7 they went on for ever."""
    signal.setitimer(signal.ITIMER_REAL, 1000)  # who has a timer of his own leaves none for the engine
    try:
        assert flow(calls, timeout_seconds=0.02)(return_state=True).name == "TimedOut"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert sys.gettrace() is traces
