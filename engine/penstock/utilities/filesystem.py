"""Paths as users meet them: shown, made native, entered for a block. Neighbours: none."""

from __future__ import annotations

import os
import threading
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from penstock.base.managers import contextmanager

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["filename", "is_local_path", "relative_path_to_current_platform", "tmpchdir", "to_display_path"]

_working_directory = threading.Lock()  # there is one for all threads


@contextmanager
def tmpchdir(path: str | Path) -> Iterator[str]:
    """Work in a directory for the block; that of a file, when a file is given.

    Yields:
        The directory.
    """
    where = Path(path).resolve()
    if where.is_file() or not where.exists():
        where = where.parent
    with _working_directory:
        before = os.getcwd()
        try:
            os.chdir(where)
            yield str(where)
        finally:
            os.chdir(before)


def filename(path: str) -> str:
    """The last part of a path or URL, of whatever platform."""
    separator = "\\" if "\\" in path and "/" not in path else "/"
    return path.split(separator)[-1]


def is_local_path(path: str | Path | Any) -> bool:
    """Whether a path is in the file system of this machine, and no URL of another one."""
    scheme, separator, _ = str(path).partition("://")
    return not separator or scheme in ("file", "local")


def to_display_path(path: str | Path, relative_to: str | Path | None = None) -> str:
    """The absolute path, or the one relative to the given or the working directory, whichever is shorter.

    Raises:
        ValueError: the path is not below that directory.
    """
    absolute = Path(path).resolve()
    relative = str(absolute.relative_to(Path(relative_to or ".").resolve()))
    return min(relative, str(absolute), key=len)


def relative_path_to_current_platform(path_str: str) -> Path:
    """A relative path of whatever platform as one of this."""
    return Path(PureWindowsPath(path_str).as_posix())
