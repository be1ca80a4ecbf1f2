"""What lock managers share: waiting is written once, as attempts with pauses between.

A subclass tries once (`_try`), and tells who holds a lock (`holder_of`). Neighbours: `memory`, `filesystem`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


class PollingLockManager:
    """Base class: waits by trying again, sooner at first."""

    longest_pause = 0.1

    def _try(self, key: str, holder: str, hold_timeout: float | None) -> bool:
        raise NotImplementedError(f"{type(self).__name__}._try")

    def holder_of(self, key: str) -> str | None:
        """Who has the lock; None: nobody."""
        raise NotImplementedError(f"{type(self).__name__}.holder_of")

    def _drop(self, key: str) -> None:
        raise NotImplementedError(f"{type(self).__name__}._drop")

    def _pauses(self, timeout: float | None) -> Generator[float, None, None]:
        """Seconds to wait before each further attempt, until time is up."""
        until = None if timeout is None else time.monotonic() + timeout
        pause = 0.001
        while True:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return
            yield pause if left is None else min(pause, left)
            pause = min(pause * 2, self.longest_pause)

    def acquire_lock(
        self, key: str, holder: str, acquire_timeout: float | None = None, hold_timeout: float | None = None
    ) -> bool:
        """Take the lock; a holder that has it takes it again.

        Args:
            key: of what is locked.
            holder: who takes it.
            acquire_timeout: seconds to wait; None: no limit.
            hold_timeout: seconds after which the lock is free again.

        Returns:
            False: it could not be had in time.
        """
        from penstock.interruption.waiting import pause_here

        if self._try(key, holder, hold_timeout):
            return True
        for pause in self._pauses(acquire_timeout):
            pause_here(pause)
            if self._try(key, holder, hold_timeout):
                return True
        return False

    async def aacquire_lock(
        self, key: str, holder: str, acquire_timeout: float | None = None, hold_timeout: float | None = None
    ) -> bool:
        """`acquire_lock` without blocking the loop."""
        import asyncio

        if self._try(key, holder, hold_timeout):
            return True
        for pause in self._pauses(acquire_timeout):
            await asyncio.sleep(pause)
            if self._try(key, holder, hold_timeout):
                return True
        return False

    def release_lock(self, key: str, holder: str) -> None:
        """Give the lock back.

        Raises:
            ValueError: this holder does not have it.
        """
        if self.holder_of(key) != holder:
            raise ValueError(f"No lock held by {holder} for transaction with key {key}")
        self._drop(key)

    async def arelease_lock(self, key: str, holder: str) -> None:
        """`release_lock` as a coroutine."""
        self.release_lock(key, holder)

    def is_locked(self, key: str) -> bool:
        """Whether somebody has the lock."""
        return self.holder_of(key) is not None

    async def ais_locked(self, key: str) -> bool:
        """`is_locked` as a coroutine."""
        return self.is_locked(key)

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Whether this holder has the lock."""
        return self.holder_of(key) == holder

    async def ais_lock_holder(self, key: str, holder: str) -> bool:
        """`is_lock_holder` as a coroutine."""
        return self.is_lock_holder(key, holder)

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until nobody has the lock; False: not in time."""
        from penstock.interruption.waiting import pause_here

        if not self.is_locked(key):
            return True
        for pause in self._pauses(timeout):
            pause_here(pause)
            if not self.is_locked(key):
                return True
        return False

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """`wait_for_lock` without blocking the loop."""
        import asyncio

        if not self.is_locked(key):
            return True
        for pause in self._pauses(timeout):
            await asyncio.sleep(pause)
            if not self.is_locked(key):
                return True
        return False
