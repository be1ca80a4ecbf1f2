"""Counters of the task runs of one root run. Neighbours: `changes` bumps them, reports and the runtime read."""

from __future__ import annotations


class Progress:
    """Counters of the task runs of one root run; bumped without locks, read by whoever wants to know."""

    __slots__ = ("cached", "completed", "failed", "running", "total")

    def __init__(self) -> None:
        self.total = self.running = self.completed = self.failed = self.cached = 0

    @property
    def summary(self) -> str:
        """How many of how many are completed."""
        return f"{self.completed}/{self.total}"
