"""The end of a flow's body: everything submitted is waited for, or ended when the run was cut short.

Neighbours: `sync` and `aio` perform Drain by this; futures know how to be cancelled before they start.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import CancelledRun, TerminationSignal

if TYPE_CHECKING:
    from penstock.core.runs import Run


def wait_all(run: Any) -> None:
    """Wait for the children of a flow run, and for those that they submit meanwhile."""
    while run.children:
        for future in list(run.children):
            future.wait()
            run.children.pop(future, None)


def end_children(run: Any) -> None:
    """Cancel what has not started, interrupt what has, and end what does not react."""
    from penstock.base.settings import get_current_settings

    control = run.control
    for future in list(run.children):
        future.cancel_unstarted("The flow run ended before the task run started.")
    below = [life for life in reversed(list(control.active)) if life is not run and is_below(life, run)]
    if control.cause is None:
        for life in below:
            target = control.active.get(life)
            if target is not None:
                life.reached = True
                target.deliver(TerminationSignal())
    until = time.monotonic() + get_current_settings().tasks.cancel_wait_seconds
    for future in list(run.children):
        left = until - time.monotonic()
        if left > 0:
            future.wait_quietly(left)
    for life in below:
        stop: BaseException = TerminationSignal() if control.cause is not None else CancelledRun("The flow run ended.")
        control.take_over(life, stop)
    run.children.clear()


def is_below(run: Run, ancestor: Run) -> bool:
    """Whether `run` was called, at whatever depth, by `ancestor`."""
    above = run.parent
    while above is not None:
        if above is ancestor:
            return True
        above = above.parent
    return False
