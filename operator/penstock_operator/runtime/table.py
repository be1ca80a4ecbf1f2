"""The objects of one kind by name, the newest message about each, and which of them are gone.

Pure bookkeeping on versions. Those that were heard of last are at hand as models, within a bound of bytes; all others are kept as text, and
parsed when they are asked for. Neighbours: `store` keeps one table for each kind, `packing` makes objects small.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from .resources import Key

TOMBSTONES = 10_000  # deletions remembered; a stale message about an older one is corrected by the next listing
AT_HAND_BYTES = 2 * 2**20  # of JSON, of the objects of a table that are kept as models
SMALLEST_BYTES = 1024  # what an object counts at least
LARGE_BYTES = 32 * 2**10  # of JSON: an object that is never at hand

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
    """An object and the version that it was read at.

    Attributes:
        uid: its UID.
        version: its resourceVersion.
        value: the object, or its text.
        gist: what is asked of it without reading it.
    """

    uid: str
    version: int
    value: T
    gist: Any = None


class Packing(Protocol[T]):
    """Makes objects small."""

    def pack(self, value: T) -> bytes:
        """Return the object as text.

        Raises:
            ValueError: it can't be written.
        """

    def unpack(self, text: bytes) -> T:
        """Return the object.

        Raises:
            Exception: it can't be read.
        """


class Table(Generic[T]):
    """The objects of one kind.

    Args:
        packing: makes those small that are not at hand; None: all stay as they are.
        at_hand: bytes of JSON, all in all, of what is at hand.
        large: bytes of JSON from which an object is never at hand.
    """

    def __init__(
        self, packing: Packing[T] | None = None, *, at_hand: int = AT_HAND_BYTES, large: int = LARGE_BYTES
    ) -> None:
        self._packing = packing
        self._most = at_hand
        self._large = large
        self._entries: dict[Key, Entry[T | bytes]] = {}
        self._gone: OrderedDict[Key, int] = OrderedDict()
        self._at_hand: OrderedDict[Key, int] = OrderedDict()  # the sizes, longest ago first
        self._at_hand_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        return iter(tuple(self._entries))

    def get(self, key: Key) -> T | None:
        """Return the object.

        Raises:
            Exception: it is there, and can't be read.
        """
        entry = self._entries.get(key)
        if entry is None:
            return None
        if isinstance(entry.value, bytes):
            assert self._packing is not None
            return self._packing.unpack(entry.value)
        if key in self._at_hand:
            self._at_hand.move_to_end(key)
        return entry.value

    def entry(self, key: Key) -> Entry[T | bytes] | None:
        """Return what is known of the object; itself perhaps as text."""
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

    def put(self, key: Key, entry: Entry[T | bytes], size: int = 0) -> None:
        """Keep the object.

        Args:
            key: its name.
            entry: the object, or its text.
            size: of its JSON, bytes; 0: not known, and not much.
        """
        self._gone.pop(key, None)
        self._leave_hand(key)
        if self._packing is not None and not isinstance(entry.value, bytes):
            if size >= self._large:
                entry = self._packed(entry)
            else:
                self._take_at_hand(key, size)
        self._entries[key] = entry

    def swap(self, key: Key, value: T) -> None:
        """Keep less of an object, or it in another form, at the same version."""
        self._entries[key] = replace(self._entries[key], value=value)

    def drop(self, key: Key, at: int) -> Entry[T | bytes] | None:
        """Forget the object, and remember the version at which it was gone."""
        entry = self._entries.pop(key, None)
        self._leave_hand(key)
        self._gone[key] = max(at, entry.version if entry is not None else 0)
        self._gone.move_to_end(key)
        while len(self._gone) > TOMBSTONES:
            self._gone.popitem(last=False)
        return entry

    def _take_at_hand(self, key: Key, size: int) -> None:
        self._at_hand[key] = size = max(size, SMALLEST_BYTES)
        self._at_hand_bytes += size
        while self._at_hand_bytes > self._most and len(self._at_hand) > 1:
            other, its = self._at_hand.popitem(last=False)
            self._at_hand_bytes -= its
            self._entries[other] = self._packed(self._entries[other])

    def _leave_hand(self, key: Key) -> None:
        self._at_hand_bytes -= self._at_hand.pop(key, 0)

    def _packed(self, entry: Entry[T | bytes]) -> Entry[T | bytes]:
        assert self._packing is not None
        assert not isinstance(entry.value, bytes)
        try:
            return replace(entry, value=self._packing.pack(entry.value))
        except ValueError:  # it stays as it is: readers cut what is nested so deep
            return entry
