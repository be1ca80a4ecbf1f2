"""Where an interruption of async code is delivered: an asyncio task, which is cancelled.

Neighbours: the async driver registers targets and takes the cancellation back; `section` is the same for threads.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run
from penstock.base.loops import set_done
from penstock.interruption.section import current_section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class LoopTarget:
    """An asyncio task that executes bodies: where an interruption is delivered."""

    __slots__ = ("busy", "loop", "on_raise", "pending", "reached", "resting", "section", "shields", "task")

    def __init__(self, task: asyncio.Task[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.task = task
        self.loop = loop
        self.shields = 0
        self.pending = False
        self.reached = 0
        self.resting = 0  # how many waits of the engine it is in: for runs, for time, for a resume
        self.section = current_section()  # of the thread in which the loop runs
        self.busy = 0  # how many runs await something here; with none there is nothing to interrupt
        self.on_raise: Callable[[Any], None] | None = None

    def deliver(self, exc: BaseException, on_raise: Callable[[Any], None] | None = None) -> None:
        """Cancel the task, from whatever thread or signal handler."""
        self.on_raise = on_raise
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nothing runs there any more
            self.loop.call_soon_threadsafe(self.cancel)

    def cancel(self) -> None:
        """Cancel now, or when the shield ends."""
        if not self.busy:
            return
        if self.shields:
            self.pending = True
            return
        self.pending = False
        if self.on_raise is not None:
            self.on_raise(self)
        self.reached += 1
        self.task.cancel()


async def until_done(upstream: Any) -> None:
    """Wait for a future of the engine without blocking the loop."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    upstream.add_done_callback(lambda _: loop.call_soon_threadsafe(set_done, done))
    with resting_here():
        await done


@contextlib.contextmanager
def resting_here() -> Iterator[None]:
    """For the block the current run's asyncio task waits for runs or for a resume, and has nothing else to do."""
    run = current_run.get()
    target = run.control.active.get(run) if run is not None and run.control is not None else None
    if not isinstance(target, LoopTarget):
        yield
        return
    target.resting += 1
    try:
        yield
    finally:
        target.resting -= 1
