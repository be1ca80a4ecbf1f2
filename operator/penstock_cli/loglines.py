"""The lines of a flow's log, for people.

The pod writes one JSON object a line; what the flow's code prints without logging is text and passes as it is. Lines of state changes
are for programs (the engine says the same in words) and are left out; but they tell the names of task runs, which the others lack.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

__all__ = ["LogReader"]


class LogReader:
    """Reads one pod's log, from its first line on."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def readable(self, line: str) -> str | None:
        """Return a line as it is shown: `12:03:04.567 | INFO    | Task run 'load-1c4' - text`; None if it is not shown."""
        if not line.startswith("{"):
            return line
        try:
            record: Any = json.loads(line)
            text = str(record["msg"])
        except (ValueError, KeyError, TypeError):
            return line
        if record.get("event") == "state":
            if record.get("taskRun"):
                self._names[record["taskRun"]] = str(record.get("task", ""))
            return None
        shown = f"{_time(record.get('ts'))} | {record.get('level', '')!s:<7} | {self._who(record)} - {text}"
        return f"{shown}\n{str(record['exc']).rstrip()}" if record.get("exc") else shown

    def _who(self, record: dict[str, Any]) -> str:
        if record.get("task"):
            return f"Task run {self._names.get(record.get('taskRun', ''), record['task'])!r}"
        logger = str(record.get("logger", ""))
        return f"Flow run {str(record.get('run', ''))!r}" if logger.startswith("penstock.") else logger


def _time(stamp: object) -> str:
    """Return the time of day here, with milliseconds."""
    try:
        return datetime.fromisoformat(str(stamp)).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except ValueError:
        return str(stamp)
