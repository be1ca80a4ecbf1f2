"""An object store by URL as a file system for results.

`memory://` lives in this process; the other schemes need the extra for object stores. Neighbours: `filesystems` offers
it; paths are keys below the base, or whole URLs in it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

from penstock.base.asyncutils import in_async_run
from penstock.base.both_forms import takes_sync
from penstock.base.loops import run_sync_in_worker_thread
from penstock.storage.ignoring import Ignored
from penstock.storage.named import Named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BEGIN = 4096  # bytes of a record that are asked for where its header is wanted; few headers are longer


class MissingKeyError(FileNotFoundError, ValueError):
    """There is nothing under a key: what a missing file is to file systems, and a bad path to `read_path`."""


class RemoteFileSystem(Named):
    """An object store by URL: `s3://bucket/prefix`, `gs://`, `az://`, and `memory://name` for tests.

    Args:
        basepath: the URL.
        settings: options of the store's client.

    Raises:
        ValueError: the URL lacks a scheme or a location.
    """

    far = True  # an answer may take long: async code waits for it in a thread

    def __init__(self, basepath: str, settings: dict[str, Any] | None = None) -> None:
        scheme, separator, location = basepath.partition("://")
        if not separator or not scheme:
            raise ValueError(f"Base path must start with a scheme, as in 's3://bucket/prefix'. Got {basepath!r}.")
        if not location or (scheme == "file" and location.startswith("/")):
            raise ValueError(
                f"Base path must include a location after the scheme, as in 's3://bucket/prefix'. Got {basepath!r}; "
                "a local directory is a LocalFileSystem."
            )
        self.basepath = basepath.rstrip("/")
        self.settings = dict(settings or {})
        self._store: Any = None
        self._client: Any = None

    @property
    def store(self) -> Any:
        """The client; made when first needed.

        Raises:
            ImportError: the extra for object stores is not installed.
        """
        if self._store is None:
            if self.basepath.startswith("memory://"):
                self._store = _Memory(self.basepath)
                return self._store
            from penstock.storage.object_client import ObjectClient

            self._client = ObjectClient(self.basepath, self.settings)
            self._store = self._client.patient
        return self._store

    @property
    def filesystem(self) -> Any:
        """The client."""
        return self.store

    def _resolve_path(self, path: str) -> str:
        """The URL of a key; the base with a slash for the base itself.

        Raises:
            ValueError: it leads outside the base.
        """
        return f"{self.basepath}/{self._key(path)}"

    def _key(self, path: str) -> str:
        scheme, separator, rest = path.partition("://")
        if separator:
            own, _, base = self.basepath.partition("://")
            if scheme.lower() != own.lower():
                raise ValueError(
                    f"Path {path!r} with scheme {scheme!r} must use the same scheme as the base path {own!r}."
                )
            if rest.rstrip("/") != base and not rest.startswith(f"{base}/"):
                raise ValueError(f"Path {path!r} is outside of the base path {self.basepath!r}.")
            key = rest[len(base) + 1 :]
        else:
            key = path
        # A service may take encoded dots and backslashes for what they stand for.
        if ".." in unquote(key).replace("\\", "/").split("/") or (not separator and key.startswith("/")):
            raise ValueError(f"Path {path!r} is outside of the base path {self.basepath!r}.")
        return key

    def _ask(self, request: Callable[[Any], Any]) -> Any:
        store = self.store
        return request(store) if self._client is None else self._client.ask(request)

    def read_now(self, path: str) -> bytes:
        """The content of a key, in plain blocking style.

        Raises:
            MissingKeyError: there is none.
            OSError: the store does not give it: it is away, or refuses these credentials.
        """
        key = self._key(path)
        try:
            return bytes(self._ask(lambda store: store.get(key).bytes()))
        except FileNotFoundError:
            raise MissingKeyError(f"Path {self._resolve_path(path)} does not exist.") from None

    def first_line_now(self, path: str) -> bytes:
        """The first line of a key's content, however much follows; in plain blocking style.

        Raises:
            MissingKeyError: there is no such key.
            OSError: the store does not give it.
        """
        key = self._key(path)
        try:
            begin = bytes(self._ask(lambda store: store.get_range(key, start=0, length=_BEGIN)))
        except FileNotFoundError:
            raise MissingKeyError(f"Path {self._resolve_path(path)} does not exist.") from None
        line, end, _ = begin.partition(b"\n")
        return line if end or len(begin) < _BEGIN else self.read_now(path).partition(b"\n")[0]

    def written_now(self) -> Iterator[tuple[str, float]]:
        """Every key with content, and when it was written, in seconds since 1970; in plain blocking style.

        Raises:
            OSError: the store does not say.
        """
        for entry in self._entries(""):
            if entry["size"]:
                yield str(entry["path"]), entry["last_modified"].timestamp()

    def write_now(self, path: str, content: bytes, fsync: bool = False) -> str:
        """Store content under a key; its URL. A store of objects has nothing to be synchronized.

        Raises:
            OSError: the store does not take it: it is away, refuses these credentials, has no such bucket.
        """
        key = self._key(path)
        self._ask(lambda store: store.put(key, content))
        return self._resolve_path(path)

    @takes_sync
    def read_path(self, path: str) -> Any:
        """`read_now`; an awaitable of it in async code."""
        return self.aread_path(path) if in_async_run() else self.read_now(path)

    @takes_sync
    def write_path(self, path: str, content: bytes) -> Any:
        """`write_now`; an awaitable of it in async code."""
        return self.awrite_path(path, content) if in_async_run() else self.write_now(path, content)

    async def aread_path(self, path: str) -> bytes:
        """`read_path` in a thread."""
        return bytes(await run_sync_in_worker_thread(self.read_now, path))

    async def awrite_path(self, path: str, content: bytes) -> str:
        """`write_path` in a thread."""
        return str(await run_sync_in_worker_thread(self.write_now, path, content))

    @takes_sync
    def get_directory(self, from_path: str | None = None, local_path: str | Path | None = None) -> Any:
        """Copy what lies below a prefix into a local directory; default: everything, into the working directory."""
        return self.aget_directory(from_path, local_path) if in_async_run() else self._fetch(from_path, local_path)

    async def aget_directory(self, from_path: str | None = None, local_path: str | Path | None = None) -> None:
        """`get_directory` in a thread."""
        await run_sync_in_worker_thread(self._fetch, from_path, local_path)

    @takes_sync
    def put_directory(
        self,
        local_path: str | Path | None = None,
        to_path: str | None = None,
        ignore_file: str | Path | None = None,
        overwrite: bool = True,
    ) -> Any:
        """Copy a local directory below a prefix.

        Args:
            local_path: default: the working directory.
            to_path: default: the base itself.
            ignore_file: patterns, as in a `.gitignore`, of what is not copied.
            overwrite: whether keys that have content get the new one.

        Returns:
            how many files were copied.
        """
        if in_async_run():
            return self.aput_directory(local_path, to_path, ignore_file, overwrite)
        return self._send(local_path, to_path, ignore_file, overwrite)

    async def aput_directory(
        self,
        local_path: str | Path | None = None,
        to_path: str | None = None,
        ignore_file: str | Path | None = None,
        overwrite: bool = True,
    ) -> int:
        """`put_directory` in a thread."""
        return int(await run_sync_in_worker_thread(self._send, local_path, to_path, ignore_file, overwrite))

    def _fetch(self, from_path: str | None, local_path: str | Path | None) -> None:
        key = self._key(from_path).rstrip("/") if from_path else ""
        prefix = f"{key}/" if key else ""
        for entry in self._entries(prefix):
            name = str(entry["path"])
            target = Path(local_path or ".") / name.removeprefix(prefix)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.read_now(name))

    def _send(
        self, local_path: str | Path | None, to_path: str | None, ignore_file: str | Path | None, overwrite: bool
    ) -> int:
        base = Path(local_path or ".").expanduser()
        prefix = f"{self._key(to_path).rstrip('/')}/" if to_path else ""
        ignored = Ignored(base, [] if ignore_file is None else Path(ignore_file).expanduser().read_text().splitlines())
        count = 0
        for folder, folders, names in os.walk(base):
            folders[:] = sorted(set(folders).difference(ignored.among(folder, folders)))
            for name in sorted(set(names).difference(ignored.among(folder, names))):
                file = Path(folder) / name
                key = prefix + file.relative_to(base).as_posix()
                if overwrite or not self.exists(key):
                    self.write_now(key, file.read_bytes())
                    count += 1
        return count

    def _entries(self, prefix: str) -> list[dict[str, Any]]:
        """What the client tells of the keys that begin with a folder's name, or of all."""
        found: list[dict[str, Any]] = []
        for listed in self._ask(lambda store: list(store.list(prefix or None))):
            found += listed if isinstance(listed, list) else [listed]
        return found

    def exists(self, path: str) -> bool:
        """Whether the key has content.

        Raises:
            OSError: the store does not say.
        """
        key = self._key(path)
        try:
            self._ask(lambda store: store.head(key))
        except FileNotFoundError:
            return False
        return True

    def delete(self, path: str) -> None:
        """Remove the key."""
        key = self._key(path)
        self._ask(lambda store: store.delete(key))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, RemoteFileSystem) and self.basepath == other.basepath and self.settings == other.settings
        )

    def __hash__(self) -> int:
        return hash(self.basepath)

    def __reduce__(self) -> Any:
        return type(self), (self.basepath, self.settings)

    def __repr__(self) -> str:
        return f"RemoteFileSystem(basepath={self.basepath!r})"


