"""Executing a submitted task run in whatever thread a runner gives it.

Neighbours: `task_runners` call in here; async bodies run in the worker's kept loop.
"""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, Any

from penstock._state import TERMINAL_STATES, State
from penstock.core.changes import put
from penstock.core.inputs import Found, Upstream, scan
from penstock.core.outcome import crashed_state
from penstock.drivers.entry import note_kept
from penstock.drivers.sync import Dropped, execute, release
from penstock.drivers.world import WORLD

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.core.runs import TaskRun


def execute_submitted(run: TaskRun) -> State:
    """Live the run to its end here; failures of the engine end it as CRASHED."""
    try:
        if run.definition.isgenerator:
            _collect(run)
        if run.is_async:
            from penstock.drivers.aio import execute_async
            from penstock.utilities.asyncutils import run_coro_as_sync

            state = run_coro_as_sync(execute_async(run))
        else:
            state = execute(run)
    except Dropped:
        return run.state
    except BaseException as exc:  # noqa: BLE001  (a name that cannot be made, a bug: the run must end)
        state = crash(run, exc)
    note_kept(run, state)
    return state  # type: ignore[no-any-return]


def crash(run: TaskRun, exc: BaseException) -> State:
    """End a run as CRASHED when it could not be lived to its end."""
    if run.state.type not in TERMINAL_STATES:
        state = crashed_state(exc)
        put(run, state, WORLD, force=True)
        WORLD.log(run, 40, "Crash detected! %s", state.message, exc=exc)
        release(run)
    return run.state


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


def when_ready(run: TaskRun, start: Callable[[], None]) -> None:
    """Call `start` once no upstream of the run is unfinished."""
    found: Found = []
    for value in (run.parameters or {}).values():
        scan(value, found)
    if run.wait_for:
        scan(run.wait_for, found)
    waiting = [item for item, _ in found if isinstance(item, Upstream)]
    if not waiting:
        start()
        return
    lock = threading.Lock()
    left = [len(waiting)]

    def one_less(_: Any) -> None:
        with lock:
            left[0] -= 1
            last = left[0] == 0
        if last:
            start()

    for upstream in waiting:
        upstream.add_done_callback(one_less)  # type: ignore[attr-defined]


def start_by_call(runner: Any, run: TaskRun, future: Any) -> None:
    """Execute a run by a runner's `run(call)`."""
    from penstock.task_runners import Call

    context = contextvars.copy_context()
    token = [run]

    def claim() -> bool:
        try:
            token.pop()
        except IndexError:
            return False
        return True

    future._cancel = claim
    runner._futures[future] = None

    def finish(_: Any) -> None:
        future.complete()
        runner._futures.pop(future, None)

    def start() -> None:
        if not claim():
            return
        try:
            call: Any = Call(run, context)
            if runner.remote:
                from penstock.drivers.remote import RemoteCall

                call = RemoteCall.of(run, context)
                if call is None:
                    finish(None)
                    return
            handle = runner.run(call)
        except BaseException as exc:  # noqa: BLE001  (it cannot be sent, or the runner refused: the run ends)
            crash(run, exc)
            finish(None)
            return

        def ended(_: Any) -> None:
            try:
                state = handle.result()
                if runner.remote:
                    call.take_back(state)
            except BaseException as exc:  # noqa: BLE001  (the executor lost it)
                crash(run, exc)
            finish(None)

        handle.add_done_callback(ended)

    if run.pending_inputs or run.wait_for:
        when_ready(run, start)
    else:
        start()
