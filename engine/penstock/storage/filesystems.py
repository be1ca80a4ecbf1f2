"""File systems for results: a directory, a URL of an object store, nothing at all.

Paths are keys below a base; nothing leaves it. Neighbours: `results` resolves options to these; any object with
`read_path` and `write_path` (sync or async) does as well.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from penstock.base.both_forms import serves_both
from penstock.base.marks import random_bytes
from penstock.base.subscripted import AS_FIELD
from penstock.storage.named import Named
from penstock.storage.remote_filesystem import RemoteFileSystem

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LocalFileSystem", "NullFileSystem", "ReadableFileSystem", "RemoteFileSystem", "WritableFileSystem"]


@runtime_checkable
class ReadableFileSystem(Protocol):
    """Something that gives the content of a path."""

    def read_path(self, path: str) -> Any:
        """The content; FileNotFoundError or ValueError when there is none."""


@runtime_checkable
class WritableFileSystem(Protocol):
    """Something that takes content for a path."""

    def read_path(self, path: str) -> Any:
        """The content; FileNotFoundError or ValueError when there is none."""

    def write_path(self, path: str, content: bytes) -> Any:
        """Store the content."""


class LocalFileSystem(Named):
    """A directory.

    Args:
        basepath: default: the working directory.
    """

    def __init__(self, basepath: str | Path | None = None) -> None:
        self.basepath = None if basepath is None else str(basepath)
        self._base = Path(basepath if basepath is not None else "").expanduser().absolute()
        self._root = str(self._base)
        self._made: set[str] = set()

    def _resolve_path(self, path: str | Path) -> Path:
        """The file of a key; that of the base for an empty one.

        Raises:
            ValueError: the key leads outside the base.
        """
        return Path(self._file(path))

    def _file(self, path: str | Path) -> str:
        """The file of a key as text.

        Raises:
            ValueError: the key leads outside the base.
        """
        path = os.fspath(path)
        if ".." not in path and not path.startswith(("/", "~")):
            return f"{self._root}/{path}"
        full = (self._base / os.path.expanduser(path)).resolve()
        if not full.is_relative_to(self._base.resolve()):
            raise ValueError(f"Provided path {full} is outside of the base path {self._base.resolve()}.")
        return str(full)

    def read_now(self, path: str | Path) -> bytes:
        """The content of a key, in plain blocking style.

        Raises:
            ValueError: there is no such file, or the key leads outside the base.
        """
        full = self._file(path)
        try:
            with open(full, "rb", buffering=0) as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            raise ValueError(f"Path {full} does not exist.") from None
        except IsADirectoryError:
            raise ValueError(f"Path {full} is not a file.") from None

    def first_line_now(self, path: str | Path) -> bytes:
        """The first line of a key's content, however much follows; in plain blocking style.

        Raises:
            ValueError: there is no such file, or the key leads outside the base.
        """
        full = self._file(path)
        try:
            with open(full, "rb") as file:
                return file.readline()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise ValueError(f"Path {full} does not exist.") from None

    def written_now(self) -> Iterator[tuple[str, float]]:
        """Every key, and when it was written, in seconds since 1970; in plain blocking style. What is being written is left out."""
        for folder, _, files in os.walk(self._root):
            for name in files:
                full = os.path.join(folder, name)
                if not name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):  # gone since it was listed
                        yield os.path.relpath(full, self._root), os.stat(full).st_mtime

    def write_now(self, path: str | Path, content: bytes, fsync: bool = False) -> str:
        """Store content under a key, all or nothing; the file's name.

        Raises:
            ValueError: a directory is there, or the key leads outside the base.
        """
        full = self._file(path)
        parent, _, name = full.rpartition("/")
        if parent not in self._made:
            os.makedirs(parent, exist_ok=True)
            self._made.add(parent)
        beside = f"{parent}/.{name[:180]}.{random_bytes().hex()}.tmp"
        try:
            try:
                descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            except FileNotFoundError:  # the directory was removed meanwhile
                os.makedirs(parent, exist_ok=True)
                descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            try:
                view = memoryview(content)
                while view:
                    view = view[os.write(descriptor, view) :]
                if fsync:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            try:
                os.replace(beside, full)
            except IsADirectoryError:
                raise ValueError(f"Path {full} already exists and is not a file.") from None
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside)
            raise
        return full

    def exists_now(self, path: str | Path) -> bool:
        """Whether the key has content."""
        return os.path.isfile(self._file(path))

    def delete_now(self, path: str | Path) -> None:
        """Remove the key, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._file(path))

    @serves_both
    def read_path(self, path: str | Path) -> Any:
        """`read_now`; an awaitable of it in async code."""
        return self.read_now(path)

    @serves_both
    def write_path(self, path: str | Path, content: bytes) -> Any:
        """`write_now`; an awaitable of it in async code."""
        return self.write_now(path, content)

    def exists(self, path: str | Path) -> bool:
        """Whether the key has content."""
        return self.exists_now(path)

    def delete(self, path: str | Path) -> None:
        """Remove the key, if it is there."""
        self.delete_now(path)

    @serves_both
    def get_directory(self, from_path: str | Path | None = None, local_path: str | Path | None = None) -> Any:
        """Copy a directory below the base to another place; default: everything, into the working directory."""
        return self._copy(from_path, local_path, False)

    @serves_both
    def put_directory(
        self,
        local_path: str | Path | None = None,
        to_path: str | Path | None = None,
        ignore_file: str | Path | None = None,
    ) -> Any:
        """Copy a directory from elsewhere below the base.

        Args:
            local_path: default: the working directory.
            to_path: default: the base itself.
            ignore_file: patterns, as in a `.gitignore`, of what is not copied.
        """
        return self._copy(to_path, local_path, True, ignore_file)

    async def aget_directory(self, from_path: str | Path | None = None, local_path: str | Path | None = None) -> None:
        """`get_directory`, always as a coroutine."""
        self._copy(from_path, local_path, False)

    async def aput_directory(
        self,
        local_path: str | Path | None = None,
        to_path: str | Path | None = None,
        ignore_file: str | Path | None = None,
    ) -> None:
        """`put_directory`, always as a coroutine."""
        self._copy(to_path, local_path, True, ignore_file)

    def _copy(
        self,
        inside: str | Path | None,
        outside: str | Path | None,
        inwards: bool,
        ignore_file: str | Path | None = None,
    ) -> None:
        import shutil

        here = self._resolve_path(inside or "").resolve()
        there = Path(outside or ".").expanduser().resolve()
        ignore = None
        if ignore_file is not None:
            from penstock.storage.ignoring import Ignored

            ignore = Ignored(there, Path(ignore_file).expanduser().read_text().splitlines()).among
        if here != there:
            source, target = (there, here) if inwards else (here, there)
            shutil.copytree(source, target, dirs_exist_ok=True, symlinks=not inwards, ignore=ignore)

    async def aread_path(self, path: str | Path) -> bytes:
        """`read_path`, always as a coroutine."""
        return self.read_now(path)

    async def awrite_path(self, path: str | Path, content: bytes) -> str:
        """`write_path`, always as a coroutine."""
        return self.write_now(path, content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LocalFileSystem) and self._base == other._base

    def __hash__(self) -> int:
        return hash(self._base)

    def __repr__(self) -> str:
        return f"LocalFileSystem(basepath={self.basepath!r})"


class NullFileSystem:
    """Keeps nothing. As the metadata storage of a result store: headers lie with the payloads."""

    keeps_nothing = True

    __get_pydantic_core_schema__ = AS_FIELD

    @serves_both
    def read_path(self, path: str) -> bytes:
        """Nothing.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"Path {path} does not exist: nothing is kept.")

    @serves_both
    def write_path(self, path: str, content: bytes) -> str:
        """Drop the content."""
        return path

    @serves_both
    def get_directory(self, from_path: str | None = None, local_path: str | None = None) -> None:
        """Copy nothing."""

    @serves_both
    def put_directory(
        self, local_path: str | None = None, to_path: str | None = None, ignore_file: str | None = None
    ) -> None:
        """Keep nothing."""

    def exists(self, path: str | Path) -> bool:
        """Never."""
        return False
