"""File systems for results."""

from __future__ import annotations

from penstock.storage.filesystems import LocalFileSystem, NullFileSystem, ReadableFileSystem, WritableFileSystem
from penstock.storage.remote_filesystem import RemoteFileSystem

__all__ = [
    "LocalFileSystem",
    "NullFileSystem",
    "ReadableFileSystem",
    "RemoteFileSystem",
    "WritableFileSystem",
]
