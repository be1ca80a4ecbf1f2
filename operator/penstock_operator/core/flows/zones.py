"""What the clocks of a time zone show: stretches of time in which their offset from UTC is the same.

The zones are those of the package `tzdata`, whatever the machine has: the operator in its image, `penstock dev` and the command on a laptop
then say the same, and an update of one package brings new rules to all. Names are looked up in the package's list, so no name leads to a file
elsewhere.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ..faults import Unusable

_DAY: Final = 86_400


class Stretch(NamedTuple):
    """A time without a jump of the clock.

    Attributes:
        begin: seconds since the epoch; the first.
        end: seconds since the epoch; the first after it.
        offset: seconds that the clock is ahead of UTC.
    """

    begin: int
    end: int
    offset: int


def check_zone(name: str) -> None:
    """Refuse a time zone that there is not.

    Raises:
        Unusable: no zone of the tz database has this name; the message has names that are near.
    """
    if name in _names():
        return
    if name.lower() == "local":
        raise Unusable(f"timeZone {name}: nobody knows whose clock that is; write its name, like Europe/Berlin, or UTC")
    folded = {known.lower(): known for known in sorted(_names(), reverse=True)}
    ends = {known.rpartition("/")[2].lower(): known for known in sorted(_names(), reverse=True) if "/" in known}
    wanted = name.lower().replace(" ", "_")
    near = [folded[wanted]] if wanted in folded else [ends[wanted]] if wanted in ends else []
    near = near or [folded[found] for found in difflib.get_close_matches(wanted, folded, 3, 0.75)]
    near = near or [ends[found] for found in difflib.get_close_matches(wanted.rpartition("/")[2], ends, 3, 0.75)]
    hint = f"did you mean {' or '.join(near)}?" if near else "names are like Europe/Berlin, or UTC"
    raise Unusable(f"timeZone {name!r} is not in the tz database; {hint}")


def stretches(name: str, first: int, last: int) -> Iterator[Stretch]:
    """Yield the stretches that overlap a time, in order; two that meet may have the same offset.

    Args:
        name: a zone that `check_zone` lets pass.
        first: seconds since the epoch, some years within the calendar, which ends with 9999.
        last: the same, included.
    """
    for year in range(_year_of(first), _year_of(last) + 1):
        for stretch in _stretches_of(name, year):
            if stretch.end > first and stretch.begin <= last:
                yield stretch


def stretches_back(name: str, first: int, last: int) -> Iterator[Stretch]:
    """Yield the same stretches, the last one first."""
    for year in range(_year_of(last), _year_of(first) - 1, -1):
        for stretch in reversed(_stretches_of(name, year)):
            if stretch.end > first and stretch.begin <= last:
                yield stretch


def stretch_at(name: str, moment: int) -> Stretch:
    """Return the stretch that holds a moment, cut off where its year ends."""
    year = _stretches_of(name, _year_of(moment))
    return next((stretch for stretch in year if moment < stretch.end), year[-1])


@cache
def _names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text("ascii").split())


@cache
def _zone(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


@lru_cache(maxsize=4096)
def _stretches_of(name: str, year: int) -> tuple[Stretch, ...]:
    """Return a year's stretches. A clock that jumps and jumps back within a day goes unseen; no zone has one."""
    zone = _zone(name)
    begin, end = _begin_of(year), _begin_of(year + 1)
    found: list[Stretch] = []
    offset, since = _offset(zone, begin), begin
    for day in range(begin, end, _DAY):
        last = min(day + _DAY, end)
        after = _offset(zone, last)
        if after != offset:
            jump = _jump(zone, day, last, offset)
            if jump < end:  # else the next year begins with it
                found.append(Stretch(since, jump, offset))
                offset, since = after, jump
    return (*found, Stretch(since, end, offset))


def _jump(zone: ZoneInfo, before: int, after: int, offset: int) -> int:
    """Return the first second at which the offset is another than `offset`, as it is at `before` and not at `after`."""
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(zone, middle) == offset:
            before = middle
        else:
            after = middle
    return after


def _offset(zone: ZoneInfo, moment: int) -> int:
    offset = datetime.fromtimestamp(moment, zone).utcoffset()
    assert offset is not None
    return offset.days * _DAY + offset.seconds


def _begin_of(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())


def _year_of(moment: int) -> int:
    return datetime.fromtimestamp(moment, UTC).year
