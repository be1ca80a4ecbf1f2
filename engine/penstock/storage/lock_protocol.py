"""What a lock manager can do; an implementation of one's own needs these methods.

Neighbours: `results` asks one, `memory` and `filesystem` are ours.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class LockManager(Protocol):
    """Named locks with holders. Times are seconds; None means no limit."""

    def acquire_lock(
        self, key: str, holder: str, acquire_timeout: float | None = None, hold_timeout: float | None = None
    ) -> bool:
        """Take the lock; a holder that has it takes it again. False: not in time."""

    async def aacquire_lock(
        self, key: str, holder: str, acquire_timeout: float | None = None, hold_timeout: float | None = None
    ) -> bool:
        """`acquire_lock` without blocking the loop."""

    def release_lock(self, key: str, holder: str) -> None:
        """Give the lock back; ValueError when the holder does not have it."""

    def is_locked(self, key: str) -> bool:
        """Whether somebody has the lock."""

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Whether this holder has the lock."""

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until nobody has the lock. False: not in time."""

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """`wait_for_lock` without blocking the loop."""
