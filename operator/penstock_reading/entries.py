"""The lines of a pod's log: its own, which are JSON objects, and what the flow's code prints.

A state change is one line; its words and level are those that a plain process has for it, and DEBUG where it has none. A line that
something else tore (a child process that had not ended its line) is read as the two that it is. Neighbour: `wholelines` gives the lines.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BEGINNING", "Entry", "read", "readable"]

BEGINNING = '{"ts": "'
_OURS = frozenset({"ts", "level", "logger", "msg"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One line.

    Attributes:
        written: as the pod wrote it.
        record: what it says, if it is a line of the log and no print.
    """

    written: str
    record: Mapping[str, Any] | None = None

    @property
    def is_state(self) -> bool:
        """Whether it is a state change of a run."""
        return self.record is not None and self.record.get("event") == "state"

    @property
    def shown(self) -> str | None:
        """The line as a plain process prints it, `12:03:04.567 | INFO    | Task run 'load-1c4' - text`; None: it prints none."""
        record = self.record
        if record is None:
            return self.written
        if self.is_state and record["level"] == "DEBUG":
            return None
        told = f"{_time(record['ts'])} | {record['level']!s:<7} | {_who(record)} - {record['msg']}"
        more = (str(record[key]).rstrip() for key in ("exc", "stack") if record.get(key))
        return "\n".join((told, *more))


def read(line: str) -> tuple[Entry, ...]:
    """Return what a line says: one entry, or two where it was torn."""
    begins = line.rfind(BEGINNING)
    if begins < 0:
        return (Entry(line),)
    if begins == 0 or (whole := _record(line)) is None:
        record = _record(line[begins:])
        if record is None:
            return (Entry(line),)
        own = Entry(line[begins:], record)
        return (*read(line[:begins]), own) if begins else (own,)
    return (Entry(line, whole),)


def readable(line: str) -> str | None:
    """Return a line of a log as it is shown; None if it is not."""
    shown = [text for entry in read(line) if (text := entry.shown) is not None]
    return "\n".join(shown) if shown else None


def _record(text: str) -> Mapping[str, Any] | None:
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and document.keys() >= _OURS else None


def _who(record: Mapping[str, Any]) -> str:
    if record.get("taskRunName") or record.get("task"):
        return f"Task run {str(record.get('taskRunName') or record['task'])!r}"
    return f"Flow run {str(record['flowRun'])!r}" if record.get("flowRun") else str(record["logger"])


def _time(stamp: object) -> str:
    """Return the time of day here, with milliseconds."""
    try:
        return datetime.fromisoformat(str(stamp)).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except ValueError:
        return str(stamp)
