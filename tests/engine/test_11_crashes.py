"""What becomes of a BaseException in a body: who is crashed, which hooks run, what the callers see."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from penstock import flow, task
from penstock.exceptions import ExternalSignal
from penstock.states import Cancelled, Crashed, Failed, Paused

if TYPE_CHECKING:
    from collections.abc import Callable

CRASHES: list[tuple[BaseException, str]] = [
    (KeyboardInterrupt(), "Execution was aborted by an interrupt signal."),
    (SystemExit(1), "Execution was aborted by Python system exit call."),
    (asyncio.CancelledError(), "Execution was cancelled by the runtime environment."),
    (BaseException("b"), "Execution was interrupted by an unexpected exception: BaseException: b"),
    (ExternalSignal("e"), "Execution was interrupted by an unexpected exception: ExternalSignal: e"),
]
IDS = [type(exc).__name__ for exc, _ in CRASHES]


class Hooks:
    """Hooks of a flow that write down which ran, and with what message."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, str | None]] = []

    def options(self, kind: Any = flow) -> dict[str, list[Any]]:
        names = ["on_completion", "on_failure", *(["on_cancellation", "on_crashed"] if kind is flow else [])]
        return {name: [self._hook(name)] for name in names}

    def _hook(self, name: str) -> Callable[..., None]:
        return lambda _definition, _run, state: self.ran.append((name, state.message))


@pytest.mark.parametrize(("exc", "message"), CRASHES, ids=IDS)
@pytest.mark.parametrize("return_state", [False, True])
def test_a_flow_that_crashes(exc: BaseException, message: str, return_state: bool) -> None:
    hooks = Hooks()

    @flow(**hooks.options())
    def f() -> None:
        raise exc

    with pytest.raises(type(exc)) as caught:
        f(return_state=return_state)
    assert caught.value is exc
    assert hooks.ran == [("on_crashed", message)]


@pytest.mark.parametrize(("exc", "message"), CRASHES, ids=IDS)
def test_a_task_that_crashes_is_not_retried_and_takes_its_flow_with_it(exc: BaseException, message: str) -> None:
    of_task, of_flow = Hooks(), Hooks()
    tries: list[int] = []

    @task(retries=2, **of_task.options(task))
    def t() -> None:
        tries.append(1)
        raise exc

    @flow(**of_flow.options())
    def f() -> None:
        t()

    with pytest.raises(type(exc)):
        f()
    assert (tries, of_task.ran, of_flow.ran) == ([1], [], [("on_crashed", message)])


@pytest.mark.parametrize(("exc", "message"), CRASHES, ids=IDS)
@pytest.mark.parametrize("kind", [flow, task])
def test_a_crash_that_the_caller_catches_is_the_callees_alone(exc: BaseException, message: str, kind: Any) -> None:
    of_callee, of_flow = Hooks(), Hooks()

    @kind(**of_callee.options(kind))  # type: ignore[untyped-decorator]
    def callee() -> None:
        raise exc

    @flow(**of_flow.options())
    def f() -> str:
        try:
            callee(return_state=True)
        except BaseException as caught:  # noqa: BLE001
            return type(caught).__name__
        return "nothing"

    assert f() == type(exc).__name__
    assert of_callee.ran == ([("on_crashed", message)] if kind is flow else [])
    assert of_flow.ran == [("on_completion", None)]


@pytest.mark.parametrize(("exc", "message"), CRASHES, ids=IDS)
def test_a_submitted_task_that_crashes_stays_behind_its_future(exc: BaseException, message: str) -> None:
    @task
    def t() -> None:
        raise exc

    @flow
    def f() -> tuple[str, str | None]:
        future = t.submit()
        future.wait()
        with pytest.raises(type(exc)):
            future.result()
        return future.state.type.value, future.state.message

    assert f() == ("CRASHED", message)


@pytest.mark.parametrize(
    ("state", "hook"),
    [
        (Failed(message="m"), "on_failure"),
        (Crashed(message="m"), "on_crashed"),
        (Cancelled(message="m"), None),
        (Paused(message="m"), None),
    ],
    ids=str,
)
def test_hooks_of_a_returned_state(state: Any, hook: str | None) -> None:
    hooks = Hooks()

    @flow(**hooks.options())
    def f() -> Any:
        return state.fresh_copy()

    assert f(return_state=True).type is state.type
    assert hooks.ran == ([(hook, "m")] if hook else [])


def test_an_async_flow_that_is_cancelled_from_outside_crashes_innermost_first() -> None:
    names: list[str] = []
    started = asyncio.Event()

    def note(definition: Any, _run: Any, _state: Any) -> None:
        names.append(definition.name)

    @flow(on_crashed=[note])
    async def child() -> None:
        started.set()
        await asyncio.sleep(60)

    @flow(on_crashed=[note])
    async def parent() -> None:
        await child()

    async def main() -> None:
        running = asyncio.ensure_future(parent())
        await asyncio.wait_for(started.wait(), 10)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    assert names == ["child", "parent"]
