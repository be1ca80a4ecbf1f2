"""When an interval comes round: so many elapsed seconds from an anchor, before it and after it, whatever clocks show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class IntervalTimes:
    """The times of an interval.

    Attributes:
        seconds: between two of them; above 0.
        anchor: seconds since the epoch of one of them.
    """

    seconds: int
    anchor: int = 0

    @classmethod
    def of(cls, seconds: int, anchor: datetime | None) -> IntervalTimes:
        """Return the times of an interval whose anchor may be absent (the epoch); a fraction of its second is cut off."""
        return cls(seconds, (anchor - _EPOCH) // timedelta(seconds=1) % seconds if anchor else 0)

    def after(self, moment: datetime) -> datetime | None:
        """Return the first time that is later than a moment; None where the calendar ends."""
        return self._time(self._number(moment) + 1)

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        """Return the last time that is later than `after`, and not later than `until`."""
        return next(iter(self.between(after, until, 1)), None)

    def between(self, after: datetime, until: datetime, limit: int) -> tuple[datetime, ...]:
        """Return the newest `limit` times that are later than `after`, and not later than `until`, oldest first."""
        last = self._number(until)
        first = max(self._number(after), last - limit)
        return tuple(time for number in range(first + 1, last + 1) if (time := self._time(number)) is not None)

    def _number(self, moment: datetime) -> int:
        """Return the number of the last time that is not later than a moment; 0 is the anchor's."""
        return ((moment - _EPOCH) // timedelta(seconds=1) - self.anchor) // self.seconds

    def _time(self, number: int) -> datetime | None:
        try:
            return _EPOCH + timedelta(seconds=self.anchor + number * self.seconds)
        except OverflowError:
            return None
