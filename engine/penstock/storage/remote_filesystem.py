"""An object store by URL as a file system for results.

`memory://` lives in this process; the other schemes need the extra for object stores. Neighbours: `filesystems` offers
it; paths are keys below the base, or whole URLs in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from penstock.base.asyncutils import takes_sync
from penstock.storage.named import Named


class RemoteFileSystem(Named):
    """An object store by URL: `s3://bucket/prefix`, `gs://`, `az://`, and `memory://name` for tests.

    Args:
        basepath: the URL.
        settings: options of the store's client.

    Raises:
        ValueError: the URL lacks a scheme or a location.
    """

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
            try:
                import obstore.store
            except ImportError as exc:
                raise ImportError(
                    f"Results at {self.basepath!r} need an object-store client: pip install 'penstock[objects]'."
                ) from exc
            self._store = obstore.store.from_url(self.basepath, **self.settings)
        return self._store

    @property
    def filesystem(self) -> Any:
        """The client."""
        return self.store

    def _resolve_path(self, path: str) -> str:
        """The URL of a key.

        Raises:
            ValueError: it leads outside the base.
        """
        return f"{self.basepath}/{self._key(path)}"

    def _key(self, path: str) -> str:
        if path.startswith(f"{self.basepath}/"):
            path = path.removeprefix(f"{self.basepath}/")
        if "://" in path or ".." in path.split("/") or path.startswith("/"):
            raise ValueError(f"Path {path!r} is outside of the base path {self.basepath!r}.")
        return path

    @takes_sync
    def read_path(self, path: str) -> bytes:
        """The content of a key.

        Raises:
            ValueError: there is none.
        """
        try:
            return bytes(self.store.get(self._key(path)).bytes())
        except FileNotFoundError:
            raise ValueError(f"Path {self._resolve_path(path)} does not exist.") from None

    @takes_sync
    def write_path(self, path: str, content: bytes) -> str:
        """Store content under a key; its URL."""
        self.store.put(self._key(path), content)
        return self._resolve_path(path)

    async def aread_path(self, path: str) -> bytes:
        """`read_path` in a thread."""
        from penstock.base.asyncutils import run_sync_in_worker_thread

        content: bytes = await run_sync_in_worker_thread(self.read_path, path)
        return content

    async def awrite_path(self, path: str, content: bytes) -> str:
        """`write_path` in a thread."""
        from penstock.base.asyncutils import run_sync_in_worker_thread

        return str(await run_sync_in_worker_thread(self.write_path, path, content))

    @takes_sync
    def get_directory(self, from_path: str | None = None, local_path: str | None = None) -> None:
        """Copy what lies below a prefix into a local directory; default: everything, into the working directory."""
        prefix = self._key(from_path).rstrip("/") + "/" if from_path else ""
        for listed in self.store.list(prefix or None):
            for entry in listed if isinstance(listed, list) else [listed]:
                key = entry["path"]
                target = Path(local_path or ".") / key.removeprefix(prefix)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self.read_path(key))

    @takes_sync
    def put_directory(self, local_path: str | None = None, to_path: str | None = None) -> int:
        """Copy a local directory below a prefix; how many files there were."""
        base = Path(local_path or ".")
        files = [path for path in sorted(base.rglob("*")) if path.is_file()]
        for file in files:
            name = file.relative_to(base).as_posix()
            self.write_path(f"{to_path.rstrip('/')}/{name}" if to_path else name, file.read_bytes())
        return len(files)

    def exists(self, path: str) -> bool:
        """Whether the key has content."""
        try:
            self.store.head(self._key(path))
        except FileNotFoundError:
            return False
        return True

    def delete(self, path: str) -> None:
        """Remove the key."""
        self.store.delete(self._key(path))

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

    def delete(self, key: str) -> None:
        """Drop a key."""
        self._content.pop(key, None)

    def list(self, prefix: str | None = None) -> list[dict[str, str]]:
        """The keys below a prefix."""
        return [{"path": key} for key in sorted(self._content) if key.startswith(prefix or "")]
