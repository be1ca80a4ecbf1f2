"""Direct calls of flows and tasks: make the run, live it, hand back what the caller gets.

Neighbours: `entry` makes runs and concludes, `sync` and `aio` execute, `generators` drives generator bodies; flows and
tasks call in here.
"""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any

from penstock.base.asyncutils import in_async_code
from penstock.drivers.entry import Failure, RootScope, close_runner, conclude, new_flow_run, new_task_run, note_kept
from penstock.drivers.sync import execute
from penstock.interruption.section import current_section

if TYPE_CHECKING:
    from penstock.core.runs import FlowRun, Run, TaskRun
    from penstock.core.state import State


class _Loading:
    """Whether the module of a flow is being loaded in this process; calls of flows are refused then."""

    __slots__ = ("active",)

    def __init__(self) -> None:
        self.active = False


LOADING = _Loading()


def refuse_while_loading(flow: Any) -> None:
    """Refuse a call at module level.

    Raises:
        ScriptError: says how to guard it.
    """
    from penstock.base.exceptions import ScriptError

    raise ScriptError(
        message=f"Flow {flow.name!r} was called while its module was being loaded. "
        'Guard the call with `if __name__ == "__main__":`, so that the module can be loaded without running it.'
    )


def call_task(
    task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], parameters: dict[str, Any], parent: Run | None,
    return_state: bool, wait_for: Any,
) -> Any:  # fmt: skip
    """A direct call of a sync task."""
    run = new_task_run(task, args, kwargs, parameters, parent, wait_for)
    state = execute(run)
    if run.root is not run:
        note_kept(run, state)
    value = conclude(run, state, return_state)
    if value.__class__ is Failure:
        raise value.exc
    return value


def call_task_async(
    task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], parameters: dict[str, Any], parent: Run | None,
    return_state: bool, wait_for: Any,
) -> Any:  # fmt: skip
    """A direct call of an async task: a coroutine in async code, its value in a sync run."""
    call = (task, args, kwargs, parameters, parent, return_state, wait_for)
    return task_coroutine(*call) if in_async_code(parent) else in_sync_run(task_coroutine, call)


async def task_coroutine(
    task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], parameters: dict[str, Any], parent: Run | None,
    return_state: bool, wait_for: Any,
) -> Any:  # fmt: skip
    """The run of an async task; it exists from the first await on."""
    from penstock.drivers.aio import execute_async

    run = new_task_run(task, args, kwargs, parameters, parent, wait_for)
    state = await execute_async(run)
    note_kept(run, state)
    value = conclude(run, state, return_state)
    if value.__class__ is Failure:
        raise value.exc
    return value


def in_sync_run(make: Any, call: tuple[Any, ...]) -> Any:
    """Run the coroutine of a call to its end inside a sync run; made in a closed section, so that none is left unawaited."""
    section = current_section()
    was_open, section.open = section.open, False
    try:
        from penstock.base.loops import run_coro_as_sync  # in the closed section: an interruption would tear the import

        return run_coro_as_sync(make(*call))
    finally:
        if was_open:
            section.reopen(True)


def call_flow(flow: Any, parameters: dict[str, Any], parent: Run | None, return_state: bool, wait_for: Any) -> Any:
    """A direct call of a sync flow."""
    run = new_flow_run(flow, parameters, parent, wait_for)
    state = live_flow(run)
    value = conclude(run, state, return_state)
    if value.__class__ is Failure:
        raise value.exc
    return _awaited_here(value) if value.__class__ is CoroutineType else value


def _awaited_here(coroutine: Any) -> Any:
    """The value of a coroutine that a sync flow has returned; in async code the coroutine, for the caller to await."""
    from penstock.base.asyncutils import running_loop
    from penstock.base.loops import run_coro_as_sync

    return run_coro_as_sync(coroutine) if running_loop() is None else coroutine


def live_flow(run: FlowRun) -> State:
    """Live a sync flow run to its end."""
    if run.parent is not None:
        state = execute(run)
        close_runner(run)
        note_kept(run, state)
        return state
    with RootScope(run):
        try:
            return execute(run)
        finally:
            close_runner(run)


def call_flow_async(
    flow: Any, parameters: dict[str, Any], parent: Run | None, return_state: bool, wait_for: Any
) -> Any:
    """A direct call of an async flow: a coroutine in async code, its value in a sync run."""
    call = (flow, parameters, parent, return_state, wait_for)
    return flow_coroutine(*call) if in_async_code(parent) else in_sync_run(flow_coroutine, call)


async def flow_coroutine(
    flow: Any, parameters: dict[str, Any], parent: Run | None, return_state: bool, wait_for: Any
) -> Any:
    """The run of an async flow; it exists from the first await on."""
    run = new_flow_run(flow, parameters, parent, wait_for)
    state = await live_flow_async(run)
    value = conclude(run, state, return_state)
    if value.__class__ is Failure:
        raise value.exc
    return await value if value.__class__ is CoroutineType else value


async def live_flow_async(run: FlowRun) -> State:
    """Live an async flow run to its end."""
    from penstock.drivers.aio import execute_async

    if run.parent is not None:
        state = await execute_async(run)
        close_runner(run)
        note_kept(run, state)
        return state
    with RootScope(run):
        try:
            return await execute_async(run)
        finally:
            close_runner(run)


def generate_flow(flow: Any, parameters: dict[str, Any], parent: Run | None, return_state: bool, wait_for: Any) -> Any:
    """A call of a generator flow: a generator; the run starts at the first pull.

    Raises:
        ValueError: a state was asked for.
    """
    from penstock.drivers import generators

    generators.refuse_state(flow, return_state)

    def make() -> FlowRun:
        return new_flow_run(flow, parameters, parent, wait_for)

    return generators.agenerate(make) if flow.isasync else generators.generate(make)


def generate_task(
    task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], parameters: dict[str, Any], parent: Run | None,
    return_state: bool, wait_for: Any,
) -> Any:  # fmt: skip
    """A call of a generator task: a generator; the run starts at the first pull.

    Raises:
        ValueError: a state was asked for.
    """
    from penstock.drivers import generators

    generators.refuse_state(task, return_state)

    def make() -> TaskRun:
        run = new_task_run(task, args, kwargs, parameters, parent, wait_for)
        run.generator = True
        return run

    return generators.agenerate(make) if task.isasync else generators.generate(make)
