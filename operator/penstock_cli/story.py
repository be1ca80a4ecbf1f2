"""Runs told as they happen, and summed up in a table at the end."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from penstock_reading.entries import readable

from .errors import writing
from .follow import LogLine, follow
from .render import duration
from .runs import Run
from .terminal import escaped, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .api import Api

__all__ = ["Teller", "outcome", "summary", "tell"]

_COLOURS = {
    "Completed": "green",
    "Running": "cyan",
    "Failed": "red",
    "Crashed": "red",
    "Cancelled": "yellow",
    "Cancelling": "yellow",
}


class Teller(Console):
    """A console that lets the command end as it does when whoever read its output has closed it: rich itself would end it with 1, for Failed."""

    def on_broken_pipe(self) -> None:
        """Pass on what has happened."""
        raise BrokenPipeError


def tell(api: Api, runs: Sequence[Run], console: Console) -> list[Run]:
    """Print what happens to runs until all have ended; returns them as they are then."""
    latest = {run.uid: run for run in runs}
    several = len(runs) > 1
    for event in follow(api, runs):
        if isinstance(event, LogLine):
            who = f"{event.run.name}  " if several else ""
            text = readable(event.text)
            if text is not None:
                _print(console, Text(f"    {who}{escaped(text)}".replace("\n", "\n    ")))
        else:
            latest[event.run.uid] = event.run
            kind, name, message = event.run.state
            shown = kind if name == kind else f"{kind}/{name}"
            told = Text.assemble(
                ("==>", "bold"), f" {line(event.run.name)}  ", (line(shown), _COLOURS.get(kind, "default"))
            )
            _print(console, told + Text(f"  {line(message)}" if message and message.lower() != name.lower() else ""))
    return list(latest.values())


def summary(runs: Sequence[Run], console: Console) -> None:
    """Print the final table, and below it what each run returned or why it did not."""
    table = Table()
    for heading in ("Run", "Flow", "State", "Attempts", "Took"):
        table.add_column(heading, no_wrap=True)
    for run in runs:
        kind, name, _ = run.state
        state = Text(line(kind if name == kind else f"{kind}/{name}"), style=_COLOURS.get(kind, ""))
        table.add_row(Text(line(run.name)), Text(line(run.flow)), state, str(run.attempt), _took(run))
    _print(console, table)
    for run in runs:
        _print(console, Text(line(f"{run.name}: {outcome(run)}")))


def _print(console: Console, shown: Text | Table) -> None:
    text = isinstance(shown, Text)
    with nullcontext() if console.stderr else writing():
        console.print(shown, soft_wrap=text, highlight=False if text else None)


def _took(run: Run) -> str:
    start, end = run.status.get("startTime"), run.status.get("completionTime")
    if not start or not end:
        return ""
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    return f"{seconds:.1f}s" if seconds < 60 else duration(seconds)


def outcome(run: Run) -> str:
    """Return in one line what an ended run returned, or why it did not."""
    if run.completed:
        result = run.status.get("result") or {}
        shown = result.get("json") or result.get("location") or result.get("type")
        return f"returned {shown}" if shown else "returned nothing to show"
    kind, _, message = run.state
    error = run.status.get("error") or {}
    why = f"{error['type']}: {error.get('message', '')}" if error.get("type") else message
    return f"{kind}, {why}" + (f" ({error['location']})" if error.get("location") else "")
