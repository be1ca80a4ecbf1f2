"""The objects of one kind by name, the newest message about each, and which of them are gone.

Pure bookkeeping on versions. Objects that will hardly be looked at again may be kept as their JSON: a finished run is a tenth of what it is
as models, and there are ten of them for each that goes on. Neighbour: `store` keeps one for each kind.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from .resources import Key

TOMBSTONES = 10_000  # deletions remembered; a stale message about an older one is corrected by the next listing

T = TypeVar("T")


def version(raw: Mapping[str, Any]) -> int:
    """Return the resourceVersion as a number: they grow with every write, and may be compared within a kind."""
    try:
        return int(raw["metadata"]["resourceVersion"])
    except (KeyError, TypeError, ValueError):
        return 0


def key_of(raw: Mapping[str, Any]) -> Key:
    """Return the name of a raw object."""
    meta = raw["metadata"]
    return Key(meta.get("namespace", ""), meta["name"])


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """An object and the version that it was read at."""

    uid: str
    version: int
    value: T


class Packing(Protocol[T]):
    """Makes objects small that are kept for long."""

    def pack(self, value: T) -> bytes | None:
        """Return the object as JSON; None: it stays as it is."""

    def unpack(self, text: bytes) -> T:
        """Return the object."""


class Table(Generic[T]):
    """The objects of one kind.

    Args:
        packing: of those that will hardly be looked at again.
    """

    def __init__(self, packing: Packing[T] | None = None) -> None:
        self._packing = packing
        self._entries: dict[Key, Entry[T | bytes]] = {}
        self._gone: OrderedDict[Key, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        return iter(tuple(self._entries))

    def get(self, key: Key) -> T | None:
        """Return the object."""
        entry = self._entries.get(key)
        return None if entry is None else self._value(entry)

    def entry(self, key: Key) -> Entry[T | bytes] | None:
        """Return the object's version and UID; the object itself perhaps packed."""
        return self._entries.get(key)

    def newer(self, key: Key, at: int, *, deleted: bool) -> bool:
        """Whether a message of that version would change anything.

        The answer of a DELETE that takes effect at once carries the same version as the deletion's event, and may come first: a deletion
        is news as long as the object is known at no later version.
        """
        entry = self._entries.get(key)
        if entry is None:
            return at > self._gone.get(key, -1)
        return at >= entry.version if deleted else at > entry.version

    def put(self, key: Key, entry: Entry[T]) -> None:
        """Keep the object."""
        self._gone.pop(key, None)
        packed = self._packing.pack(entry.value) if self._packing is not None else None
        self._entries[key] = Entry(entry.uid, entry.version, entry.value if packed is None else packed)

    def drop(self, key: Key, at: int) -> T | None:
        """Forget the object, and remember the version at which it was gone."""
        entry = self._entries.pop(key, None)
        self._gone[key] = max(at, entry.version if entry is not None else 0)
        self._gone.move_to_end(key)
        while len(self._gone) > TOMBSTONES:
            self._gone.popitem(last=False)
        return None if entry is None else self._value(entry)

    def _value(self, entry: Entry[T | bytes]) -> T:
        if not isinstance(entry.value, bytes):
            return entry.value
        assert self._packing is not None
        return self._packing.unpack(entry.value)
