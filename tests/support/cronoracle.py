"""An oracle for schedules: it walks through UTC minute by minute and looks at the clock. Slow, plain, and it shares no line with the operator.

`Cron` matches a minute against an expression, value by value. `fires` says at which minutes of a walk an expression fires. `clocks` groups
the zones of the tz database by what their files say of some years; the files are read here once more, bytes and all.
"""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

NAMES: tuple[list[str], ...] = (
    [],
    [],
    [],
    ["", *["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]],
    ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
)
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
EPOCH = date(1970, 1, 1)
DAY = 1440


def star(text: str) -> bool:
    """Tell whether a field counts as a star: an item of it is one, without a step or with that of 1."""
    return any(re.fullmatch(r"[*?](/0*1)?", item) for item in text.split(","))


@cache
def matching(text: str, kind: int) -> tuple[bool, ...]:
    """Tell for each value from 0 whether a field matches it."""
    lowest, highest = BOUNDS[kind]
    found = [False] * (highest + 1)
    for item in text.lower().split(","):
        ends, _, step = item.partition("/")
        first, dash, last = ends.partition("-")
        if first in ("*", "?"):
            low, high = lowest, highest
        else:
            low = _number(first, kind)
            high = _number(last, kind) if dash else (max(low, highest) if step else low)
        every = int(step or 1)
        for value in range(highest + 1):
            for candidate in (value, value + 7) if kind == 4 and value == 0 else (value,):
                if low <= candidate <= high and (candidate - low) % every == 0:
                    found[value] = True
    return tuple(found)


def _number(text: str, kind: int) -> int:
    return NAMES[kind].index(text) if text in NAMES[kind] else int(text)


@dataclass(frozen=True, eq=False)
class Cron:
    """An expression of five fields, as robfig/cron 3.0.1 reads it, and 7 as Sunday.

    Attributes:
        times: which minutes of a day match.
        every_hour: it fires in each hour of its days.
    """

    text: str
    times: bytes = field(init=False, repr=False)
    every_hour: bool = field(init=False)
    _fields: list[tuple[bool, ...]] = field(init=False, repr=False)
    _either: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        fields = [matching(text, kind) for kind, text in enumerate(self.text.split())]
        minutes, hours, *_ = fields
        object.__setattr__(self, "times", b"".join(bytes(minutes) if wanted else bytes(60) for wanted in hours))
        object.__setattr__(self, "every_hour", all(hours))
        object.__setattr__(self, "_fields", fields)
        object.__setattr__(self, "_either", not any(map(star, self.text.split()[2::2])))

    def day(self, number: int) -> bool:
        """Tell whether a day matches; it is counted from the epoch."""
        when = EPOCH + timedelta(days=number)
        _, _, days, months, weekdays = self._fields
        if not months[when.month]:
            return False
        by_day, by_weekday = days[when.day], weekdays[when.isoweekday() % 7]
        return by_day or by_weekday if self._either else by_day and by_weekday

    def matches(self, reading: int) -> bool:
        """Tell whether a minute matches that a clock shows; it is counted from the epoch as if the clock were UTC's."""
        return bool(self.times[reading % DAY]) and self.day(reading // DAY)


def fires(cron: Cron, readings: Iterable[tuple[int, int]]) -> Iterator[int]:
    """Yield the minutes at which an expression fires.

    Args:
        cron: the expression.
        readings: each minute since the epoch, and what the clock shows then; the first is only looked back at.
    """
    walked = iter(readings)
    _, before = next(walked)
    highest = before
    for minute, shown in walked:
        if shown == highest + 1:
            fired = cron.matches(shown)
        elif cron.every_hour:
            skipped = max(0, shown - before - 1) % 60
            fired = any(cron.matches(passed) for passed in range(shown - skipped, shown + 1))
        else:
            fired = any(cron.matches(passed) for passed in range(highest + 1, shown + 1))
        if fired:
            yield minute
        before, highest = shown, max(highest, shown)


def walk(zone: ZoneInfo, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield each minute from one to another, and what a zone's clock shows then."""
    when = datetime.fromtimestamp(first * 60, UTC)
    for minute in range(first, last + 1):
        offset = when.astimezone(zone).utcoffset()
        assert offset is not None
        yield minute, minute + offset // timedelta(minutes=1)
        when += timedelta(minutes=1)


@cache
def read_zone(name: str) -> ZoneInfo:
    """Return a zone as the package tzdata has it."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def clocks(first: int, last: int) -> list[tuple[str, ...]]:
    """Return the zones that jump within some time; those that show the same together.

    Args:
        first: seconds since the epoch.
        last: seconds since the epoch.
    """
    groups: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for name in (files("tzdata") / "zones").read_text().split():
        rule, jumps = _read(files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes())
        ahead = tuple(jump for jump in jumps if first <= jump[0] < last)
        if ahead or "," in rule:
            groups[rule, ahead].append(name)
    return [tuple(names) for names in groups.values()]


def _read(data: bytes) -> tuple[str, list[tuple[int, int]]]:
    """Return a file's rule for the years to come, and its jumps with the offsets after them (RFC 9636)."""

    def counts(at: int) -> tuple[int, ...]:
        return struct.unpack(">6L", data[at + 20 : at + 44])

    universal, standard, leaps, times, kinds, letters = counts(0)
    at = 44 + times * 5 + kinds * 6 + letters + leaps * 8 + standard + universal
    *_, times, kinds, _ = counts(at)
    at += 44
    offsets = [struct.unpack_from(">lbB", data, at + 9 * times + 6 * kind)[0] for kind in range(kinds)]
    moments = struct.unpack_from(f">{times}q", data, at)
    jumps = [
        (moment, offsets[kind]) for moment, kind in zip(moments, data[at + 8 * times : at + 9 * times], strict=True)
    ]
    return data.rstrip(b"\n").rpartition(b"\n")[2].decode(), jumps


def jumps(zone: ZoneInfo, first: int, last: int) -> Iterator[int]:
    """Yield the minutes at which the offset changes: each day is looked at, then its hours, then the minutes of one."""

    def offset(minute: int) -> timedelta | None:
        return datetime.fromtimestamp(minute * 60, zone).utcoffset()

    before = offset(first)
    for day in range(first + DAY, last, DAY):
        if (after := offset(day)) != before:
            hour = next(hour for hour in range(day - DAY + 60, day + 60, 60) if offset(hour) == after)
            yield next(minute for minute in range(hour - 59, hour + 1) if offset(minute) == after)
            before = after