class _Content(bytes):
    """What a memory store gives, in the form of a client's answer."""

    def __init__(self, _: bytes) -> None:
        self.written = time.time()

    def bytes(self) -> bytes:
        """The content."""
        return self


class _Memory:
    """The client of `memory://`: whoever names the same base in this process sees the same keys."""

    _stores: ClassVar[dict[str, dict[str, _Content]]] = {}

    def __init__(self, base: str) -> None:
        self._content = self._stores.setdefault(base, {})

    def get(self, key: str) -> _Content:
        """The content of a key; FileNotFoundError when there is none."""
        try:
            return self._content[key]
        except KeyError:
            raise FileNotFoundError(key) from None

    head = get

    def put(self, key: str, content: bytes) -> None:
        """Keep content under a key."""
        self._content[key] = _Content(content)

    def get_range(self, key: str, *, start: int, length: int) -> bytes:
        """A part of the content of a key."""
        return self.get(key)[start : start + length]

    def delete(self, key: str) -> None:
        """Drop a key."""
        self._content.pop(key, None)

    def list(self, prefix: str | None = None) -> list[dict[str, Any]]:
        """The keys below a prefix, each with what a client tells of it."""
        from datetime import UTC, datetime

        return [
            {"path": key, "size": len(found), "last_modified": datetime.fromtimestamp(found.written, UTC)}
            for key, found in sorted(self._content.items())
            if key.startswith(prefix or "")
        ]
