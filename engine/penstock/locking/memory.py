"""Locks in the memory of this process."""

from __future__ import annotations

from penstock.storage.memory_locks import MemoryLockManager

__all__ = [
    "MemoryLockManager",
]
