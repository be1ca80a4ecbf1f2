"""When a run was due, began and ended; seconds since the epoch until somebody asks. Neighbours: records of `runs` inherit this."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.state_parts import at

if TYPE_CHECKING:
    from datetime import datetime, timedelta


class RunTimes:
    """The part of a record that tells its times."""

    __slots__ = ()

    if TYPE_CHECKING:
        _start: float | None
        _end: float | None
        _expected: float | None

    @property
    def start_time(self) -> datetime | None:
        """When the first try began."""
        return _when(self._start)

    @property
    def end_time(self) -> datetime | None:
        """When the final state was set."""
        return _when(self._end)

    @property
    def expected_start_time(self) -> datetime | None:
        """When the run was due: its scheduled time, else when it was made."""
        return _when(self._expected)

    @property
    def total_run_time(self) -> timedelta:
        """`end_time` minus `start_time`; nothing before the end."""
        from datetime import timedelta

        start, end = self.start_time, self.end_time
        return timedelta(0) if start is None or end is None else max(timedelta(0), end - start)

    @property
    def estimated_run_time(self) -> timedelta:
        """`total_run_time`; of a run that has not ended the time since its start."""
        from datetime import UTC, datetime, timedelta

        start = self.start_time
        if start is None or self.end_time is not None:
            return self.total_run_time
        return max(timedelta(0), datetime.now(UTC) - start)

    @property
    def estimated_start_time_delta(self) -> timedelta:
        """How much later than expected it began; what has not begun is late by now."""
        from datetime import UTC, datetime, timedelta

        due, begun = self.expected_start_time, self.start_time
        if due is None or (begun is None and self.end_time is not None):
            return timedelta(0)
        return max(timedelta(0), (begun or datetime.now(UTC)) - due)

    created = expected_start_time


def _when(seconds: float | None) -> datetime | None:
    return None if seconds is None else at(seconds)
