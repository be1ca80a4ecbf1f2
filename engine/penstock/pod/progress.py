"""How far the run's tasks are: the engine's counters, and what runs longest.

An observer of task runs keeps those that run, in the order of their start, and how many children of each open map are
completed. No lock is taken: a dict's own operations are whole, and the guard may read at any moment.

The summary has no denominator that may grow: ``12/40`` where all task runs are children of maps whose lengths are known,
``13 done, 12/40 of load:1`` where such a map is under way, else ``13 done``. There is no declared total.
"""

from __future__ import annotations

from typing import Any

from penstock.pod.report import ProgressPart

_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED", "CRASHED"})


class Pace:
    """When progress is to be asked for. Times are monotonic seconds.

    Args:
        now: The time.
        first: Seconds until it is asked first; until something was told it is asked twice as often as that.
        seconds: The time between two, at least.
    """

    def __init__(self, now: float, first: float, seconds: float) -> None:
        self._first = first
        self._seconds = seconds
        self._told = False
        self.due = now + first

    def asked(self, now: float, *, told: bool) -> None:
        """Note that it was asked, and whether there was something to tell."""
        self._told = self._told or told
        self.due = now + (self._seconds if self._told else self._first / 2)


class Progress:
    """Tells how far a root flow run is; see the module."""

    def __init__(self) -> None:
        self._running: dict[int, Any] = {}
        self._counts: Any = None
        self._maps: dict[str, list[int]] = {}  # by address: children that ended, and those of them that completed

    def count(self, counts: Any) -> None:
        """Begin with a root run's counters, which note the lengths of maps from now on."""
        counts.maps = {}
        self._counts = counts

    def observe(self, run: Any, old: Any, new: Any) -> None:
        """Take note of one change of a task run."""
        kind = new.type.value
        if kind == "RUNNING":
            self._running.setdefault(id(run), run)
            return
        self._running.pop(id(run), None)
        if run._map_index is not None and (kind in _ENDED or new.name == "NotReady"):
            ended = self._maps.setdefault(str(run.address).rpartition("[")[0], [0, 0])
            ended[0] += 1
            ended[1] += kind == "COMPLETED"

    @property
    def running(self) -> list[Any]:
        """The task runs that run now, the first to begin first."""
        while True:
            try:
                return list(self._running.values())
            except RuntimeError:
                # It changed while it was read; the next time it may not.
                continue

    @property
    def total(self) -> int:
        """Task runs made so far."""
        return self._counts.total if self._counts is not None else 0

    def part(self) -> ProgressPart | None:
        """Give the counts as they are; None before the first task."""
        counts = self._counts
        if counts is None or not counts.total:
            return None
        return ProgressPart(
            total=counts.total,
            running=counts.running,
            completed=counts.completed,
            failed=counts.failed,
            cached=counts.cached,
            summary=self._summary(counts),
            activity=self._activity(),
        )

    def _summary(self, counts: Any) -> str:
        summary = str(counts.summary)
        under_way = self._under_way(counts) if counts.mapped != counts.total else None
        if under_way is None:
            return summary
        address, length = under_way
        return f"{summary}, {self._maps.get(address, (0, 0))[1]}/{length} of {address}"

    def _under_way(self, counts: Any) -> tuple[str, int] | None:
        """The map that began last among those with children that have not ended; those that are over are forgotten."""
        found = None
        for address, length in list(counts.maps.items()):
            if self._maps.get(address, (0, 0))[0] >= length:
                counts.maps.pop(address, None)
                self._maps.pop(address, None)
            else:
                found = address, length
        return found

    def _activity(self) -> str:
        running = self.running
        if not running:
            return ""
        address = str(running[0].address)
        return address if len(running) == 1 else f"{address} and {len(running) - 1} more"
