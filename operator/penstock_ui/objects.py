"""What the watches have told, held once for all pages: a small row for each object, and its whole body packed.

A row has what tables and filters need and is a thousandth of what the body takes as Python objects; the body is kept as compressed JSON,
so that an object's page can be made while the API server is away. Both are bounded: bodies by the bytes that all of them take, rows by
their number; what is over is left out oldest first, and counted. Neighbours: `feed` fills it, pages subscribe to what they show.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from bisect import bisect_left
from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

__all__ = ["Key", "Objects", "Row"]

MOST_ROWS = 20_000
MOST_PACKED_BYTES = 40 * 2**20
LARGEST_BODY = 512 * 2**10
# What no page shows, and what takes the most room in an object.
_LEFT_OUT = "managedFields"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_PLACE = attrgetter("created", "key")


class Key(NamedTuple):
    """The name of an object."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Row(Protocol):
    """What is kept of each object."""

    @property
    def key(self) -> Key:
        """Its name."""

    @property
    def uid(self) -> str:
        """Its UID."""

    @property
    def created(self) -> float:
        """When it was made, seconds since the epoch."""

    @property
    def over(self) -> bool:
        """Whether it can be left out before others."""


R = TypeVar("R", bound=Row)


class Objects(Generic[R]):
    """All objects of a kind that are known.

    Args:
        row_of: makes the row of a body.
        most: rows at most.
        packed: bytes of all packed bodies at most.
    """

    def __init__(
        self,
        row_of: Callable[[Mapping[str, Any]], R],
        *,
        most: int = MOST_ROWS,
        packed: int = MOST_PACKED_BYTES,
    ) -> None:
        self._row_of = row_of
        self._most = most
        self._packed_most = packed
        self._rows: dict[Key, R] = {}
        self._bodies: dict[Key, bytes] = {}
        self._packed = 0
        self._ordered: list[R] | None = None  # the oldest first
        self._listening: dict[asyncio.Event, Key | None] = {}
        self.version = 0
        self.left_out = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> list[R]:
        """All rows, the newest first; not to be changed."""
        if self._ordered is None:
            self._ordered = sorted(self._rows.values(), key=_PLACE)
        return self._ordered[::-1]

    def row(self, key: Key) -> R | None:
        """Return an object's row; None: it is not known."""
        return self._rows.get(key)

    def body(self, key: Key) -> dict[str, Any] | None:
        """Return an object as it was last seen; None: it is not known, or its body was too large to keep."""
        packed = self._bodies.get(key)
        if packed is None:
            return None
        body: dict[str, Any] = json.loads(zlib.decompress(packed))
        return body

    def put(self, body: Mapping[str, Any], *, size: int = 0) -> None:
        """Take an object as it is now.

        Args:
            body: the object.
            size: how many bytes of JSON it came as; 0: not known.
        """
        row = self._row_of(body)
        key = row.key
        self._place(row, self._rows.get(key))
        self._rows[key] = row
        self._pack(key, body, size)
        if len(self._rows) > self._most + self._most // 10:
            self._shrink()
        self._changed(key)

    def drop(self, key: Key, uid: str = "") -> None:
        """Forget an object, if it is the one with this UID."""
        row = self._rows.get(key)
        if row is None or (uid and row.uid != uid):
            return
        self._forget(key)
        self._changed(key)

    def keep_only(self, namespace: str | None, keys: AbstractSet[Key]) -> None:
        """Forget what a listing of a namespace (None: of all) has not shown."""
        for key in [key for key in self._rows if namespace in (None, key.namespace) and key not in keys]:
            self._forget(key)
            self._changed(key)

    def touch(self) -> None:
        """Wake everybody: something else than an object has changed."""
        self._changed(None)

    @contextmanager
    def listening(self, key: Key | None = None, event: asyncio.Event | None = None) -> Iterator[asyncio.Event]:
        """Give an event that is set at each change of an object (None: of any); whoever waits for it clears it."""
        event = event if event is not None else asyncio.Event()
        self._listening[event] = key
        try:
            yield event
        finally:
            del self._listening[event]

    def _place(self, row: R, before: R | None) -> None:
        """Put a row where its object has been: thousands are not brought into order again for each change of one."""
        if self._ordered is None or before is None or before.created != row.created:
            self._ordered = None
        else:
            self._ordered[bisect_left(self._ordered, _PLACE(row), key=_PLACE)] = row

    def _changed(self, key: Key | None) -> None:
        self.version += 1
        for event, wanted in self._listening.items():
            if key is None or wanted is None or wanted == key:
                event.set()

    def _forget(self, key: Key) -> None:
        del self._rows[key]
        self._ordered = None
        self._packed -= len(self._bodies.pop(key, b""))

    def _pack(self, key: Key, body: Mapping[str, Any], size: int) -> None:
        self._packed -= len(self._bodies.pop(key, b""))
        if size > LARGEST_BODY:
            return
        metadata = {name: value for name, value in body["metadata"].items() if name != _LEFT_OUT}
        if _LAST_APPLIED in (metadata.get("annotations") or {}):
            kept = {name: value for name, value in metadata["annotations"].items() if name != _LAST_APPLIED}
            metadata["annotations"] = kept
        text = json.dumps({**body, "metadata": metadata}, separators=(",", ":"))
        if len(text) > LARGEST_BODY:
            return
        packed = zlib.compress(text.encode(), 1)
        self._bodies[key] = packed
        self._packed += len(packed)
        while self._packed > self._packed_most:
            oldest = next(iter(self._bodies))
            self._packed -= len(self._bodies.pop(oldest))

    def _shrink(self) -> None:
        """Leave out the oldest of those that are over, and if that is not enough the oldest of all."""
        surplus = len(self._rows) - self._most
        for row in sorted(self._rows.values(), key=lambda row: (not row.over, row.created))[:surplus]:
            self._forget(row.key)
        self.left_out += surplus
