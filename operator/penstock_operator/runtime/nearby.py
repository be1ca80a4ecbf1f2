"""Which Flows have a name like one that is not there: asked once for all runs that wait for it, and told anew when a nearer one comes.

Neighbours: `gather` asks for a run whose Flow is missing, `app` tells of each Flow that changes, `core.nearnames` compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from penstock_operator.core.nearnames import near_names

from .resources import Key

KEPT = 1000  # names that are not there; beyond this the oldest are asked for again


class Nearby:
    """What was told about names that no Flow has.

    Args:
        flows: the Flows that are known, whenever it is called.
    """

    def __init__(self, flows: Callable[[], Iterable[Key]]) -> None:
        self._flows = flows
        self._told: dict[Key, tuple[str, ...]] = {}

    def near(self, missing: Key) -> tuple[str, ...]:
        """Return names of Flows in a missing one's namespace that are like its own; of no other namespace."""
        known = self._told.get(missing)
        if known is None:
            while len(self._told) >= KEPT:
                del self._told[next(iter(self._told))]
            names = (key.name for key in self._flows() if key.namespace == missing.namespace)
            known = self._told[missing] = near_names(missing.name, names)
        return known

    def changed(self, flow: Key, *, there: bool) -> tuple[Key, ...]:
        """Take note that a Flow came, changed or went.

        Returns:
            The missing names of which there is something else to tell now.
        """
        self._told.pop(flow, None)
        stale = [
            missing
            for missing, told in self._told.items()
            if missing.namespace == flow.namespace
            and (flow.name in told) is not there
            and (flow.name in told or near_names(missing.name, (flow.name,)))
        ]
        for missing in stale:
            del self._told[missing]
        return tuple(stale)
