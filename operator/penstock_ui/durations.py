"""The last runs of a Flow as a chart: a bar for each, as high as it took, in the colour of its outcome. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from penstock_reading.timeline import span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .runrow import RunRow

__all__ = ["MOST", "Bar", "Chart", "chart"]

MOST: Final = 60
_LEAST_HEIGHT: Final = 2.0  # percent: what took no time is seen all the same
_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Bar:
    """A run; its place in percent of the chart."""

    run: RunRow
    x: float
    width: float
    y: float
    height: float
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The bars from the oldest to the newest.

    Attributes:
        bars: a run each.
        lines: heights in percent from above, and the span that each stands for.
        counts: how many ended in each state, in words.
        median: how long the middle one of those that Completed took, in words; empty: none did.
    """

    bars: tuple[Bar, ...]
    lines: tuple[tuple[float, str], ...]
    counts: str
    median: str


def chart(rows: Iterable[RunRow], now: float) -> Chart:
    """Return the chart of the newest runs that have begun.

    Args:
        rows: of a Flow's runs.
        now: seconds since the epoch: a run that goes on has taken so long.
    """
    begun = sorted((row for row in rows if row.started), key=lambda row: (row.started, row.key))[-MOST:]
    took = [row.took(now) or 0.0 for row in begun]
    highest = _round_up(max(took, default=0.0))
    width = 100 / max(len(begun), 12)
    bars = []
    for at, (row, seconds) in enumerate(zip(begun, took, strict=True)):
        height = max(_LEAST_HEIGHT, seconds / highest * 100)
        going = "" if row.over else " so far"
        words = f"{row.key.name}: {row.words}, took {span(seconds)}{going}"
        bars.append(Bar(row, round(at * width, 3), round(width, 3), round(100 - height, 2), round(height, 2), words))
    lines = tuple((round(100 - 100 * at / _LINES, 2), span(highest * at / _LINES)) for at in range(1, _LINES + 1))
    counted: dict[str, int] = {}
    for row in begun:
        counted[row.kind] = counted.get(row.kind, 0) + 1
    completed = sorted(seconds for row, seconds in zip(begun, took, strict=True) if row.kind == "Completed")
    return Chart(
        tuple(bars),
        lines if begun else (),
        ", ".join(f"{count} {kind}" for kind, count in sorted(counted.items(), key=lambda item: (-item[1], item[0]))),
        span(completed[len(completed) // 2]) if completed else "",
    )


def _round_up(seconds: float) -> float:
    """Return a round number of seconds above, that can be parted in three."""
    least = max(seconds, 0.003)
    unit = next((step for step in (86_400.0, 3600.0, 60.0) if least >= step * 3), 10 ** math.floor(math.log10(least)))
    return math.ceil(least / (3 * unit) * 2) / 2 * 3 * unit
