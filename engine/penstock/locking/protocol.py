"""What a lock manager offers."""

from __future__ import annotations

from penstock.storage.lock_protocol import LockManager

__all__ = [
    "LockManager",
]
