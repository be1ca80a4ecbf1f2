"""The lines of a flow's log, for people.

The pod writes one JSON object a line; what the flow's code prints without logging is text and passes as it is. Lines of state changes
are for programs (the engine says the same in words), so they are left out.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

__all__ = ["readable"]


def readable(line: str) -> str | None:
    """Return a log line as it is shown: `12:03:04.567 | INFO    | Task run 'load-0' - text`; None if it is not shown."""
    if not line.startswith("{"):
        return line
    try:
        record: Any = json.loads(line)
        text = str(record["msg"])
    except (ValueError, KeyError, TypeError):
        return line
    if record.get("event") == "state":
        return None
    if task := record.get("address") if record.get("task") else None:
        who = f"Task run {task!r}"
    elif record.get("logger", "").startswith("penstock.") and record.get("flow"):
        who = f"Flow run {str(record.get('run', ''))!r}"
    else:
        who = str(record.get("logger", ""))
    shown = f"{_time(record.get('ts'))} | {record.get('level', '')!s:<7} | {who} - {text}"
    return f"{shown}\n{record['exc']}" if record.get("exc") else shown


def _time(stamp: object) -> str:
    """Return the time of day here, with milliseconds."""
    try:
        return datetime.fromisoformat(str(stamp)).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except ValueError:
        return str(stamp)
