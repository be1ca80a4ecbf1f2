"""Task runs as a table with a timeline of text: a bar from each start to its end, over the time of all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .tasks import TaskRun

__all__ = ["HEADINGS", "Row", "rows", "span"]

HEADINGS = ("TASK RUN", "STATE", "START", "TOOK", "TRIES", "TIMELINE")
_LONGEST_NAME = 48
_BAR, _GOING, _NOTHING, _INSTANT = "━", "┅", " ", "╸"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    run: TaskRun
    cells: tuple[str, ...]


def rows(runs: Sequence[TaskRun], width: int, now: datetime, *, over: bool) -> list[Row]:
    """Return the lines of the table.

    Args:
        runs: in the order in which they are shown.
        width: characters of the timeline; 0: none.
        now: where the bars of those that run end, if the attempt is not over.
        over: whether it is.
    """
    first, last = _bounds(runs, now, over=over)
    made = []
    for run in runs:
        start = "" if run.start is None or first is None else f"+{span((run.start - first).total_seconds())}"
        seconds = _seconds(run, now, over=over)
        took = "" if seconds is None else span(seconds) + ("" if run.ended else "…")
        name = run.name if len(run.name) <= _LONGEST_NAME else f"{run.name[: _LONGEST_NAME - 1]}…"
        state = "Cached" if run.cached and run.type == "Completed" else run.state
        cells = [f"{'  ' * run.depth}{name}", state, start, took, str(run.tries)]
        if width:
            cells.append(_bar(run, seconds, first, last, width))
        made.append(Row(run, tuple(cells)))
    return made


def span(seconds: float) -> str:
    """Return a span of time with three digits at most: `12ms`, `1.25s`, `4m05s`, `2h10m`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 59.95:
        return f"{seconds:.2f}s" if seconds < 9.995 else f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    return f"{minutes // 60}h{minutes % 60:02}m"


def _seconds(run: TaskRun, now: datetime, *, over: bool) -> float | None:
    if run.seconds is not None or run.start is None or over:
        return run.seconds
    return max(0.0, (now - run.start).total_seconds())


def _bounds(runs: Sequence[TaskRun], now: datetime, *, over: bool) -> tuple[datetime | None, datetime | None]:
    begun = [run for run in runs if run.start is not None]
    if not begun:
        return None, None
    starts = [run.start for run in begun if run.start is not None]
    ends = [
        start + timedelta(seconds=_seconds(run, now, over=over) or 0) for run, start in zip(begun, starts, strict=True)
    ]
    return min(starts), max(ends)


def _bar(run: TaskRun, seconds: float | None, first: datetime | None, last: datetime | None, width: int) -> str:
    if run.start is None or first is None or last is None:
        return ""
    whole = max((last - first).total_seconds(), 1e-9)
    left = min(width - 1, int((run.start - first).total_seconds() / whole * width))
    if seconds is None:
        return _NOTHING * left + _GOING
    long = round(seconds / whole * width)
    mark = _BAR if run.ended else _GOING
    return _NOTHING * left + (mark * min(long, width - left) if long else _INSTANT)
