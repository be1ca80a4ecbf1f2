"""The pod's log: one JSON object a line on stdout, text on a terminal.

Records of ``logging`` become lines, and so does each state change of a flow or task run (``event: "state"``): the
timeline can be drawn from the log alone. What user code prints passes through unchanged, in lines of its own. A
configuration of logging by user code is for its own records: the run's go on as before. Neighbours: the engine's
loggers put the names of the runs on their records; ``penstock.pod.body`` subscribes :meth:`StateLines.observe`;
``penstock.pod.lines`` keeps lines whole.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from penstock.base.tracebacks import formatted
from penstock.logging.setup import ConsoleFormatter, PodLogger, engine_loggers
from penstock.pod import lines

_RUN_FIELDS = (("flow", "flow_name"), ("task", "task_name"), ("taskRun", "task_run_id"), ("address", "address"))


class JsonFormatter(logging.Formatter):
    """Write a record as one line of JSON.

    Args:
        common: Fields of every line: which run this is.
    """

    def __init__(self, common: Mapping[str, Any]) -> None:
        super().__init__()
        self._common = dict(common)

    def format(self, record: logging.LogRecord) -> str:
        """Give the line, without its end."""
        line: dict[str, Any] = {
            "ts": stamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "msg": record.getMessage(),
            **self._common,
        }
        for field, attribute in _RUN_FIELDS:
            value = getattr(record, attribute, None)
            if value is not None:
                line[field] = str(value)
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            line["exc"] = formatted(error)
        return json.dumps(line, ensure_ascii=False, default=str)


class StateLines:
    """Write each state change as a line of JSON.

    Args:
        write: Writes a line of the log.
        common: Fields of every line.
    """

    def __init__(self, write: Callable[[str], object], common: Mapping[str, Any]) -> None:
        self._write = write
        self._common = dict(common)
        self._started: dict[int, float] = {}

    def observe(self, run: Any, old: Any, new: Any) -> None:
        """Write one change; the engine calls it in order per run."""
        now, kind = time.time(), new.type.value
        line: dict[str, Any] = {
            "ts": stamp(now),
            "level": "INFO",
            "logger": "penstock.states",
            "event": "state",
            "msg": f"{run.name}: {new.name}",
            **self._common,
            **_run_fields(run),
            "from": None if old is None else old.type.value,
            "to": kind,
            "name": new.name,
            "tries": run.run_count,
        }
        if kind == "RUNNING":
            self._started.setdefault(id(run), now)
        elif kind in ("COMPLETED", "FAILED", "CANCELLED", "CRASHED"):
            started = self._started.pop(id(run), None)
            if started is not None:
                line["durationMs"] = round((now - started) * 1000, 3)
        if new.message:
            line["message"] = new.message
        self._write(json.dumps(line, ensure_ascii=False, default=str))


class LogHandler(logging.Handler):
    """Writes records as lines of the log.

    Args:
        write: Writes a line.
        formatter: Makes it.
    """

    def __init__(self, write: Callable[[str], object], formatter: logging.Formatter) -> None:
        super().__init__()
        self._write = write
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one."""
        try:
            self._write(self.format(record))
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - as every handler of the standard library
            # What it prints asks the user's methods again.
            with contextlib.suppress(Exception):
                self.handleError(record)


def install(log_format: str, level: str, common: Mapping[str, Any]) -> StateLines | None:
    """Set up logging for the process.

    Args:
        log_format: ``json``, ``text``, or ``auto``: text on a terminal.
        level: Level of the ``penstock`` loggers; an unknown one counts as INFO.
        common: Fields of every line.

    Returns:
        What writes state changes, when lines are JSON.
    """
    stream = sys.stdout
    if hasattr(stream, "reconfigure"):
        # A pipe is block-buffered otherwise: users' prints would show up minutes later.
        stream.reconfigure(line_buffering=True)
    as_json = log_format == "json" or (log_format == "auto" and not stream.isatty())
    output = lines.install()
    write = output.line if output is not None else lambda text: stream.write(f"{text}\n")
    formatter = JsonFormatter(common) if as_json else ConsoleFormatter()
    # Two of them: the root's is user code's to replace, and what the run says does not depend on it.
    logging.getLogger().addHandler(LogHandler(write, formatter))
    known = logging.getLevelNamesMapping()
    top = engine_loggers(PodLogger)
    top.addHandler(LogHandler(write, formatter))
    top.propagate = False
    top.setLevel(known.get(level, logging.INFO))
    return StateLines(write, common) if as_json else None


def stamp(seconds: float) -> str:
    """Write a time as RFC 3339 with microseconds, in UTC."""
    whole = int(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((seconds - whole) * 1e6):06d}Z"


def _run_fields(run: Any) -> dict[str, Any]:
    # A task run has a key of its task; a flow run has none.
    task_key = getattr(run, "task_key", None)
    if task_key is None:
        return {"address": run.address} if getattr(run, "address", "") else {}
    return {"task": run.name, "taskRun": str(run.id), "address": run.address}
