"""Counters of the task runs of one root run.

Neighbours: `changes` bumps them, `runners.submitting` notes the lengths of maps, reports and the runtime read.
"""

from __future__ import annotations


class Progress:
    """Counters of the task runs of one root run; bumped without locks, read by whoever wants to know.

    `mapped` counts those that are children of maps of a known length; `maps` has the lengths by address, where somebody
    wants them (and takes out again what is over).
    """

    __slots__ = ("cached", "completed", "failed", "mapped", "maps", "running", "total")

    def __init__(self) -> None:
        self.total = self.running = self.completed = self.failed = self.cached = self.mapped = 0
        self.maps: dict[str, int] | None = None

    def expanded(self, address: str, length: int) -> None:
        """Note that a map has made all of its children."""
        self.mapped += length
        if self.maps is not None:
            self.maps[address] = length

    @property
    def summary(self) -> str:
        """How many are completed; of how many only where that is known: all are children of maps."""
        if self.total and self.mapped == self.total:
            return f"{self.completed}/{self.total}"
        return f"{self.completed} done"
