"""Locks between the threads of one process."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.storage.polling_locks import PollingLockManager

if TYPE_CHECKING:
    from typing import Self


class MemoryLockManager(PollingLockManager):
    """Locks that live in this process; there is one manager, and one of each subclass, whoever asks for it.

    All of them have the same locks.
    """

    _instance: ClassVar[MemoryLockManager | None] = None

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """The one manager of this class in this process."""
        one = cls.__dict__.get("_instance")
        if one is None:
            one = cls._instance = super().__new__(cls)
        return one

    def __reduce__(self) -> Any:
        if self._held:
            import logging

            logging.getLogger("penstock.locking").warning(
                "Serializing MemoryLockManager with %d active lock(s). Lock information will not be available after "
                "deserialization.",
                len(self._held),
            )
        return type(self), ()

    _guard: ClassVar[threading.Lock] = threading.Lock()
    _held: ClassVar[dict[str, tuple[str, float | None]]] = {}

    def _try(self, key: str, holder: str, hold_timeout: float | None) -> bool:
        with self._guard:
            current = self._current(key)
            if current is not None and current != holder:
                return False
            if current is None:
                until = None if hold_timeout is None else time.monotonic() + hold_timeout
                self._held[key] = (holder, until)
            return True

    def _current(self, key: str) -> str | None:
        entry = self._held.get(key)
        if entry is None:
            return None
        holder, until = entry
        if until is not None and time.monotonic() >= until:
            self._held.pop(key, None)
            return None
        return holder

    def holder_of(self, key: str) -> str | None:
        """Who has the lock; None: nobody."""
        with self._guard:
            return self._current(key)

    def _drop(self, key: str) -> None:
        with self._guard:
            self._held.pop(key, None)
