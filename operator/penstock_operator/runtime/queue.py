"""The work queue: which runs are to be looked at, and when.

A key is in it once however often it is added; a key that is being worked on is not handed out a second time but remembered, and handed
out when its worker is done; a key may be added for later (one time a key: the last decision knows best); a key that failed waits longer
each time. That is client-go's discipline. Keys of the priority lane (cancellations) go before the others. No timer runs while nothing waits.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_BACKOFF = 0.05  # seconds; client-go begins at 5 ms, but each of our tries may cost live reads
LONGEST_BACKOFF = 60.0


class WorkQueue(Generic[K]):
    """Keys that wait for a worker. Used from one event loop.

    Args:
        clock: monotonic seconds, the loop's.
        random: a number in [0, 1): spreads the keys that failed together.
    """

    def __init__(self, *, clock: Callable[[], float], random: Callable[[], float]) -> None:
        self._clock = clock
        self._random = random
        self._urgent: OrderedDict[K, float] = OrderedDict()  # key -> since when it waits
        self._ready: OrderedDict[K, float] = OrderedDict()
        self._working: dict[K, float] = {}  # key -> since when a worker has it
        self._again: dict[K, tuple[float, bool]] = {}  # added while a worker has it
        self._timers: dict[K, tuple[float, asyncio.TimerHandle]] = {}
        self._failures: dict[K, int] = {}
        self._getters: list[asyncio.Future[None]] = []
        self._closed = False

    def __len__(self) -> int:
        return len(self._ready) + len(self._urgent)

    @property
    def delayed(self) -> int:
        """How many keys have a time set."""
        return len(self._timers)

    def working(self) -> float:
        """Seconds that the slowest worker has been at its key; 0 when all are idle."""
        begun = min(self._working.values(), default=None)
        return 0.0 if begun is None else self._clock() - begun

    def add(self, key: K, *, urgent: bool = False) -> None:
        """Hand the key to a worker as soon as one is free."""
        if self._closed:
            return
        now = self._clock()
        if key in self._working:
            since, was_urgent = self._again.get(key, (now, False))
            self._again[key] = (since, urgent or was_urgent)
        elif key in self._urgent:
            pass
        elif urgent:
            self._urgent[key] = self._ready.pop(key, now)
        elif key not in self._ready:
            self._ready[key] = now
        self._wake()

    def add_after(self, key: K, delay: float) -> None:
        """Hand the key out after so many seconds, in place of a time set before."""
        if self._closed:
            return
        self.cancel(key)
        loop = asyncio.get_running_loop()
        self._timers[key] = (self._clock() + delay, loop.call_later(delay, self._due, key))

    def cancel(self, key: K) -> None:
        """Forget the time set for the key, if any."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer[1].cancel()

    def fail(self, key: K, retry_after: float | None = None) -> float:
        """Hand the key out again after its backoff, which doubles with each failure in a row.

        Args:
            key: that failed.
            retry_after: what the server asked for; the wait is not shorter.

        Returns:
            The wait in seconds.
        """
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failures - 1, 30)) * (0.75 + 0.5 * self._random())
        delay = max(delay, retry_after or 0.0)
        due = self._timers.get(key)
        if due is None or due[0] > self._clock() + delay:
            self.add_after(key, delay)
        return delay

    def succeed(self, key: K) -> None:
        """Begin anew with the key's backoff."""
        self._failures.pop(key, None)

    async def get(self) -> tuple[K, float] | None:
        """Wait for a key.

        Returns:
            The key and since when (monotonic) it waited; None once the queue is closed. The worker must call `done` with it.
        """
        while not self._closed:
            for lane in (self._urgent, self._ready):
                if lane:
                    key, since = lane.popitem(last=False)
                    self._working[key] = self._clock()
                    return key, since
            getter = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except BaseException:
                if getter in self._getters:
                    self._getters.remove(getter)
                elif not self._closed:
                    self._wake()  # the key that this one was woken for is another's now
                raise
        return None

    def done(self, key: K) -> None:
        """Say that the worker is through with the key."""
        self._working.pop(key, None)
        again = self._again.pop(key, None)
        if again is not None and not self._closed:
            since, urgent = again
            (self._urgent if urgent else self._ready)[key] = since
            self._wake()

    def close(self) -> None:
        """Hand out nothing any more, and let all waiting workers go."""
        self._closed = True
        for key in list(self._timers):
            self.cancel(key)
        getters, self._getters = self._getters, []
        for getter in getters:
            if not getter.done():
                getter.set_result(None)

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _wake(self) -> None:
        if not (self._ready or self._urgent):
            return
        while self._getters:
            getter = self._getters.pop(0)
            if not getter.done():
                getter.set_result(None)
                return
