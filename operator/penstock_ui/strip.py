"""The last 24 hours as a strip of bars: how many runs began in each half hour, by what has become of them. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from .runrow import STATES, UNSEEN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .runrow import RunRow

__all__ = ["BARS", "Bar", "Part", "bars"]

BARS: Final = 48
_SECONDS: Final = 1800.0
# From the ground up: what went well lies below, what needs eyes is on top.
_ORDER: Final = (
    "Completed",
    "Cancelled",
    UNSEEN,
    "Scheduled",
    "Pending",
    "Running",
    "Cancelling",
    "Paused",
    "Failed",
    "Crashed",
)
assert set(_ORDER) == {*STATES, UNSEEN}


@dataclass(frozen=True, slots=True)
class Part:
    """The runs of a bar that are in one state; `y` and `height` in percent of the strip."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """Half an hour.

    Attributes:
        begin: seconds since the epoch.
        end: seconds since the epoch.
        count: runs that began then.
        parts: by state, those that stand on top of each other.
        words: what it says, for a pointer that rests on it and for readers.
    """

    begin: float
    end: float
    count: int
    parts: tuple[Part, ...]
    words: str


def bars(rows: Iterable[RunRow], now: float) -> tuple[list[Bar], int]:
    """Return the bars from the oldest to the newest, and the highest count, which fills the strip."""
    last = (now // _SECONDS + 1) * _SECONDS
    first = last - BARS * _SECONDS
    counted: list[Counter[str]] = [Counter() for _ in range(BARS)]
    begun = Counter((when // _SECONDS, row.kind) for row in rows if first <= (when := row.when) < last)
    for (half, kind), count in begun.items():
        counted[int(half - first // _SECONDS)][kind if kind in _ORDER else UNSEEN] += count
    highest = max(1, *(each.total() for each in counted))
    return [_bar(first + at * _SECONDS, counts, highest) for at, counts in enumerate(counted)], highest


def _bar(begin: float, counts: Counter[str], highest: int) -> Bar:
    parts, y = [], 100.0
    for kind in _ORDER:
        if counts[kind]:
            height = counts[kind] / highest * 100
            y -= height
            parts.append(Part(kind, round(y, 2), round(height, 2)))
    told = ", ".join(f"{counts[kind]} {kind}" for kind in reversed(_ORDER) if counts[kind]) or "no runs"
    words = f"{_clock(begin)} to {_clock(begin + _SECONDS)}: {told}"
    return Bar(begin, begin + _SECONDS, counts.total(), tuple(parts), words)


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%H:%M")
