"""What is known of the task runs of an attempt: from its log while that is there, else from its end report; and what is left out, in words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .tasks import of_report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .runs import Run
    from .tasks import TaskRun

__all__ = ["Seen", "best", "left_out", "reported", "unknown"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known.

    Attributes:
        attempt: number of the attempt.
        runs: its task runs.
        omitted: how many there are besides.
        source: log or report.
    """

    attempt: int
    runs: Sequence[TaskRun]
    omitted: int = 0
    source: str = "log"


def best(run: Run, attempt: int, logged: Sequence[TaskRun] | None) -> Seen | None:
    """Return what is known; None: nothing is left of the attempt.

    Args:
        run: as it is.
        attempt: which.
        logged: what its log says; None: there is no log.
    """
    end = reported(run, attempt)
    if logged is not None:
        missing = _made(run, attempt) - sum(not each.subflow for each in logged)
        if logged and (end is None or missing <= end.omitted):
            return Seen(attempt, logged, max(missing, 0))
        if end is None and not run.finished:
            return Seen(attempt, logged)
    if end is not None:
        return end
    return None if logged is None and attempt < run.attempt else Seen(attempt, ())


def reported(run: Run, attempt: int) -> Seen | None:
    """Return what the end report of an attempt says; None: it has none, or the present report is another attempt's."""
    report = run.status.get("report") or {}
    if report.get("attempt") != attempt or not report.get("tasks"):
        return None
    runs, omitted = of_report(report["tasks"])
    return Seen(attempt, runs, omitted, "report")


def left_out(seen: Seen, shown: Sequence[TaskRun], more: str) -> list[str]:
    """Return what is said of the task runs that are known and not shown; empty: there are none."""
    addresses = {each.address for each in shown}
    left = [each for each in seen.runs if each.address not in addresses]
    if not left:
        return []
    counts = ", ".join(f"{count} {state}" for state, count in Counter(each.state for each in left).most_common(5))
    return [f"... and {len(left)} more: {counts}; {more} shows all"]


def unknown(seen: Seen) -> list[str]:
    """Return what is said of the task runs that are not known any more; empty: there are none."""
    if not seen.omitted:
        return []
    why = "the log begins later" if seen.source == "log" else "the report has room for so many, and the log is gone"
    return [f"... and {seen.omitted} that are not known any more: {why}"]


def _made(run: Run, attempt: int) -> int:
    """How many task runs the attempt has made, as far as it has told."""
    report = run.status.get("report") or {}
    progress = report.get("progress") or {} if report.get("attempt") == attempt else {}
    return int(progress.get("total") or 0)
