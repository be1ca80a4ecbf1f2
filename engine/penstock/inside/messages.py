"""Messages between the code of this process and its flow runs: sent by id, received by type, kept while the run lives.

A message stays in its box; each receiver sees those that came, once, in order. Neighbours: `input` offers this to users,
and validates what is received.
"""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.base.asyncutils import in_async_run
from penstock.base.both_forms import takes_sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Message:
    """One value on its way.

    Attributes:
        key: its name in the box.
        value: what was sent.
        sender: who sent it, if that is told.
    """

    __slots__ = ("key", "sender", "value")

    def __init__(self, key: str, value: Any, sender: str | None) -> None:
        self.key = key
        self.value = value
        self.sender = sender


class Box:
    """The messages of one key prefix for one flow run."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._waiting: list[threading.Lock] = []
        self._guard = threading.Lock()

    def put(self, message: Message) -> None:
        """Add a message, and wake who waits."""
        with self._guard:
            self.messages.append(message)
            waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.release()

    def unseen(self, seen: set[str]) -> Message | None:
        """The first message that is not among those seen."""
        return next((message for message in list(self.messages) if message.key not in seen), None)

    def waiter(self) -> threading.Lock:
        """A lock that is released by the next message."""
        lock = threading.Lock()
        lock.acquire()
        with self._guard:
            self._waiting.append(lock)
        return lock


class Boxes:
    """The boxes of all flow runs of this process; those of a run go with its record."""

    _all: ClassVar[dict[str, dict[str, Box]]] = {}

    @classmethod
    def of(cls, flow_run_id: Any, prefix: str) -> Box:
        """The box of a run and a prefix."""
        name = str(flow_run_id)
        boxes = cls._all.get(name)
        if boxes is None:
            boxes = cls._all.setdefault(name, {})
            cls._watch(name)
        return boxes.setdefault(prefix, Box())

    @classmethod
    def _watch(cls, name: Any) -> None:
        from penstock.base.current import current_run
        from penstock.interruption.interrupt import find_control

        run = current_run.get()
        flow = run.flow if run is not None else None
        if flow is None or str(flow.id) != name:
            control = find_control(name)
            root: Any = control.root if control is not None else None
            flow = root if root is not None and root.is_flow else None
        if flow is not None:
            weakref.finalize(flow, cls._all.pop, name, None)


class Receiver:
    """Iterates over the messages of a box, in sync and in async code.

    Args:
        box: where they come.
        give: makes what is given of a message.
        timeout: seconds to wait for the next; None: no limit.
        poll_interval: upper bound of the pauses in async code, in seconds.
        raise_timeout_error: raise at the end of the wait instead of ending the iteration.
        exclude_keys: of messages that are not given.
    """

    def __init__(
        self, box: Box, give: Callable[[Message], Any], timeout: float | None, poll_interval: float,
        raise_timeout_error: bool, exclude_keys: Iterable[str] | None,
    ) -> None:  # fmt: skip
        self._box = box
        self._give = give
        self.timeout = timeout
        self.poll_interval = poll_interval
        self.raise_timeout_error = raise_timeout_error
        self.exclude_keys = set(exclude_keys or ())

    def _take(self, message: Message) -> Any:
        self.exclude_keys.add(message.key)
        return self._give(message)

    def __iter__(self) -> Receiver:
        return self

    def __next__(self) -> Any:
        from penstock.interruption.waiting import block

        until = None if self.timeout is None else time.monotonic() + self.timeout
        while True:
            waiter = self._box.waiter()
            message = self._box.unseen(self.exclude_keys)
            if message is not None:
                return self._take(message)
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                break
            block(waiter, left)
        if self.raise_timeout_error:
            raise self._too_late()
        raise StopIteration

    @takes_sync
    def next(self) -> Any:
        """The next value; an awaitable of it in async code.

        Raises:
            TimeoutError: nothing came in time.
        """
        if in_async_run():
            return self.anext()
        try:
            return self.__next__()
        except StopIteration:
            raise self._too_late() from None

    async def anext(self) -> Any:
        """`next`, always as a coroutine."""
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            raise self._too_late() from None

    def _too_late(self) -> TimeoutError:
        return TimeoutError(f"Timed out waiting for input: nothing came within {self.timeout} seconds.")

    def __aiter__(self) -> Receiver:
        return self

    async def __anext__(self) -> Any:
        import asyncio

        until = None if self.timeout is None else time.monotonic() + self.timeout
        pause = 0.001
        while True:
            message = self._box.unseen(self.exclude_keys)
            if message is not None:
                return self._take(message)
            if until is not None and time.monotonic() >= until:
                break
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.05, self.poll_interval)
        if self.raise_timeout_error:
            raise self._too_late()
        raise StopAsyncIteration
