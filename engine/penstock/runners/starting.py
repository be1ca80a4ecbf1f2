"""Starting submitted runs: when their upstreams are done, by a runner's `run(call)`.

Neighbours: `task_runners` start by this; `traffic` starts those that are sent away.
"""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, Any

from penstock.core.inputs import Found, Upstream, scan
from penstock.drivers.sync import crash
from penstock.runners.call import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.core.runs import TaskRun


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
    if runner.remote:
        runner.traffic.submit(run, future)
        return
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
            handle = runner.run(Call(run, context))
        except BaseException as exc:  # noqa: BLE001  (the runner refused: the run ends)
            crash(run, exc)
            finish(None)
            return

        def ended(_: Any) -> None:
            try:
                handle.result()
            except BaseException as exc:  # noqa: BLE001  (the executor lost it)
                crash(run, exc)
            finish(None)

        handle.add_done_callback(ended)

    if run.pending_inputs or run.wait_for:
        when_ready(run, start)
    else:
        start()
