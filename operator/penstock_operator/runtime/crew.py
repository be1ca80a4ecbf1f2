"""The workers: so many keys are worked on at the same time, and whoever takes long is replaced.

A look that is not answered, a check that takes its second: its key keeps its worker, and another takes the worker's place, so that what is
slow delays nobody but its own kind. Cancellations have workers of their own besides. Neighbours: `queue` hands out keys, and bounds how many
slow ones of a namespace there are; `controller` says what is done with a key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from .queue import WorkQueue

K = TypeVar("K", bound=Hashable)

SLOW_SECONDS = 0.5
URGENT_WORKERS = 4


class Crew(Generic[K]):
    """Works on what the queue hands out.

    Args:
        queue: of keys.
        work: on a key, and since when it waited; it handles its own errors.
        size: workers.
        urgent: workers that take none but urgent keys.
    """

    def __init__(
        self,
        queue: WorkQueue[K],
        work: Callable[[K, float], Awaitable[None]],
        size: int,
        urgent: int = URGENT_WORKERS,
    ) -> None:
        self._queue = queue
        self._work = work
        self._size = size
        self._urgent = urgent
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until the queue is closed, and what was begun is done."""
        try:
            async with asyncio.TaskGroup() as feeders:
                feeders.create_task(self._feed(self._size, urgent_only=False))
                feeders.create_task(self._feed(self._urgent, urgent_only=True))
            await asyncio.gather(*self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _feed(self, size: int, *, urgent_only: bool) -> None:
        places = asyncio.Semaphore(size)
        while True:
            await places.acquire()
            taken = await self._queue.get(urgent_only=urgent_only)
            if taken is None:
                return
            task = asyncio.create_task(self._one(*taken, places))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _one(self, key: K, since: float, places: asyncio.Semaphore) -> None:
        replaced = False

        def replace() -> None:
            nonlocal replaced
            replaced = True
            self._queue.slow(key)
            places.release()

        timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, replace)
        try:
            await self._work(key, since)
        finally:
            timer.cancel()
            self._queue.done(key)
            if not replaced:
                places.release()
