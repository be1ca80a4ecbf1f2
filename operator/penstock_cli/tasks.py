"""`tasks`: the task runs of an attempt, from its log while its pod is there, else from its end report."""

from __future__ import annotations

import shutil
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from penstock_reading import seen
from penstock_reading.attempts import end
from penstock_reading.entries import read
from penstock_reading.seen import Seen
from penstock_reading.tasks import TaskRun, TaskRuns, chosen
from penstock_reading.timeline import HEADINGS, rows
from penstock_reading.wholelines import whole_lines

from .api import ServerError
from .errors import CliError, outcome_unknown
from .exits import Exit, of_state
from .follow import LogLine, follow
from .kinds import FLOWRUN, POD, run_names
from .render import table
from .runs import attempts_pods, find
from .terminal import escaped, say

if TYPE_CHECKING:
    from .api import Api
    from .outputs import Output
    from .runs import Run

__all__ = ["overview", "tasks", "watch"]

_WIDTH = 32
_REFRESHES = 2.0  # a second


def tasks(api: Api, word: str, namespace: str, form: Output, *, attempt: int | None, limit: int) -> Exit:
    """Show the task runs of a run's attempt; the last one's, if none is named."""
    run = find(api, namespace, run_names([word])[0])
    found = _seen(api, run, attempt or run.attempt)
    if form.document:
        form.show(_document(run, found))
        return Exit.OK
    over = run.finished or found.attempt != run.attempt
    if form.kind == "name":
        for each in chosen(found.runs, 0, over=over):
            say(each.address)
        return Exit.OK
    for text in _lines(run, found, limit, over=over, wide=form.kind == "wide"):
        say(text)
    return Exit.OK


def overview(api: Api, run: Run, limit: int, program: str) -> list[str]:
    """Return the lines of a table of the last attempt's task runs: from its end report, else from its log; empty: it has none.

    Args:
        api: the API server.
        run: which.
        limit: so many, and the command that shows the others.
        program: what the user called this program.
    """
    found = seen.reported(run, run.attempt) or _seen(api, run, run.attempt)
    if not found.runs:
        return []
    where = "" if run.namespace == "default" else f" -n {run.namespace}"
    return _lines(run, found, limit, over=run.finished, more=f"{program} tasks {run.name}{where}")[:-1]


def watch(api: Api, word: str, namespace: str, *, limit: int) -> Exit:
    """Show the task runs of a run until it has ended: a table that changes on a terminal, else a line for each end.

    Returns:
        How the run ended.
    """
    run = find(api, namespace, run_names([word])[0])
    with outcome_unknown():
        return _live(api, run, limit) if sys.stdout.isatty() else _told(api, run)


def _seen(api: Api, run: Run, attempt: int) -> Seen:
    """What the log says, else the report.

    Raises:
        CliError: there was no such attempt, or neither is there.
    """
    if attempt > max(run.attempt, 1):
        raise CliError(
            f"error: {FLOWRUN.label(run.name)} has had {run.attempt} attempts, not {attempt}", Exit.NOT_FOUND
        )
    pod = dict(attempts_pods(api, run)).get(attempt)
    known = None
    if pod is not None:
        known = TaskRuns()
        try:
            for line in whole_lines(api.lines(POD.path(run.namespace, pod, "log"), {"container": "engine"})):
                known.learn(read(line))
        except ServerError as error:
            # 400: it has not begun; else the node is away, or the pod has just been deleted.
            if error.status in (401, 403):
                raise
    found = seen.best(run, attempt, None if known is None else known.runs)
    if found is None:
        raise CliError(
            f"error: the pod of attempt {attempt} is gone, and its log with it; the report of an attempt is kept until the next one"
        )
    return found


def _document(run: Run, found: Seen) -> dict[str, Any]:
    """All that are known, for programs."""
    made = [each.document() for each in chosen(found.runs, 0, over=run.finished or found.attempt != run.attempt)]
    return {
        "kind": "TaskRunList", "metadata": {"name": run.name, "namespace": run.namespace},
        "attempt": found.attempt, "source": found.source, "omitted": found.omitted, "taskRuns": made,
    }  # fmt: skip


def _lines(run: Run, found: Seen, limit: int, *, over: bool, more: str | None = None, wide: bool = False) -> list[str]:
    shown = chosen(found.runs, limit, over=over)
    if not shown:
        before = f"; --attempt {found.attempt - 1} shows those of the one before" if found.attempt > 1 else ""
        nothing = [f"No task runs in attempt {found.attempt}{before}."] if found.attempt else []
        return [*nothing, str(end(run.status))]
    made = rows(shown, _WIDTH, datetime.now(UTC), over=over)
    cells = [(HEADINGS, "ADDRESS"), *((row.cells, row.run.address) for row in made)]
    heading, *its = [(*each[:-1], address, each[-1]) if wide else each for each, address in cells]
    told = table(heading, its).split("\n")
    told += seen.left_out(found, [row.run for row in made], f"{more} --limit 0" if more else "--limit 0")
    if found.omitted and more and found.source == "report":
        # Nobody has looked into the log yet.
        told.append(f"... and {found.omitted} that are not in the report: {more} looks for them in the log")
    else:
        told += seen.unknown(found)
    return [*(text.rstrip() for text in told), str(end(run.status))]


class _Folding:
    """Takes note of what `follow` tells, attempt by attempt."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.attempt = max(run.attempt, 1)
        self.known = TaskRuns()

    def take(self, event: object) -> list[TaskRun]:
        """Return the task runs that the event is the end of."""
        if not isinstance(event, LogLine):
            self.run = getattr(event, "run", self.run)
            return []
        if event.attempt != self.attempt:
            self.attempt, self.known = event.attempt, TaskRuns()
        entries = read(event.text)
        self.known.learn(entries)
        addresses = {
            str(entry.record["address"])
            for entry in entries
            if entry.is_state and entry.record and entry.record.get("address")
        }
        return [each for each in self.known.runs_at(addresses) if each.ended] if addresses else []


def _told(api: Api, run: Run) -> Exit:
    """A line for each task run that ends."""
    folding = _Folding(run)
    for event in follow(api, [run]):
        for each in folding.take(event):
            took = f" after {each.seconds:.3f}s" if each.seconds is not None else ""
            tries = f", {each.tries} tries" if each.tries > 1 else ""
            say(f"{'  ' * each.depth}{each.name}  {each.state}{took}{tries}", flush=True)
    return _ended(folding.run)


def _live(api: Api, run: Run, limit: int) -> Exit:
    """A table that changes."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    folding = _Folding(run)
    # The table is drawn by a thread, so that what came last is shown and times go on though nothing comes.
    lock = threading.Lock()

    def shown() -> Text:
        with lock:
            found = Seen(folding.attempt, folding.known.runs)
            fits = max(5, min(limit or 10_000, shutil.get_terminal_size().lines - 6))
            lines = _lines(folding.run, found, fits, over=folding.run.finished)
        return Text(escaped("\n".join(lines)), no_wrap=True, overflow="crop")

    with Live(get_renderable=shown, console=Console(), refresh_per_second=_REFRESHES):
        for event in follow(api, [run]):
            with lock:
                folding.take(event)
    return _ended(folding.run)


def _ended(run: Run) -> Exit:
    if not run.finished:
        raise CliError(f"error: {FLOWRUN.label(run.name)} was deleted", Exit.NOT_FOUND)
    if not sys.stdout.isatty():
        say(end(run.status))
    return of_state(run.state[0])
