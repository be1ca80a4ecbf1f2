"""What becomes of waits when somebody sets the wall clock: none grows.

Durations (a backoff, a deadline, a grace period) stand in statuses as moments on the operator's wall clock, and must last what was asked.
While this process lives it knows better: by the monotonic clock. So each run has a reckoning that is never set back, and the core is told by
how much it is ahead of the wall clock. A run that is met later begins with the wall clock as it is then, or where its status shows that another
operator's was. A wall clock that is set forward is believed: somebody may wait for a moment that a person named.
Neighbours: `memory` keeps reckonings, `core.clock` decides by them, `app` looks at all that waits when the wall clock was set forward.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

NOISE_SECONDS = 0.001  # two clocks are never read at the very same moment
STEP_SECONDS = 1.0  # a wall clock that was corrected by less was not set


class Reckoning:
    """A clock that goes with the wall clock, but never back.

    Args:
        wall: the wall clock's time at the beginning, UTC.
        ticks: the monotonic clock's, seconds.
    """

    __slots__ = ("_at", "_ticks")

    def __init__(self, wall: datetime, ticks: float) -> None:
        self._at = wall
        self._ticks = ticks

    def ahead(self, wall: datetime, ticks: float) -> float:
        """Return by how many seconds it is ahead of the wall clock now; 0: not at all."""
        due = self._at + timedelta(seconds=ticks - self._ticks)
        behind = (due - wall).total_seconds()
        if behind < NOISE_SECONDS:
            self._at, self._ticks = wall, ticks
            return 0.0
        return behind

    def follow(self, ahead: float, wall: datetime, ticks: float) -> None:
        """Go on from where another clock was that was ahead by so many seconds: an operator's that wrote the run's status."""
        self._at, self._ticks = wall + timedelta(seconds=ahead), ticks


class Steps:
    """Notices that the wall clock was set.

    Args:
        wall: the wall clock, UTC.
        ticks: monotonic seconds.
    """

    def __init__(self, wall: Callable[[], datetime], ticks: Callable[[], float]) -> None:
        self._wall = wall
        self._ticks = ticks
        self._seen = (wall(), ticks())

    def step(self) -> float:
        """Return by how many seconds the wall clock was set since the last call; 0: not at all."""
        wall, ticks = self._wall(), self._ticks()
        gone = (wall - self._seen[0]).total_seconds() - (ticks - self._seen[1])
        self._seen = (wall, ticks)
        return gone if abs(gone) >= STEP_SECONDS else 0.0
