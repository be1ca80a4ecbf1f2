"""Things that work while somebody looks: begun for the first who looks, shared with the next, ended a while after the last has gone."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

__all__ = ["Bell", "Pool"]

_LINGER_SECONDS = 20.0
log = logging.getLogger(__name__)


class Bell:
    """Wakes those who listen: an event of theirs is set at each ring, they clear it."""

    def __init__(self) -> None:
        self._events: set[asyncio.Event] = set()

    def ring(self) -> None:
        """Wake all."""
        for event in self._events:
            event.set()

    @contextmanager
    def heard(self, event: asyncio.Event) -> Iterator[None]:
        """Set an event at each ring while the block lasts."""
        self._events.add(event)
        try:
            yield
        finally:
            self._events.discard(event)


class Worker(Protocol):
    """What a pool holds."""

    async def run(self) -> None:
        """Work until cancelled, or until there is nothing more to do."""


W = TypeVar("W", bound=Worker)
K = TypeVar("K", bound="Hashable")


@dataclass(slots=True)
class _Held(Generic[W]):
    worker: W
    task: asyncio.Task[None]
    users: int = 0
    end: asyncio.TimerHandle | None = None


class Pool(Generic[K, W]):
    """See the module.

    Args:
        make: makes a worker.
        most: workers at a time that nobody looks at; the oldest of them end early.
        linger: seconds for which a worker is kept after the last who looked.
    """

    def __init__(self, make: Callable[[K], W], *, most: int = 16, linger: float = _LINGER_SECONDS) -> None:
        self._make = make
        self._most = most
        self._linger = linger
        self._held: dict[K, _Held[W]] = {}

    def __len__(self) -> int:
        return len(self._held)

    @contextmanager
    def used(self, key: K) -> Iterator[W]:
        """Give the worker of a key, working, while the block lasts."""
        held = self._held.get(key)
        if held is None:
            worker = self._make(key)
            held = self._held[key] = _Held(worker, asyncio.get_running_loop().create_task(worker.run()))
            held.task.add_done_callback(lambda task: self._ended(key, task))
        if held.end is not None:
            held.end.cancel()
            held.end = None
        held.users += 1
        try:
            yield held.worker
        finally:
            held.users -= 1
            if not held.users and self._held.get(key) is held:
                held.end = asyncio.get_running_loop().call_later(self._linger, self._drop, key)
                self._bound()

    def end(self) -> None:
        """End all."""
        for key in list(self._held):
            self._drop(key)

    def _ended(self, key: K, task: asyncio.Task[None]) -> None:
        """A worker that failed is said, and the next who looks gets another."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("what is read of %s ended", key, exc_info=error)
        if (held := self._held.get(key)) is not None and held.task is task:
            del self._held[key]

    def _drop(self, key: K) -> None:
        held = self._held.pop(key)
        if held.end is not None:
            held.end.cancel()
        held.task.cancel()

    def _bound(self) -> None:
        idle = [key for key, held in self._held.items() if not held.users]
        for key in idle[: max(0, len(idle) - self._most)]:
            self._drop(key)
