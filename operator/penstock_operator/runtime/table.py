"""The objects of one kind by name, the newest message about each, and which of them are gone.

Pure bookkeeping on versions. Neighbour: `store` keeps one for each kind.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

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


class Table(Generic[T]):
    """The objects of one kind."""

    def __init__(self) -> None:
        self._entries: dict[Key, Entry[T]] = {}
        self._gone: OrderedDict[Key, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        return iter(tuple(self._entries))

    def get(self, key: Key) -> T | None:
        """Return the object."""
        entry = self._entries.get(key)
        return None if entry is None else entry.value

    def entry(self, key: Key) -> Entry[T] | None:
        """Return the object with its version."""
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
        self._entries[key] = entry

    def drop(self, key: Key, at: int) -> T | None:
        """Forget the object, and remember the version at which it was gone."""
        entry = self._entries.pop(key, None)
        self._gone[key] = max(at, entry.version if entry is not None else 0)
        self._gone.move_to_end(key)
        while len(self._gone) > TOMBSTONES:
            self._gone.popitem(last=False)
        return None if entry is None else entry.value
