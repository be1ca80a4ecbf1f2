"""The counts in a Flow's status, and how its last run ended: they follow, at a distance. A burst of runs must not be a burst of writes.

They are written with whatever else is, and by themselves when the time for it has come. The first change waits a second, and each wait that
follows is three times as long, up to a minute, until all is quiet again; but when the last run has ended that is told within seconds.
Neighbours: `decide` asks, the runtime keeps a `Pace` for each Flow whose counts have changed.
"""

from __future__ import annotations

from penstock_operator.api.flow import FlowStatus, LastOutcome

from .model import Crowd

FIRST_SECONDS = 1.0
_LONGER = 3  # each wait than the one before, while changes go on
LONGEST_SECONDS = 60.0
IDLE_SECONDS = 5.0  # where nothing runs any more
QUIET_SECONDS = 30.0  # without a change, and the next is a first one


def counted(status: FlowStatus, crowd: Crowd, outcome: LastOutcome | None) -> FlowStatus:
    """Return a status with the counts of now.

    Args:
        status: as it is.
        crowd: the runs that live.
        outcome: the last end of a run that is known; None: of none.
    """
    changes = {
        "active_runs": crowd.active,
        "queued_runs": crowd.queued,
        "last_outcome": _later(status.last_outcome, outcome),
    }
    return status.model_copy(update=changes)


def _later(known: LastOutcome | None, seen: LastOutcome | None) -> LastOutcome | None:
    """A run that is gone keeps its place until a later one has ended."""
    if known is None or (seen is not None and seen.completion_time > known.completion_time):
        return seen
    return known


class Pace:
    """When the counts of one Flow may be written. Times are monotonic seconds."""

    __slots__ = ("_changed", "_since", "_wait", "_written")

    def __init__(self) -> None:
        self._wait = FIRST_SECONDS
        self._changed: float | None = None  # the last time
        self._since: float | None = None  # the first change that was not written yet
        self._written: float | None = None

    def changed(self, now: float) -> None:
        """Take note of a change."""
        if self._changed is not None and now - self._changed >= QUIET_SECONDS:
            self._wait, self._written = FIRST_SECONDS, None
        self._changed = now
        if self._since is None:
            self._since = now

    def wait(self, crowd: Crowd, now: float) -> float:
        """Return how many seconds the counts have to wait; 0: they may be written.

        Args:
            crowd: what there is to tell.
            now: the clock.
        """
        if self._since is None:
            return 0.0
        wait = min(self._wait, IDLE_SECONDS) if crowd == Crowd() else self._wait
        return max(0.0, (self._since if self._written is None else self._written) + wait - now)

    def patient(self, now: float) -> bool:
        """Whether a change that was not written may wait for what is more important."""
        return self._since is None or now - self._since < LONGEST_SECONDS

    @property
    def pending(self) -> bool:
        """Whether there was a change that was not written."""
        return self._since is not None

    def told(self) -> None:
        """Take note that all is written."""
        self._since = None

    def sent(self) -> float | None:
        """Take note that all is on its way: what changes from now on is another change, which waits for its own time.

        Returns:
            What `lost` wants if it does not arrive.
        """
        since, self._since = self._since, None
        return since

    def lost(self, since: float | None) -> None:
        """Take note that what was on its way was not written."""
        self._since = self._since if since is None else since

    def written(self, now: float, *, alone: bool) -> None:
        """Take note that what was on its way was written, alone or with what had to be written anyway."""
        if alone:
            self._wait, self._written = min(LONGEST_SECONDS, self._wait * _LONGER), now
