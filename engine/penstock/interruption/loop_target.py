"""Where an interruption of async code is delivered: an asyncio task, which is cancelled.

Neighbours: the async driver registers targets and takes the cancellation back; `section` is the same for threads.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class LoopTarget:
    """An asyncio task that executes bodies: where an interruption is delivered."""

    __slots__ = ("busy", "loop", "on_raise", "pending", "reached", "shields", "task")

    def __init__(self, task: asyncio.Task[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.task = task
        self.loop = loop
        self.shields = 0
        self.pending = False
        self.reached = 0
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
