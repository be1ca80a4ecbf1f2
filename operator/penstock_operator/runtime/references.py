"""What the runs that are known refer to, and how many there are: kept as they change, so that nobody looks through all of them.

Neighbours: `store` notes each change of a run's gist here; `core.flows.history` knows who needs whom.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from penstock_operator.core.flows.history import History

from .gist import Gist
from .resources import FLOWRUNS, Key, Resource

H = TypeVar("H")


class References:
    """Indexes of runs.

    Args:
        counted: is told each Flow that has one more finished run which its history may lose.
    """

    def __init__(self, counted: Callable[[Key], None]) -> None:
        self._waiting: dict[tuple[Resource, Key], set[Key]] = {}
        self._children: dict[Key, set[Key]] = {}  # a run -> the unfinished runs that it has started
        self._states: Counter[str] = Counter()
        self.history = History(lambda name: counted(Key(*name)))

    def states(self) -> list[tuple[str, float]]:
        """Return how many runs are in each type of state; safe to call from another thread."""
        return [(kind, float(number)) for kind, number in tuple(self._states.items())]

    def waiting_for(self, resource: Resource, key: Key) -> tuple[Key, ...]:
        """Return the unfinished runs that refer to an object by name, in order, whether it is there or not."""
        return tuple(sorted(self._waiting.get((resource, key), ())))

    def children(self, key: Key) -> tuple[Key, ...]:
        """Return the unfinished runs that a run has started, in order."""
        return tuple(sorted(self._children.get(key, ())))

    def concerned(self, resource: Resource, key: Key) -> tuple[Key, ...]:
        """Return the runs that a change of an object may concern: itself, and those that wait for it."""
        return ((key,) if resource == FLOWRUNS else ()) + self.waiting_for(resource, key)

    def note(self, key: Key, before: Gist | None, after: Gist | None) -> None:
        """Take note of a run: as it was known, and as it is; None: it was not, or is gone."""
        for gist, step in ((before, -1), (after, 1)):
            if gist is not None:
                self._states[gist.state] += step
                for reference in gist.refers:
                    _link(self._waiting, reference, key, step)
                if gist.parent is not None:
                    _link(self._children, gist.parent, key, step)
        self.history.note(key, after.kin if after is not None else None)


def _link(index: dict[H, set[Key]], owner: H, key: Key, step: int) -> None:
    if step > 0:
        index.setdefault(owner, set()).add(key)
    elif owner in index:
        index[owner].discard(key)
        if not index[owner]:
            del index[owner]
