"""Locks as files in a directory."""

from __future__ import annotations

from penstock.storage.file_locks import LEASE_SECONDS, FileSystemLockManager

__all__ = [
    "LEASE_SECONDS",
    "FileSystemLockManager",
]
