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


# As text: a loop on one line is what Python 3.11 and 3.12 err in, and a formatter would part it. 3.13 errs in `compares`, however it is written.
LONG = " + 1 - 1" * 200
SOURCE = f"""
def step(): pass

def counts():
    n = BEGUN.append(1) or 0
    try:
        while True: n += 1
    finally: LEFT.append("counts")

def compares():
    n = BEGUN.append(1) or 0
    try:
        while n >= 0:
            n += 1
    finally: LEFT.append("compares")

def calls():
    BEGUN.append(1)
    try:
        while True: step()
    except BaseException:
        LEFT.append("calls")
        raise

class Leaves:
    def __enter__(self): pass
    def __exit__(self, *_): LEFT.append("opens")

def opens():
    n = BEGUN.append(1) or 0
    with Leaves():
        while n >= 0: n += 1

def is_long():
    n = BEGUN.append(1) or 0
    try:
        while n >= 0: n = n{LONG}
    finally: LEFT.append("is_long")

def is_long_and_endless():
    n = BEGUN.append(1) or 0
    try:
        while True: n = n{LONG}
    finally: LEFT.append("is_long_and_endless")
"""
BEGUN: list[int] = []  # on a busy machine the time may be up before
BODIES: dict[str, Any] = {"LEFT": LEFT, "BEGUN": BEGUN}
exec(compile(SOURCE, "<bodies>", "exec"), BODIES)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    LEFT.clear()
    BEGUN.clear()
    logging.getLogger("penstock").setLevel(logging.CRITICAL)


@pytest.mark.parametrize("body", ["counts", "compares", "calls", "opens", "is_long", "is_long_and_endless"])
def test_on_the_main_thread(body: str) -> None:
    timed = flow(BODIES[body], timeout_seconds=0.02)
    assert [timed(return_state=True).name for _ in range(TIMES)] == ["TimedOut"] * TIMES
    assert [body] * TIMES == LEFT
    assert sys.gettrace() is None


@pytest.mark.parametrize("body", ["calls"])
def test_in_another_thread(body: str) -> None:
    timed = flow(BODIES[body], timeout_seconds=0.02)

    def begin() -> None:
        while len(BEGUN) < TIMES:
            timed(return_state=True)

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    assert [body] * TIMES == LEFT


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
    assert flow(BODIES["counts"], timeout_seconds=0.02)(return_state=True).name == "TimedOut"
    assert sys.gettrace() is traces


def test_a_timeout_in_a_thread_stops_no_debugger(traces: Callable[..., None]) -> None:
    """What is injected into the body's thread leaves nothing behind that others look for: with 3.11.7 they went on for ever."""
    signal.setitimer(signal.ITIMER_REAL, 1000)  # who has a timer of his own leaves none for the engine
    try:
        assert flow(BODIES["calls"], timeout_seconds=0.02)(return_state=True).name == "TimedOut"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert sys.gettrace() is traces
