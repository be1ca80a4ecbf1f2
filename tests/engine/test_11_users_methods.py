"""Methods of the user's that raise where the engine prints, compares, copies or asks: the run goes on all the same."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from penstock import flow, get_run_logger, observers, tags, task, unmapped
from penstock.base.exceptions import Pause, TerminationSignal
from penstock.base.managers import asynccontextmanager, contextmanager
from penstock.base.texts import repr_of, text_of
from penstock.cache_policies import INPUTS
from penstock.interruption.deadline import Expired
from penstock.pod.errors import describe
from penstock.settings import temporary_settings
from penstock.states import Completed, Failed, State
from penstock.transactions import atransaction, transaction

NOTE = "Evil: <no text: __str__ of Evil raises RuntimeError>"


def no(*_: object, **__: object) -> Any:
    raise RuntimeError("not with me")


class Evil(Exception):  # noqa: N818
    __str__ = __repr__ = __eq__ = __bool__ = __reduce__ = __reduce_ex__ = __format__ = __copy__ = __deepcopy__ = no
    __len__ = __iter__ = no
    __hash__ = None  # type: ignore[assignment]


class Thing:
    __str__ = __repr__ = __eq__ = __bool__ = __reduce__ = __reduce_ex__ = __format__ = __copy__ = __deepcopy__ = no
    __len__ = __hash__ = no

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


def boom(*_: object, **__: object) -> Any:
    raise Evil


async def aboom(*_: object, **__: object) -> Any:
    raise Evil


@task(retries=1, retry_condition_fn=lambda *_: True)
def failing() -> None:
    boom()


@task
def given(x: Any) -> Any:
    return x


@task(persist_result=True)
def kept() -> Thing:
    return Thing()


@task(cache_policy=INPUTS, persist_result=True)
def cached(x: Any) -> int:
    return 1


@task(cache_key_fn=boom, persist_result=True)
def keyed() -> int:
    return 1


@task(retries=1, retry_condition_fn=boom)
def undecided() -> None:
    raise ValueError("mine")


class Hook(Thing):
    def __call__(self, *_: object) -> None:
        boom()


BODIES: dict[str, tuple[Callable[[], Any], str]] = {
    "raises": (boom, "Failed"),
    "task raises": (failing, "Failed"),
    "submitted task raises": (lambda: failing.submit().result(), "Failed"),
    "returned future": (lambda: failing.submit(), "Failed"),
    "task's state": (lambda: failing(return_state=True) and 1, "Completed"),
    "returned state": (lambda: Failed(data=Evil()), "Failed"),
    "group": (lambda: (_ for _ in ()).throw(ExceptionGroup("g", [Evil(), ValueError()])), "Failed"),
    "returned": (Thing, "Completed"),
    "parameter": (lambda: given(Thing()), "Completed"),
    "parameter of a submitted task": (lambda: given.submit(Thing()).result(), "Completed"),
    "mapped": (lambda: given.map([Thing(), Thing()]).result(), "Completed"),
    "unmapped": (lambda: given.map(unmapped(Thing())) and 1, "Failed"),
    "stored": (kept, "Completed"),
    "cached": (lambda: cached(Thing()), "Completed"),
    "key function": (keyed, "Completed"),
    "retry condition": (lambda: undecided(return_state=True) and 1, "Completed"),
    "raised from it": (lambda: _chained(), "Failed"),
}


def _chained() -> None:
    try:
        boom()
    except Evil as evil:
        raise ValueError("later") from evil


@pytest.mark.parametrize(("body", "name"), BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize(
    "hooks", [{}, {"on_failure": [boom, Hook()], "on_completion": [boom, Hook()]}], ids=["", "hooks"]
)
def test_the_run_ends_as_it_would(
    body: Callable[[], Any], name: str, hooks: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    state: State = flow(body, name="f", retries=1, **hooks)(return_state=True)
    assert state.name == name
    if name == "Failed" and state.message is not None and "Evil" in state.message:
        assert NOTE in state.message
    assert "Logging error" not in capsys.readouterr().err


def test_an_async_run() -> None:
    state: State = asyncio.run(flow(aboom, retries=1)(return_state=True))
    assert (state.name, state.message) == ("Failed", f"Flow run encountered an exception: {NOTE}")
    assert type(state.data) is Evil


def test_the_callers_get_the_exception_itself() -> None:
    with pytest.raises(Evil):
        flow(boom, name="f")()


def test_an_observer() -> None:
    leave = observers.subscribe(boom)
    try:
        assert flow(lambda: 1, name="f")() == 1
    finally:
        leave()


def test_states_and_reports_can_be_shown() -> None:
    assert "<no text: __repr__ of Thing raises RuntimeError>" in repr(Completed(data=Thing()))
    try:
        boom()
    except Evil as evil:
        part = describe(evil)
    assert part.type.endswith("Evil")
    assert part.message == "<no text: __str__ of Evil raises RuntimeError>"
    assert "in boom" in part.location
    # Where Python's own module copes with such an exception, its words stand.
    assert part.message in part.traceback or "<exception str() failed>" in part.traceback


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):  # noqa: N818
    code: int = 1


class Unset(Exception):  # noqa: N818
    def __setattr__(self, name: str, value: Any) -> None:
        raise TypeError(name)


class Hidden(Exception):  # noqa: N818
    with_traceback = property(no)
    __traceback__ = property(no)


class Asked(Exception):  # noqa: N818
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class Kind(type):
    __name__ = property(no)


class Nameless(Exception, metaclass=Kind):  # noqa: N818
    pass


class Leaves(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise SystemExit(3)


def _ended(call: Callable[[], Any], exc: Exception) -> str:
    """The type of the last state, of a run that ends by this very exception."""
    told: list[State] = []
    leave = observers.subscribe(lambda run, old, new: told.append(new))
    try:
        with pytest.raises(type(exc)) as caught:
            call()
    finally:
        leave()
    assert caught.value is exc
    return told[-1].type.value


@pytest.mark.parametrize("kind", [Frozen, Unset, Hidden, Asked, Nameless, Leaves], ids=lambda kind: kind.__qualname__)
@pytest.mark.parametrize("timeout", [None, 5])
def test_exceptions_that_take_no_attributes_or_tell_none(kind: type[Exception], timeout: float | None) -> None:
    exc = kind()

    def fails() -> None:
        raise exc

    def pulled() -> Iterator[int]:
        yield 1
        raise exc

    async def awaited() -> None:
        raise exc

    async def apulled() -> AsyncIterator[int]:
        yield 1
        raise exc

    async def drained() -> list[int]:
        return [each async for each in flow(apulled, timeout_seconds=timeout)()]

    sub = task(fails, timeout_seconds=timeout, persist_result=True)
    assert _ended(sub, exc) == "FAILED"
    assert _ended(flow(fails, timeout_seconds=timeout, retries=1), exc) == "FAILED"
    assert _ended(flow(lambda: sub.submit().result(), name="f"), exc) == "FAILED"
    assert _ended(lambda: list(flow(pulled, timeout_seconds=timeout)()), exc) == "FAILED"
    assert _ended(lambda: asyncio.run(flow(awaited, timeout_seconds=timeout)()), exc) == "FAILED"
    assert _ended(lambda: asyncio.run(drained()), exc) == "FAILED"
    assert sub(return_state=True).result(raise_on_failure=False) is exc


def test_blocks_hand_on_what_takes_no_attributes() -> None:
    def inside() -> None:
        with tags("a"), transaction(), temporary_settings({"PENSTOCK_LOGGING_LEVEL": "ERROR"}):
            raise Frozen

    async def ainside() -> None:
        async with atransaction():
            raise Frozen

    with pytest.raises(Frozen):
        flow(inside)()
    with pytest.raises(Frozen):
        asyncio.run(flow(ainside)())


def test_managers_are_those_of_contextlib_else() -> None:
    steps: list[str] = []

    @contextmanager
    def block(swallows: bool = False, more: bool = False) -> Iterator[str]:
        """Its docstring."""
        steps.append("in")
        try:
            yield "value"
        except ZeroDivisionError as exc:
            if not swallows:
                raise KeyError("another") from exc
        steps.append("out")
        if more:
            yield "too many"

    @asynccontextmanager
    async def ablock() -> AsyncIterator[int]:
        try:
            yield 1
        except KeyError:
            steps.append("swallowed")

    @block()
    def decorated() -> int:
        return len(steps)

    with block() as value:
        assert value == "value"
    assert (decorated(), decorated(), steps) == (3, 5, ["in", "out"] * 3)
    with block(swallows=True):
        int("0") // int("0")
    with pytest.raises(KeyError, match="another"), block():
        raise ZeroDivisionError
    for own in (StopIteration, TypeError):
        with pytest.raises(own), block():
            raise own
    with pytest.raises(RuntimeError, match="didn't stop"), block(more=True):
        pass
    with pytest.raises(RuntimeError, match="didn't yield"), contextmanager(lambda: iter(()))():
        pass
    assert block.__doc__ == "Its docstring."

    async def use() -> None:
        async with ablock() as one:
            assert one == 1
        async with ablock():
            dict[str, int]()["absent"]
        with pytest.raises(StopAsyncIteration):
            async with ablock():
                raise StopAsyncIteration

    asyncio.run(use())
    assert steps[-1] == "swallowed"


def test_a_run_that_cannot_be_lived_to_its_end_does_not_stay_running(monkeypatch: pytest.MonkeyPatch) -> None:
    async def awaited() -> None:
        raise ValueError

    told: list[State] = []
    leave = observers.subscribe(lambda run, old, new: told.append(new))
    monkeypatch.setattr("penstock.core.retry.delay_of", no)  # stands for a fault of the engine's
    try:
        for call in (task(boom, retries=1), lambda: asyncio.run(flow(awaited, retries=1)())):
            with pytest.raises(RuntimeError, match="not with me"):
                call()
            assert told[-1].type.value == "CRASHED"
    finally:
        leave()


def test_a_condition_whose_answer_cannot_be_asked() -> None:
    tries = []

    @task(retries=1, retry_condition_fn=lambda *_: Evil())
    def t() -> None:
        tries.append(1)
        raise ValueError("mine")

    assert (t(return_state=True).type.value, len(tries)) == ("FAILED", 1)


@pytest.mark.parametrize("what", ["factory", "filter", "handler"])
def test_logging_of_the_users_that_raises(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Seen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    class Broken(logging.Handler):
        handle = no

    @flow(log_prints=True)
    def f() -> None:
        if what == "factory":
            logging.setLogRecordFactory(no)
        elif what == "filter":
            logger.addFilter(no)
        else:
            top.addHandler(Broken())
        print("printed")
        get_run_logger().info("said")
        get_run_logger().info("more", extra={"own": 1, "name": "taken"} if what == "factory" else {"own": 1})

    lines: list[str] = []
    logger, top = logging.getLogger("penstock.flow_runs"), logging.getLogger("penstock")
    for each in (logger, top):
        monkeypatch.setattr(each, "filters", [])
        monkeypatch.setattr(each, "handlers", list(each.handlers))
        monkeypatch.setattr(each, "level", logging.INFO)
    top.addHandler(Seen())
    before = logging.getLogRecordFactory()
    try:
        state: State = f(return_state=True)
    finally:
        logging.setLogRecordFactory(before)
    assert state.type.value == "COMPLETED"
    assert {"printed", "said", "Finished in state Completed()"} <= set(lines)


@pytest.mark.parametrize("write", [text_of, repr_of])
@pytest.mark.parametrize("raised", [KeyboardInterrupt, TerminationSignal, Expired, Pause])
def test_an_interruption_that_arrives_in_a_text_is_no_fault_of_the_texts(
    write: Any, raised: type[BaseException]
) -> None:
    class Slow:
        def __repr__(self) -> str:
            raise raised

    with pytest.raises(raised):
        write(Slow())


def test_a_text_that_wants_to_leave_the_process_is_a_text_that_raises() -> None:
    class Leaving:
        def __str__(self) -> str:
            raise SystemExit(3)

    assert text_of(Leaving()) == "<no text: __str__ of Leaving raises SystemExit>"
