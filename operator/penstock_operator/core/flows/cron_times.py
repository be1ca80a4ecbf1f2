"""When a cron expression fires in a time zone whose clock jumps. The calendar is cronsim's, the jumps are ours.

Two rules, and no more:
* An expression that **names hours** means times of day. Each fires at the first moment at which the clock shows it or has passed it. So a time
  that the clock skips fires once the clock has jumped, a time that it shows twice fires the first time, and several skipped ones fire once.
* An expression that fires **in every hour** means minutes of the hours as they go by. It fires whenever the clock shows such a minute, in both of
  two hours of one name. A jump ahead by whole hours skips nothing of that; of a jump by part of an hour (Australia/Lord_Howe) that part is
  skipped, and fires once the clock has jumped.
cronsim is asked for days and times without a zone, and in plain words only (`CronFields.plain`): there it has no rule of its own.
Two kinds of numbers: moments are seconds since the epoch; readings are what the clock shows, as if it were UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from cronsim import CronSim

from .zones import Stretch, stretch_at, stretches, stretches_back

_HOUR: Final = 3600
# No clock is further from UTC than 16 hours, and none jumps by more than a day.
_REACH: Final = 48 * _HOUR
_SECOND: Final = timedelta(seconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_READING_EPOCH: Final = datetime(1970, 1, 1)
# What lies before and after has no times: there were no zones yet, and cronsim looks 50 years ahead of a calendar that ends in 9999.
_FIRST: Final = (datetime(1900, 1, 1, tzinfo=UTC) - _EPOCH) // _SECOND
_LAST: Final = (datetime(9900, 1, 1, tzinfo=UTC) - _EPOCH) // _SECOND


@dataclass(frozen=True, slots=True)
class CronTimes:
    """The times of a cron expression.

    Attributes:
        plain: `CronFields.plain`.
        every_hour: `CronFields.every_hour`.
        zone: name of the time zone.
    """

    plain: str
    every_hour: bool
    zone: str

    def after(self, moment: datetime) -> datetime | None:
        """Return the first time that is later than a moment; None where the calendar ends."""
        first = max(_seconds(moment) + 1, _FIRST)
        if first > _LAST:
            return None
        return next(map(_time, self._shown(first) if self.every_hour else self._reached(first)), None)

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        """Return the last time that is later than `after`, and not later than `until`; None if there is none."""
        return next(map(_time, self._backwards(after, until)), None)

    def between(self, after: datetime, until: datetime, limit: int) -> tuple[datetime, ...]:
        """Return the newest `limit` times that are later than `after`, and not later than `until`, oldest first."""
        newest = islice(self._backwards(after, until), limit)
        return tuple(map(_time, reversed(list(newest))))

    def _backwards(self, after: datetime, until: datetime) -> Iterator[int]:
        first, last = max(_seconds(after) + 1, _FIRST), min(_seconds(until), _LAST)
        if first > last:
            return iter(())
        return self._shown_back(last, first) if self.every_hour else self._reached_back(last, first)

    def _reached(self, first: int) -> Iterator[int]:
        for reading in self._matches(self._not_reached(first - 1) - 1):
            yield self._reaches(reading)

    def _reached_back(self, last: int, first: int) -> Iterator[int]:
        after = None
        for reading in self._matches(self._not_reached(last), back=True):
            moment = self._reaches(reading)
            if moment < first:
                return
            if moment != after:
                yield moment
            after = moment

    def _reaches(self, reading: int) -> int:
        """Return the first moment at which the clock shows a reading, or a later one."""
        held = stretch_at(self.zone, reading)
        if held.begin <= reading - _REACH and reading + _REACH < held.end:  # most of the year
            return reading - held.offset
        around = stretches(self.zone, reading - _REACH, reading + _REACH)
        moments = ((stretch, max(stretch.begin, reading - stretch.offset)) for stretch in around)
        return next(moment for stretch, moment in moments if moment < stretch.end)

    def _not_reached(self, moment: int) -> int:
        """Return the first reading that the clock has neither shown nor passed at a moment."""
        held = stretch_at(self.zone, moment)
        if held.begin <= moment - _REACH:
            return moment + 1 + held.offset
        until = stretches(self.zone, moment - _REACH, moment)
        return max(min(stretch.end, moment + 1) + stretch.offset for stretch in until)

    def _shown(self, first: int) -> Iterator[int]:
        before: Stretch | None = None
        reading: int | None = None
        for stretch in stretches(self.zone, first - 1, _LAST):
            begin = max(stretch.begin, first)
            if before is not None and self._skips(before, stretch):
                yield begin
                begin += 1
            if before is None or stretch.offset != before.offset:
                readings = self._matches(begin + stretch.offset - 1)
                reading = next(readings, None)
            while reading is not None and reading - stretch.offset < stretch.end:
                yield reading - stretch.offset
                reading = next(readings, None)
            if reading is None:
                return
            before = stretch

    def _shown_back(self, last: int, first: int) -> Iterator[int]:
        back = stretches_back(self.zone, first - 1, last)
        stretch: Stretch | None = next(back)
        while stretch is not None:
            before = next(back, None)
            begin = max(stretch.begin, first)
            skips = before is not None and self._skips(before, stretch)
            for reading in self._matches(min(last + 1, stretch.end) + stretch.offset, back=True):
                if reading - stretch.offset < begin + skips:
                    break
                yield reading - stretch.offset
            if skips:
                yield begin
            stretch = before

    def _skips(self, before: Stretch, stretch: Stretch) -> bool:
        """Tell whether a jump skips a reading that the hours which go by do not make up for."""
        part = max(0, stretch.offset - before.offset) % _HOUR
        if part == 0:
            return False
        shown = stretch.begin + stretch.offset
        reading = next(self._matches(shown - part - 1), None)
        return reading is not None and reading < shown

    def _matches(self, start: int, *, back: bool = False) -> Iterator[int]:
        """Yield the readings that match, later than one, or back from it."""
        try:
            for found in CronSim(self.plain, _READING_EPOCH + start * _SECOND, reverse=back):
                yield (found - _READING_EPOCH) // _SECOND
        except OverflowError:
            return


def _seconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _SECOND


def _time(seconds: int) -> datetime:
    return _EPOCH + seconds * _SECOND
