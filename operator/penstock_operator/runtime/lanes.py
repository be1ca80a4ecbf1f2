"""Keys that are ready, in the order in which they came, and by turns: one of each group, then the next of each.

Pure. Neighbour: `queue` has a lane for each urgency.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from enum import IntEnum
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Urgency(IntEnum):
    """The lanes, in order. What ends is told before what begins: that something runs is often no news any more when its turn comes."""

    URGENT = 0  # it is to end
    ENDING = 1  # its engine has said how it ended
    USUAL = 2
    BEGUN = 3  # it has its pod, and shows that next
    LATE = 4  # it has ended


class Lane(Generic[K]):
    """Keys with the moment since which they wait.

    Args:
        group: of a key.
    """

    def __init__(self, group: Callable[[K], Hashable]) -> None:
        self._group = group
        self._groups: OrderedDict[Hashable, OrderedDict[K, float]] = OrderedDict()  # the next turn is the first's
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, key: K) -> bool:
        return key in self._groups.get(self._group(key), ())

    def add(self, key: K, since: float) -> None:
        """Put the key at its group's end; one that is here stays where it is."""
        keys = self._groups.setdefault(self._group(key), OrderedDict())
        if key not in keys:
            keys[key] = since
            self._size += 1

    def remove(self, key: K, default: float) -> float:
        """Take the key away, and return since when it waited; the default if it is not here."""
        group = self._group(key)
        keys = self._groups.get(group)
        if keys is None or key not in keys:
            return default
        since = keys.pop(key)
        self._left(group, keys)
        return since

    def take(self, rank: Callable[[Hashable], int | None], until: float = math.inf) -> tuple[K, float] | None:
        """Take the next key of the next group of the lowest rank, 0 being the lowest; None: there is none.

        Args:
            rank: of a group; None: it has no turn now.
            until: the next key of a group has its turn if it waits since then, or longer.
        """
        best: tuple[int, Hashable] | None = None
        for group, waiting in self._groups.items():
            if until < math.inf and next(iter(waiting.values())) > until:
                continue
            its = rank(group)
            if its is not None and (best is None or its < best[0]):
                best = (its, group)
                if its == 0:
                    break
        if best is None:
            return None
        group = best[1]
        keys = self._groups[group]
        taken = keys.popitem(last=False)
        self._groups.move_to_end(group)
        self._left(group, keys)
        return taken

    def _left(self, group: Hashable, keys: OrderedDict[K, float]) -> None:
        self._size -= 1
        if not keys:
            del self._groups[group]
