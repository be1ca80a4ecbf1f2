"""What the engine asks of the user's between bodies (names, keys, conditions, hooks of a beginning, stored results, locks) is
interrupted as a body is: by a cancellation, a signal, the timeout of a flow around.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

from penstock import flow, task
from penstock.cache_policies import CachePolicy
from penstock.exceptions import CancelledRun, TerminationSignal
from penstock.interruption.deadline import _left_within
from penstock.interruption.interrupt import Cause, interrupt
from penstock.interruption.section import Section, current_section, ring
from penstock.locking.memory import MemoryLockManager
from penstock.transactions import IsolationLevel
from tests.support.world import once, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# By a thread: a limit by the signal of timers would leave none for those of flows.
pytestmark = pytest.mark.timeout(60, method="thread")

ASKED = threading.Event()
LEFT = threading.Event()
LOG: list[str] = []
HOOKS: dict[str, Any] = {
    name: [lambda flow, run, state, name=name: LOG.append(name)] for name in ("on_cancellation", "on_crashed")
}


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    LOG.clear()
    ASKED.clear()
    LEFT.set()
    yield
    assert LEFT.wait(30)  # a thread of a pool, which no run waits for


def asked(*_: Any, **__: Any) -> Any:
    """What blocks for longer than a test may take; in steps, so that no thread of a pool stays behind in a C call."""
    LEFT.clear()
    ASKED.set()
    try:
        for _step in range(2000):
            time.sleep(0.05)
    finally:
        LOG.append("left")
        LEFT.set()
    LOG.append("on and on")


async def awaited(*_: Any, **__: Any) -> Any:
    ASKED.set()
    try:
        await asyncio.sleep(100)
    finally:
        LOG.append("left")


class Slow:
    """A storage that does not answer."""

    read_path = asked

    def write_path(self, path: str, content: bytes) -> None:
        raise AssertionError(path)


class Checked(pydantic.BaseModel):
    x: int

    @pydantic.field_validator("x")
    @classmethod
    def check(cls, x: int) -> int:
        asked()
        return x


def ran() -> None:
    LOG.append("ran")


def fails() -> None:
    raise ValueError("to be tried again")


def takes(given: Checked) -> Any:
    return given


IN_TASKS: dict[str, Callable[[], Any]] = {
    "its key": lambda: task(ran, persist_result=True, cache_key_fn=asked),
    "its name": lambda: task(ran, task_run_name=asked),
    "a condition": lambda: task(fails, retries=1, retry_condition_fn=asked),
    "a hook": lambda: task(ran, on_running=[asked]),
    "a store": lambda: task(ran, persist_result=True, result_storage=Slow(), cache_key_fn=lambda *_: "key"),
}
IN_FLOWS: dict[str, Callable[[], Any]] = {
    "its name": lambda: flow(ran, flow_run_name=asked, **HOOKS),
    "a hook": lambda: flow(ran, on_running=[asked], **HOOKS),
    "a validator": lambda: flow(takes, **HOOKS),
}


def serializable(locks: Any) -> Any:
    by_key = CachePolicy.from_cache_key_fn(lambda *_: "key")
    return by_key.configure(isolation_level=IsolationLevel.SERIALIZABLE, lock_manager=locks)


def when_asked(act: Callable[[], Any]) -> threading.Thread:
    return once(ASKED, act, 30)


@pytest.mark.parametrize(
    ("kind", "hook", "error"),
    [("cancelled", "on_cancellation", CancelledRun), ("terminated", "on_crashed", TerminationSignal)],
)
@pytest.mark.parametrize("submitted", [False, True], ids=["called", "submitted"])
@pytest.mark.parametrize("what", IN_TASKS)
def test_in_a_task(what: str, *, submitted: bool, kind: Any, hook: str, error: type[BaseException]) -> None:
    work = IN_TASKS[what]()
    main = flow(lambda: work.submit().result() if submitted else work(), name="main", **HOOKS)
    thread = when_asked(lambda: interrupt(Cause(kind)))
    with pytest.raises(error):
        main()
    thread.join()
    # A thread of the pool is not waited for: its "left" may come later.
    assert [entry for entry in LOG if entry != "left"] == [hook]
    assert submitted or ["left", hook] == LOG


@pytest.mark.parametrize("what", IN_FLOWS)
def test_in_a_flow(what: str) -> None:
    main = IN_FLOWS[what]()
    thread = when_asked(lambda: interrupt(Cause("cancelled", message="enough")))
    with pytest.raises(CancelledRun, match="enough"):
        main({"x": 1}) if what == "a validator" else main()
    thread.join()
    assert LOG == ["left", "on_cancellation"]


@pytest.mark.parametrize("beside", [False, True], ids=["main thread", "another"])
@pytest.mark.parametrize("what", IN_TASKS)
def test_by_the_timeout_of_the_flow_around(what: str, *, beside: bool) -> None:
    work = IN_TASKS[what]()
    states: list[Any] = []
    main = flow(lambda: work(), name="main", timeout_seconds=0.5)

    def run() -> None:
        states.append(main(return_state=True))

    if beside:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    else:
        run()
    assert (states[0].name, "on and on" in LOG, "ran" in LOG) == ("TimedOut", False, False)
    with pytest.raises(TimeoutError):
        states[0].result()


@pytest.mark.parametrize("what", ["a key", "a condition", "a hook", "a name"])
def test_what_is_awaited(what: str) -> None:
    async def fine() -> None:
        LOG.append("ran")

    async def failing() -> None:
        raise ValueError("to be tried again")

    options_of: dict[str, dict[str, Any]] = {
        "a key": {"persist_result": True, "cache_key_fn": awaited},
        "a condition": {"retries": 1, "retry_condition_fn": awaited},
        "a hook": {"on_running": [awaited]},
        "a name": {"task_run_name": awaited},
    }
    work = task(failing if what == "a condition" else fine, name="work", **options_of[what])

    @flow(**HOOKS)
    async def main() -> None:
        await work()

    thread = when_asked(lambda: interrupt(Cause("cancelled")))
    with pytest.raises(CancelledRun):
        asyncio.run(main())
    thread.join()
    assert LOG == ["left", "on_cancellation"]


def test_a_cancelled_wait_for_a_condition_is_no_answer() -> None:
    """`asyncio.timeout` around the call: not "False", which would make the failure final."""

    @task(retries=1, retry_condition_fn=awaited)
    async def work() -> None:
        raise ValueError("to be tried again")

    @flow
    async def main() -> str:
        try:
            async with asyncio.timeout(0.2):
                await work()
        except TimeoutError:
            return "late"
        return "never"

    assert asyncio.run(main()) == "late"


@pytest.mark.parametrize("submitted", [False, True], ids=["called", "submitted"])
def test_the_wait_for_a_lock(*, submitted: bool) -> None:
    class Watched(MemoryLockManager):
        def acquire_lock(self, *args: Any, **kwargs: Any) -> bool:
            ASKED.set()
            return super().acquire_lock(*args, **kwargs)

    locks = Watched()
    assert MemoryLockManager().acquire_lock("key", "another")
    work = task(ran, persist_result=True, cache_policy=serializable(locks))
    main = flow(lambda: work.submit().result() if submitted else work(), name="main", **HOOKS)
    thread = when_asked(lambda: interrupt(Cause("cancelled")))
    try:
        with pytest.raises(CancelledRun):
            main()
        thread.join()
        assert LOG == ["on_cancellation"]
        assert locks.is_lock_holder("key", "another")
    finally:
        locks.release_lock("key", "another")


def test_a_lock_that_is_taken_as_the_run_is_interrupted_is_given_back() -> None:
    class Late(MemoryLockManager):
        def acquire_lock(self, *args: Any, **kwargs: Any) -> bool:
            assert super().acquire_lock(*args, **kwargs)
            return bool(asked())

    work = task(ran, persist_result=True, cache_policy=serializable(Late()))
    thread = when_asked(lambda: interrupt(Cause("terminated")))
    with pytest.raises(TerminationSignal):
        flow(lambda: work(), name="main", **HOOKS)()
    thread.join()
    assert LOG == ["left", "on_crashed"]
    assert not MemoryLockManager().is_locked("key")


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_what_keeps_an_interruption_to_itself_keeps_no_run(*, is_async: bool) -> None:
    """A hook with a bare `except`, as around a message to a chat: the body does not begin."""

    def keeps(*_: Any) -> None:
        with contextlib.suppress(BaseException):
            asked()

    async def akeeps(*_: Any) -> None:
        with contextlib.suppress(BaseException):
            await awaited()

    async def aran() -> None:
        ran()

    main: Any = flow(aran if is_async else ran, name="main", on_running=[akeeps if is_async else keeps], **HOOKS)
    thread = when_asked(lambda: interrupt(Cause("cancelled")))
    with pytest.raises(CancelledRun):
        asyncio.run(main()) if is_async else main()
    thread.join()
    assert LOG == ["left", "on_cancellation"]


def test_exits_of_what_is_asked_are_its_own_affair() -> None:
    def leaves(*_: Any) -> None:
        raise SystemExit(3)

    work = task(fails, retries=1, retry_condition_fn=leaves)
    state = flow(lambda: work(return_state=True), name="main", on_running=[leaves])(return_state=True)
    assert state.is_failed()
    assert "to be tried again" in state.data.message


def test_what_is_held_back_does_not_end_a_wait() -> None:
    """Within `shield()`: the wait ends with what it waits for, and the interruption is kept."""
    sections: list[Section] = []
    waiter = threading.Lock()
    waiter.acquire()
    got: list[bool] = []

    def waits() -> None:
        section = current_section()
        section.shields = 1
        sections.append(section)
        got.append(section.block(waiter, 30))

    thread = threading.Thread(target=waits)
    thread.start()
    until("it waits", lambda: bool(sections) and sections[0].waiter is waiter)
    sections[0].deliver(TerminationSignal(15))
    assert waiter.locked()
    ring(waiter)
    thread.join()
    assert got == [True]
    assert isinstance(sections[0].pending, TerminationSignal)


def test_a_bell_that_an_interruption_has_rung_is_no_outcome() -> None:
    """Who waits for a body in a thread of its own is told of its own time by the same bell."""
    box: list[Any] = []
    done = threading.Lock()  # rung already
    assert _left_within(0.1, box, done) is False

    def leave() -> None:
        box.append((True, 1))
        ring(done)

    leaving = threading.Thread(target=leave)
    ring(done)
    leaving.start()
    assert _left_within(30, box, done) is True
    leaving.join()
