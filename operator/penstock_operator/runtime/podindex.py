"""Which pods carry which run's name, and the pods that are gone, as they were last seen.

Neighbour: `store`, which has the pods themselves and tells each change.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from penstock_operator.api.constants import LABEL_FLOW_RUN
from penstock_operator.core.observe import Pod

from .resources import Key

LAST_PODS = 2_000  # pods that are gone and may not have been judged yet


def run_of(key: Key, pod: Pod) -> Key:
    """Return the name of the run that a pod carries; an empty one where it carries none."""
    return Key(key.namespace, pod.labels.get(LABEL_FLOW_RUN, ""))


class PodIndex:
    """Pods by the run that they name."""

    def __init__(self) -> None:
        self._of: dict[Key, tuple[Key, ...]] = {}  # run -> its pods, in order
        self._last: OrderedDict[Key, Pod] = OrderedDict()

    def __iter__(self) -> Iterator[tuple[Key, tuple[Key, ...]]]:
        """Yield each run with its pods, as they are now: what changes meanwhile is not seen."""
        return iter(tuple(self._of.items()))

    def of(self, run: Key) -> tuple[Key, ...]:
        """Return the names of a run's pods."""
        return self._of.get(run, ())

    def note(self, key: Key, before: Pod | None, after: Pod | None) -> None:
        """A pod has come, changed, or gone."""
        for pod, step in ((before, -1), (after, 1)):
            if pod is not None:
                run = run_of(key, pod)
                others = tuple(other for other in self.of(run) if other != key)
                kept = tuple(sorted((*others, key))) if step > 0 else others
                if kept:
                    self._of[run] = kept
                else:
                    self._of.pop(run, None)

    def last(self, key: Key) -> Pod | None:
        """Return a pod that is gone as it was last seen."""
        return self._last.get(key)

    def remember(self, key: Key, pod: Pod) -> None:
        """A pod is gone: keep how it was last seen, of the newest so many."""
        self._last[key] = pod
        self._last.move_to_end(key)
        while len(self._last) > LAST_PODS:
            self._last.popitem(last=False)

    def back(self, key: Key) -> None:
        """A pod of that name is there (again)."""
        self._last.pop(key, None)
