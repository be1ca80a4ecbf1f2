"""Executing a submitted task run in whatever thread a runner gives it.

Neighbours: runners call in here, by `call` or their own threads; async bodies run in the worker's kept loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.drivers.entry import note_kept
from penstock.drivers.sync import Dropped, crash, execute

if TYPE_CHECKING:
    from penstock.core.runs import TaskRun
    from penstock.core.state import State


def execute_submitted(run: TaskRun) -> State:
    """Live the run to its end here; failures of the engine end it as CRASHED."""
    try:
        if run.is_async:
            from penstock.base.loops import run_coro_as_sync

            return run_coro_as_sync(execute_submitted_async(run))  # type: ignore[no-any-return]
        if run.definition.isgenerator:
            _collect(run)
        state = execute(run)
    except Dropped:
        return run.state
    except BaseException as exc:  # noqa: BLE001  (a name that cannot be made, a bug: the run must end)
        state = crash(run, exc)
    note_kept(run, state)
    return state


async def execute_submitted_async(run: TaskRun) -> State:
    """`execute_submitted` for an async run, in the current asyncio task."""
    from penstock.drivers.aio import execute_async

    try:
        if run.definition.isgenerator:
            _collect(run)
        state = await execute_async(run)
    except Dropped:
        return run.state
    except BaseException as exc:  # noqa: BLE001  (as above)
        state = crash(run, exc)
    note_kept(run, state)
    return state


def _collect(run: TaskRun) -> None:
    """A submitted generator: the result is the list of what it yields."""
    body = run.call
    assert body is not None
    if run.is_async:

        async def collect_async(*args: Any, **kwargs: Any) -> list[Any]:
            return [item async for item in body(*args, **kwargs)]

        run.call = collect_async
    else:

        def collect(*args: Any, **kwargs: Any) -> list[Any]:
            return list(body(*args, **kwargs))

        run.call = collect
