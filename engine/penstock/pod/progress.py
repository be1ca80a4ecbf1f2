"""How far the run's tasks are: the engine's counters, and what runs longest.

An observer of task runs keeps those that run, in the order of their start. No lock is taken: a dict's own operations are
whole, and the guard may read at any moment.
"""

from __future__ import annotations

from typing import Any

from penstock.pod.report import ProgressPart


class Progress:
    """Tells how far a root flow run is; see the module."""

    def __init__(self) -> None:
        self._running: dict[int, Any] = {}
        self.counts: Any = None

    def observe(self, run: Any, old: Any, new: Any) -> None:
        """Take note of one change of a task run."""
        if new.type.value == "RUNNING":
            self._running.setdefault(id(run), run)
        else:
            self._running.pop(id(run), None)

    def part(self) -> ProgressPart | None:
        """Give the counts as they are; None before the first task."""
        counts = self.counts
        if counts is None or not counts.total:
            return None
        return ProgressPart(
            total=counts.total,
            running=counts.running,
            completed=counts.completed,
            failed=counts.failed,
            cached=counts.cached,
            summary=counts.summary,
            activity=self._activity(),
        )

    def _activity(self) -> str:
        while True:
            try:
                running = list(self._running.values())
            except RuntimeError:
                # It changed while it was read; the next time it may not.
                continue
            if not running:
                return ""
            address = str(running[0].address)
            return address if len(running) == 1 else f"{address} and {len(running) - 1} more"
