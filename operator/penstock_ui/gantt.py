"""Task runs as a chart: a row each, bars over the time of all, and what depends on what. Pure; a template draws it as SVG.

Lengths across are percents, so that the chart is as wide as its place; heights are rows, which the template multiplies. Nothing in it is of a
style attribute, which the page's policy forbids.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from penstock_reading.timeline import span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_reading.tasks import TaskRun

__all__ = ["Bar", "Chart", "Edge", "Line", "Tick", "chart"]

_LEAST: Final = 0.35  # percent: what took no time is still seen
_MOST_EDGES: Final = 400
_STEPS: Final = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
    14_400, 21_600, 43_200, 86_400,
)  # fmt: skip
_TICKS: Final = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of a row. `x` and `width` in percent; `kind` is a class of the stylesheet: wait, retry, try, paused, run; `words` says it."""

    x: float
    width: float
    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    """One run.

    Attributes:
        run: the run.
        state: its state, as the command's table says it.
        kind: type of its state, for its colour.
        start: behind the first start, in words.
        took: in words.
        bars: its stretches.
        children: how many rows below it are parts of it.
    """

    run: TaskRun
    state: str
    kind: str
    start: str
    took: str
    bars: tuple[Bar, ...]
    children: int = 0


@dataclass(frozen=True, slots=True)
class Edge:
    """From where one row's run ended to where another's began, in percent; and their rows."""

    begin: float
    end: float
    above: int
    below: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis: percent, and words."""

    x: float
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """All of it."""

    lines: tuple[Line, ...]
    edges: tuple[Edge, ...]
    ticks: tuple[Tick, ...]
    total: str


def chart(runs: Sequence[TaskRun], now: datetime, *, over: bool) -> Chart:
    """Return the chart of task runs.

    Args:
        runs: in the order in which they are shown.
        now: where the bars of those that run end, if the attempt is not over.
        over: whether it is.
    """
    begun = [run for run in runs if _begin(run) is not None]
    if not begun:
        lines = tuple(_line(run, now, now, 1.0, over=over) for run in runs)
        return Chart(lines, (), (), "")
    first = min(begin for run in begun if (begin := _begin(run)) is not None)
    last = max(_end(run, now, over=over) for run in begun)
    whole = max((last - first).total_seconds(), 1e-3)
    lines = tuple(_line(run, first, now, whole, over=over) for run in runs)
    return Chart(_with_children(lines), _edges(lines, first, whole, now, over=over), _ticks(whole), span(whole))


def _begin(run: TaskRun) -> datetime | None:
    return run.changes[0].when if run.changes else run.start


def _end(run: TaskRun, now: datetime, *, over: bool) -> datetime:
    if run.start is not None and run.seconds is not None:
        return run.start + timedelta(seconds=run.seconds)
    last = run.changes[-1].when if run.changes else run.start
    assert last is not None
    return last if over or run.ended else max(now, last)


def _line(run: TaskRun, first: datetime, now: datetime, whole: float, *, over: bool) -> Line:
    state = "Cached" if run.cached and run.type == "Completed" else run.state
    kind = "Cached" if state == "Cached" else "AwaitingRetry" if run.state == "AwaitingRetry" else run.type
    begin = _begin(run)
    start = f"+{span(max(0.0, (run.start - first).total_seconds()))}" if run.start is not None else ""
    seconds = run.seconds
    if seconds is None and run.start is not None and not over:
        seconds = max(0.0, (now - run.start).total_seconds())
    took = "" if seconds is None else span(seconds) + ("" if run.ended else "…")
    bars = () if begin is None else tuple(_bars(run, kind, first, now, whole, over=over))
    return Line(run, state, kind, start, took, bars)


def _bars(run: TaskRun, kind: str, first: datetime, now: datetime, whole: float, *, over: bool) -> list[Bar]:
    """The stretches between the changes of a run; the whole of one that is known from a report alone."""
    end = _end(run, now, over=over)
    if not run.changes:
        return [
            _bar(
                run.start or first,
                end,
                f"k-{kind}",
                f"{run.state}: {span((end - (run.start or first)).total_seconds())}",
                first,
                whole,
            )
        ]
    found, tries = [], 0
    for at, change in enumerate(run.changes):
        following = run.changes[at + 1] if at + 1 < len(run.changes) else None
        until = following.when if following is not None else end
        took = span(max(0.0, (until - change.when).total_seconds()))
        if change.kind == "Running":
            tries += 1
            failed = following is not None and following.kind == "AwaitingRetry"
            words = f"try {tries} failed after {took}" if failed else f"try {tries}: {took}" if run.tries > 1 else took
            found.append(_bar(change.when, until, "k-Failed try" if failed else f"k-{kind}", words, first, whole))
        elif change.kind in ("Pending", "Scheduled"):
            if (until - change.when).total_seconds() / whole > 0.002:
                found.append(
                    _bar(change.when, until, "wait", f"waited {took} for its inputs or a free place", first, whole)
                )
        elif change.kind == "AwaitingRetry":
            found.append(_bar(change.when, until, "wait retry", f"waited {took} for the next try", first, whole))
        elif change.kind == "Paused":
            found.append(_bar(change.when, until, "wait paused", f"paused for {took}", first, whole))
        elif not found or run.start is None:
            # Ended without a try: its result was there, or its inputs failed.
            found.append(_bar(change.when, change.when, f"k-{kind}", run.state, first, whole))
    return found


def _bar(begin: datetime, end: datetime, kind: str, words: str, first: datetime, whole: float) -> Bar:
    x = min(100.0 - _LEAST, max(0.0, (begin - first).total_seconds() / whole * 100))
    width = max(_LEAST, min(100.0 - x, (end - begin).total_seconds() / whole * 100))
    return Bar(round(x, 3), round(width, 3), kind, words)


def _with_children(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    counts: dict[str, int] = {}
    for line in lines:
        parts = line.run.address.split("/")
        for depth in range(1, len(parts)):
            above = "/".join(parts[:depth])
            counts[above] = counts.get(above, 0) + 1
    return tuple(
        Line(line.run, line.state, line.kind, line.start, line.took, line.bars, counts.get(line.run.address, 0))
        for line in lines
    )


def _edges(lines: tuple[Line, ...], first: datetime, whole: float, now: datetime, *, over: bool) -> tuple[Edge, ...]:
    at = {line.run.address: number for number, line in enumerate(lines)}
    found: list[Edge] = []
    for number, line in enumerate(lines):
        if line.run.start is None:
            continue
        begin = min(100.0, max(0.0, (line.run.start - first).total_seconds() / whole * 100))
        for address in line.run.after:
            if (other := at.get(address)) is not None and other != number and len(found) < _MOST_EDGES:
                end = (_end(lines[other].run, now, over=over) - first).total_seconds() / whole * 100
                found.append(Edge(round(min(end, 100.0), 3), round(begin, 3), other, number))
    return tuple(found)


def _ticks(whole: float) -> tuple[Tick, ...]:
    step = next((step for step in _STEPS if whole / step <= _TICKS), 86_400.0 * max(1, round(whole / 86_400 / _TICKS)))
    return tuple(Tick(round(step * at / whole * 100, 3), _axis(step * at)) for at in range(int(whole / step) + 1))


def _axis(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:g}ms" if seconds else "0"
    if seconds < 120:
        return f"{seconds:g}s"
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes // 60}h{minutes % 60:02}m" if minutes >= 60 else f"{minutes}m{rest:02}s" if rest else f"{minutes}m"
    )
