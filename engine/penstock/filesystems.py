"""File systems for results."""

from __future__ import annotations

from typing import Any

from penstock.storage.filesystems import LocalFileSystem, NullFileSystem, ReadableFileSystem, WritableFileSystem
from penstock.storage.remote_filesystem import RemoteFileSystem

__all__ = [
    "LocalFileSystem",
    "NullFileSystem",
    "ReadableFileSystem",
    "RemoteFileSystem",
    "WritableFileSystem",
]


def __getattr__(name: str) -> Any:
    from penstock.base.absent import absent_name

    return absent_name("penstock.filesystems", name)
