"""File systems for results: a directory, a URL of an object store, nothing at all.

Paths are keys below a base; nothing leaves it. Neighbours: `results` resolves options to these; any object with
`read_path` and `write_path` (sync or async) does as well.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

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


class LocalFileSystem:
    """A directory.

    Args:
        basepath: default: the default storage path of the settings.
    """

    def __init__(self, basepath: str | Path | None = None) -> None:
        if basepath is None:
            from penstock.settings import get_current_settings

            basepath = get_current_settings().storage_path()
        self.basepath = str(basepath)
        self._base = Path(basepath).expanduser()
        self._root = str(self._base)
        self._made: set[str] = set()

    def _resolve_path(self, path: str) -> str:
        """The file of a key.

        Raises:
            ValueError: the key leads outside the base.
        """
        if ".." not in path and not path.startswith(("/", "~")):
            return f"{self._root}/{path}"
        full = (self._base / path).resolve()
        if not full.is_relative_to(self._base.resolve()):
            raise ValueError(f"Provided path {path!r} is outside of the base path {self.basepath!r}.")
        return str(full)

    def read_now(self, path: str) -> bytes:
        """The content of a key, in plain blocking style.

        Raises:
            ValueError: there is no such file, or the key leads outside the base.
        """
        full = self._resolve_path(path)
        try:
            with open(full, "rb", buffering=0) as file:
                return file.read()
        except FileNotFoundError:
            raise ValueError(f"Path {full} does not exist.") from None
        except IsADirectoryError:
            raise ValueError(f"Path {full} is not a file.") from None

    def write_now(self, path: str, content: bytes, fsync: bool = False) -> str:
        """Store content under a key, all or nothing; the file's name."""
        full = self._resolve_path(path)
        parent, _, name = full.rpartition("/")
        if parent not in self._made:
            os.makedirs(parent, exist_ok=True)
            self._made.add(parent)
        beside = f"{parent}/.{name[:180]}.{os.urandom(6).hex()}.tmp"
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
            os.replace(beside, full)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside)
            raise
        return full

    def exists_now(self, path: str) -> bool:
        """Whether the key has content."""
        return os.path.isfile(self._resolve_path(path))

    def delete_now(self, path: str) -> None:
        """Remove the key, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._resolve_path(path))

    def read_path(self, path: str) -> Any:
        """`read_now`; an awaitable of it in async code."""
        return _either(self.read_now, path)

    def write_path(self, path: str, content: bytes) -> Any:
        """`write_now`; an awaitable of it in async code."""
        return _either(self.write_now, path, content)

    def exists(self, path: str) -> bool:
        """Whether the key has content."""
        return self.exists_now(path)

    def delete(self, path: str) -> None:
        """Remove the key, if it is there."""
        self.delete_now(path)

    async def aread_path(self, path: str) -> bytes:
        """`read_path`, always as a coroutine."""
        return self.read_now(path)

    async def awrite_path(self, path: str, content: bytes) -> str:
        """`write_path`, always as a coroutine."""
        return self.write_now(path, content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LocalFileSystem) and self._base == other._base

    def __hash__(self) -> int:
        return hash(self._base)

    def __repr__(self) -> str:
        return f"LocalFileSystem(basepath={self.basepath!r})"


def _either(fn: Any, *args: Any) -> Any:
    from penstock.utilities.asyncutils import in_async_run

    if not in_async_run():
        return fn(*args)

    async def later() -> Any:
        return fn(*args)

    return later()


class RemoteFileSystem:
    """An object store by URL: `s3://bucket/prefix`, `gs://`, `az://`.

    Args:
        basepath: the URL.
        settings: options of the store's client.

    Raises:
        ValueError: the path has no scheme.
    """

    def __init__(self, basepath: str, settings: dict[str, Any] | None = None) -> None:
        if "://" not in basepath:
            raise ValueError(f"Base path must start with a scheme, as in 's3://bucket/prefix'; {basepath!r} was given.")
        self.basepath = basepath.rstrip("/")
        self.settings = dict(settings or {})
        self._store: Any = None

    @property
    def store(self) -> Any:
        """The client; made when first needed.

        Raises:
            ImportError: the extra for object stores is not installed.
        """
        if self._store is None:
            try:
                import obstore.store
            except ImportError as exc:
                raise ImportError(
                    f"Results at {self.basepath!r} need an object-store client: pip install 'penstock[objects]'."
                ) from exc
            self._store = obstore.store.from_url(self.basepath, **self.settings)
        return self._store

    def read_path(self, path: str) -> bytes:
        """The content of a key.

        Raises:
            ValueError: there is none.
        """
        try:
            return bytes(self.store.get(path).bytes())
        except FileNotFoundError:
            raise ValueError(f"Path {self.basepath}/{path} does not exist.") from None

    def write_path(self, path: str, content: bytes) -> str:
        """Store content under a key; its URL."""
        self.store.put(path, content)
        return f"{self.basepath}/{path}"

    def exists(self, path: str) -> bool:
        """Whether the key has content."""
        try:
            self.store.head(path)
        except FileNotFoundError:
            return False
        return True

    def delete(self, path: str) -> None:
        """Remove the key."""
        self.store.delete(path)

    def __repr__(self) -> str:
        return f"RemoteFileSystem(basepath={self.basepath!r})"


class NullFileSystem:
    """Keeps nothing."""

    def read_path(self, path: str) -> bytes:
        """Nothing.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"Path {path} does not exist: nothing is kept.")

    def write_path(self, path: str, content: bytes) -> str:
        """Drop the content."""
        return path

    def exists(self, path: str) -> bool:
        """Never."""
        return False
