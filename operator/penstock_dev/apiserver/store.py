"""The objects, the one counter of resource versions, and the recent changes that watches replay.

Invariants: a stored object is never changed in place (a write stores a new one), so readers may keep references; every change
takes the next resource version, whatever its kind; listeners are called in that order. Knows nothing of kinds or HTTP: an
object belongs to a *bucket* (its storage name) and has a namespace ("" for cluster scope) and a name.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Object = dict[str, Any]
ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]

HISTORY = 4096  # changes kept for watches that resume; older versions get 410


@dataclass(slots=True)
class Change:
    """One write: `new` is the object after it (for DELETED: the last one, with the deletion's resource version)."""

    version: int
    type: ChangeType
    bucket: str
    new: Object
    old: Object | None
    encoded: dict[Any, bytes] = field(default_factory=dict)  # answers' cache, by what the watch asked for


def key_of(obj: Object) -> tuple[str, str]:
    """Return (namespace, name)."""
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


class Store:
    """Objects in memory.

    Args:
        version: the resource version to go on from.
    """

    def __init__(self, version: int = 0) -> None:
        self.version = version
        self._buckets: dict[str, dict[tuple[str, str], Object]] = defaultdict(dict)
        self._history: deque[Change] = deque(maxlen=HISTORY)
        self._floor = version  # changes up to here are forgotten
        self._listeners: dict[object, Callable[[Change], None]] = {}

    def get(self, bucket: str, namespace: str, name: str) -> Object | None:
        """Return an object or None."""
        return self._buckets[bucket].get((namespace, name))

    def objects(self, bucket: str, namespace: str = "") -> list[Object]:
        """Return the objects of a bucket, of one namespace when it is given, ordered by namespace and name."""
        items = self._buckets[bucket].items()
        return [obj for key, obj in sorted(items, key=lambda item: item[0]) if not namespace or key[0] == namespace]

    def buckets(self) -> list[str]:
        """Return the names of all buckets that hold something."""
        return [name for name, objects in self._buckets.items() if objects]

    def put(self, bucket: str, obj: Object) -> Object:
        """Store an object under the next resource version and return it as stored."""
        key = key_of(obj)
        old = self._buckets[bucket].get(key)
        self.version += 1
        new = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
        self._buckets[bucket][key] = new
        self._publish(Change(self.version, "MODIFIED" if old else "ADDED", bucket, new, old))
        return new

    def remove(self, bucket: str, obj: Object) -> Object:
        """Take an object out; `obj` is its last form. Returns it with the deletion's resource version."""
        old = self._buckets[bucket].pop(key_of(obj))
        self.version += 1
        last = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
        self._publish(Change(self.version, "DELETED", bucket, last, old))
        return last

    def load(self, bucket: str, obj: Object) -> None:
        """Put back an object as it was written down, without a new version or a change."""
        self._buckets[bucket][key_of(obj)] = obj

    def resume(self, version: int) -> None:
        """Go on from a version read back: nothing before it can be replayed."""
        self.version = self._floor = version

    def since(self, version: int) -> list[Change] | None:
        """Return the changes after a version, oldest first; None when some of them are forgotten.

        A version that was never given out belongs to an earlier life of this server (memory only): forgotten as well.
        """
        if not self._floor <= version <= self.version:
            return None
        changes: list[Change] = []
        for change in reversed(self._history):
            if change.version <= version:
                break
            changes.append(change)
        changes.reverse()
        return changes

    @property
    def floor(self) -> int:
        """The oldest version that a watch can start from."""
        return self._floor

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` with every change from now on; returns the function that ends it."""
        handle = object()
        self._listeners[handle] = listener
        return lambda: self._listeners.pop(handle, None) and None

    def _publish(self, change: Change) -> None:
        if len(self._history) == self._history.maxlen:
            self._floor = self._history[0].version
        self._history.append(change)
        for listener in list(self._listeners.values()):
            listener(change)
