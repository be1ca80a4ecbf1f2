"""What a body can do about its timeout: nothing that `except Exception` would, and its callers see one error."""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from penstock import flow, pause_flow_run, task
from penstock.flow_engine import FlowRunTimeoutError
from penstock.interruption.deadline import Abandoned, Expired, Scope, in_own_thread
from penstock.interruption.section import Section, current_section
from penstock.observers import subscribe
from penstock.states import Paused
from penstock.task_engine import TaskRunTimeoutError
from penstock.utilities.timeout import timeout
from tests.support.world import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from penstock.states import State

LATE = 0.3  # by then a body has begun, on a busy machine too


def doze() -> None:
    """A long wait that can be interrupted in any thread: none of it is a long call."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        time.sleep(0.001)


def stubborn() -> str:
    """Catches what it can, and goes on."""
    try:
        doze()
    except Exception:  # noqa: BLE001
        return "swallowed"
    return "slept"


def in_worker(state: Callable[[], State]) -> State:
    ended: list[State] = []
    thread = threading.Thread(target=lambda: ended.append(state()))
    thread.start()
    thread.join(10)
    return ended[0]


@pytest.mark.parametrize("kind", [flow, task])
@pytest.mark.parametrize("own_thread", [False, True])
def test_a_timeout_passes_whatever_catches_exceptions(kind: Any, own_thread: bool) -> None:
    body = kind(timeout_seconds=LATE)(stubborn)
    state = in_worker(lambda: body(return_state=True)) if own_thread else body(return_state=True)
    assert (state.type, state.name) == ("FAILED", "TimedOut")
    with pytest.raises(FlowRunTimeoutError if kind is flow else TaskRunTimeoutError, match="exceeded timeout"):
        state.result()


def test_a_timeout_passes_the_body_of_a_generator() -> None:
    @task(timeout_seconds=LATE)
    def stream() -> Iterator[Any]:
        yield 1
        yield stubborn()

    values = stream()
    assert next(values) == 1
    with pytest.raises(TaskRunTimeoutError):
        next(values)


def test_a_generator_that_cannot_be_interrupted_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    @task(timeout_seconds=LATE)
    def stream() -> Iterator[int]:
        time.sleep(1)
        yield 1

    def pull() -> None:
        with pytest.raises(TaskRunTimeoutError):
            next(stream())
        told.append(True)

    told: list[bool] = []
    thread = threading.Thread(target=pull)
    thread.start()
    thread.join(10)
    assert told
    assert "cannot be interrupted" in caplog.text


def test_the_timeout_of_a_flow_is_no_failure_of_its_task() -> None:
    tries: list[int] = []
    ended: list[str] = []

    @task(retries=3, on_failure=[lambda *_: ended.append("failure")])
    def work() -> None:
        tries.append(1)
        doze()

    @flow(on_crashed=[lambda _flow, _run, state: ended.append(state.message)])
    def child() -> None:
        work()

    @flow(timeout_seconds=LATE)
    def f() -> None:
        child()

    assert f(return_state=True).name == "TimedOut"
    assert tries == [1]
    assert ended == ["Execution was cancelled by the runtime environment."]


def test_a_body_that_returns_in_spite_of_it_has_its_value() -> None:
    @flow(timeout_seconds=LATE)
    def f() -> str:
        try:
            doze()
        except BaseException:  # noqa: BLE001
            return "mine"
        return "slept"

    assert f() == "mine"


@pytest.mark.parametrize("kind", [flow, task])
@pytest.mark.parametrize("raises", [False, True])
def test_an_async_body_that_swallows_its_cancellation_is_late_all_the_same(kind: Any, raises: bool) -> None:
    @kind(timeout_seconds=LATE)  # type: ignore[untyped-decorator]
    async def f() -> str:
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            if raises:
                raise ValueError("no clean-up") from None
            return "swallowed"
        return "slept"

    with pytest.raises(TimeoutError, match="exceeded timeout") as caught:
        asyncio.run(f())
    assert isinstance(caught.value.__context__, ValueError) is raises
    assert asyncio.run(f(return_state=True)).name == "TimedOut"


def test_the_scopes_of_an_async_generator_that_has_a_timeout_are_its_own() -> None:
    """Each pull is in the task of the caller, so a scope may be opened in one and closed in another."""

    @flow(timeout_seconds=20)
    async def f() -> AsyncIterator[int]:
        async with asyncio.timeout(10):
            yield 1
        yield 2

    async def pull() -> list[int]:
        return [value async for value in f()]

    assert asyncio.run(pull()) == [1, 2]


def test_an_inner_timeout_is_an_exception_outside_of_it() -> None:
    @flow(timeout_seconds=LATE)
    def inner() -> None:
        doze()

    @flow(timeout_seconds=20)
    def outer() -> str:
        try:
            inner()
        except Exception as exc:  # noqa: BLE001
            return type(exc).__name__
        return "slept"

    assert outer() == "FlowRunTimeoutError"


@pytest.mark.parametrize("seconds", [float("inf"), 1e10, 10**30])
def test_what_no_clock_can_wait_for_is_no_limit(seconds: float) -> None:
    @task(timeout_seconds=seconds)
    def work() -> int:
        return 3

    @flow(timeout_seconds=seconds)
    async def main() -> int:
        return work()

    assert flow(lambda: work.submit().result(), name="f", timeout_seconds=seconds)() == asyncio.run(main()) == 3


@pytest.mark.parametrize("seconds", [float("inf"), 1e12])
def test_waits_without_end_can_be_waited_for(seconds: float) -> None:
    class Over(BaseException):
        pass

    def ring(*_: object) -> None:
        raise Over

    @flow(retries=1, retry_delay_seconds=seconds)
    def again() -> None:
        raise ValueError

    waits: list[str] = []

    def observe(run: Any, old: Any, new: Any) -> None:
        if new.name in ("AwaitingRetry", "Paused"):
            waits.append(new.name)
            signal.setitimer(signal.ITIMER_REAL, 0.05)  # what waits then is the wait itself

    leave = subscribe(observe)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        for call in (again, flow(lambda: pause_flow_run(timeout=seconds), name="f")):
            with pytest.raises(Over):
                call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        leave()
    assert waits == ["AwaitingRetry", "Paused"]
    with timeout(seconds):
        assert str(Paused(timeout_seconds=seconds).state_details.pause_timeout).startswith("9999-12-31")


def test_no_number_is_no_timeout() -> None:
    with pytest.raises(ValueError, match="nan"):
        flow(lambda: 1, name="f", timeout_seconds=float("nan"))


def test_a_body_whose_time_is_up_before_it_begins_does_not_begin() -> None:
    """The thread of a body may be long in coming, on a busy machine."""
    came, ran = threading.Event(), []

    def work(ready: Callable[[Section], None]) -> None:
        came.wait(PATIENCE)
        ready(current_section())
        ran.append(1)

    with pytest.raises(Abandoned):
        in_own_thread(work, Scope(0.001, Expired("late")), "penstock late")
    came.set()
    until("its thread has ended", lambda: "penstock late" not in [thread.name for thread in threading.enumerate()])
    assert ran == []


def test_a_timeout_takes_along_the_bodies_below() -> None:
    """Beside the main thread, a body with a timeout of its own has a thread of its own: it does not go on when its caller's time is up."""
    left: dict[str, float] = {}
    names: list[str] = []

    @task(timeout_seconds=60)
    def inner() -> None:
        begun = time.monotonic()
        try:
            # It sleeps: in a thread what is raised where a loop jumps back may miss the `finally`, by version (`interruption.edges`).
            while time.monotonic() - begun < PATIENCE:
                time.sleep(0.005)
        finally:
            left["inner"] = time.monotonic()

    @flow(timeout_seconds=LATE)
    def outer() -> None:
        try:
            inner()
        finally:
            left["outer"] = time.monotonic()

    begun = time.monotonic()
    thread = threading.Thread(target=lambda: names.append(outer(return_state=True).name))
    thread.start()
    thread.join(PATIENCE)
    # On a busy machine the caller may be told before both have left.
    until("both have left", lambda: len(left) == 2)
    assert names == ["TimedOut"]
    grace: float = inspect.signature(in_own_thread).parameters["grace"].default
    assert left["inner"] < left["outer"] or left["outer"] > begun + LATE + grace, "it was waited for"
