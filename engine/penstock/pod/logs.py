"""The pod's log: one JSON object a line on stdout, text on a terminal.

Records of ``logging`` become lines, and so does each state change of a flow or task run (``event: "state"``): the
timeline can be drawn from the log alone. Nothing is said twice: where a plain process says a state change in words
("Finished in state Completed()"), these words and their level are the event's, and the record that says them is left
out; where it says nothing, the event's level is DEBUG. What user code prints passes through unchanged, in lines of its
own. A configuration of logging by user code is for its own records: the run's go on as before.

Neighbours: the engine's loggers put the names of the runs on their records; ``penstock.pod.body`` subscribes
:meth:`StateLines.observe`; ``penstock.pod.lines`` keeps lines whole; ``penstock.pod.extras`` makes ``extra`` plain.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring as quoted
from typing import Any

from penstock.base.texts import StateText, text_of
from penstock.base.tracebacks import formatted
from penstock.core.state_parts import PAUSED, StateType
from penstock.logging.setup import ConsoleFormatter, PodLogger, engine_loggers
from penstock.pod import lines
from penstock.pod.extras import extra_of

_TASK_FIELDS = (
    ("flow", "flow_name"), ("task", "task_name"), ("taskRun", "task_run_id"), ("taskRunName", "task_run_name"),
    ("address", "address"),
)  # fmt: skip
_FLOW_FIELDS = (("flow", "flow_name"), ("flowRun", "flow_run_name"), ("address", "address"))
# A task that gathers thousands has no line of a megabyte.
_MOST_UPSTREAMS = 64
_KINDS = {kind: kind.value for kind in StateType}  # the attribute is made anew each time
_FINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "CRASHED"})
# Ends of lines for some readers, which JSON leaves as they are.
_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_TOLD = "__penstock_told__"
_encode = json.JSONEncoder(ensure_ascii=False, default=text_of).encode


class JsonFormatter(logging.Formatter):
    """Write a record as one line of JSON. The traceback of an exception is in the first line that has it.

    Args:
        common: Fields of every line: which run this is.
    """

    def __init__(self, common: Mapping[str, Any]) -> None:
        super().__init__()
        self._common = _fields(common)
        self._stamp = Stamp()

    def format(self, record: logging.LogRecord) -> str:
        """Give the line, without its end."""
        members = record.__dict__
        line = (
            f'{{"ts": "{self._stamp.of(record.created)}", "level": {quoted(record.levelname)}, '
            f'"logger": {quoted(record.name)}, "msg": {quoted(record.getMessage())}{self._common}'
        )
        of_task = "task_run_id" in members or "task_name" in members
        for field, attribute in _TASK_FIELDS if of_task else _FLOW_FIELDS:
            value = members.get(attribute)
            if value is not None:
                line = f'{line}, "{field}": {quoted(value if type(value) is str else text_of(value))}'
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and self._first(error):
            line = f'{line}, "exc": {quoted(formatted(error))}'
        elif error is None and record.exc_text:
            line = f'{line}, "exc": {quoted(record.exc_text)}'
        if record.stack_info:
            line = f'{line}, "stack": {quoted(str(record.stack_info))}'
        extra = extra_of(record)
        if extra is not None:
            line = f'{line}, "extra": {_encode(extra)}'
        return _one_line(f"{line}}}")

    def _first(self, error: BaseException) -> bool:
        """Whether an exception comes here for the first time; a mark on it tells, for to keep it would keep its frames."""
        try:
            # What is pickled and comes back has another's mark.
            told = error.__dict__.get(_TOLD) == id(self)
            error.__dict__[_TOLD] = id(self)
        except Exception:  # noqa: BLE001  (a class of the user's)
            return True
        return not told


class StateLines:
    """Write each state change as a line of JSON.

    Args:
        write: Writes a line of the log.
        common: Fields of every line.
    """

    def __init__(self, write: Callable[[str], object], common: Mapping[str, Any]) -> None:
        self._write = write
        self._common = _fields(common)
        self._stamp = Stamp()
        self._flow_logger = logging.getLogger("penstock.flow_runs")
        self._task_logger = logging.getLogger("penstock.task_runs")

    def observe(self, run: Any, old: Any, new: Any) -> None:
        """Write one change; the engine calls it in order per run."""
        kind = _KINDS[new.type]
        level, words = self._said(run, old, new, kind)
        before = "null" if old is None else f'"{_KINDS[old.type]}"'
        line = (
            f'{{"ts": "{self._stamp.of(time.time())}", "level": "{level}", "logger": "penstock.states", '
            f'"event": "state", "msg": {quoted(words)}{self._common}{_run_fields(run)}, '
            f'"from": {before}, "to": "{kind}", "name": {quoted(new.name)}, "tries": {run.run_count}'
        )
        if kind in _FINAL and run._start is not None and run._end is not None:
            line = f'{line}, "durationMs": {max(0.0, round((run._end - run._start) * 1000, 3))}'
        if (kind == "RUNNING" and run.run_count == 1) or new.name == "NotReady":
            line = f"{line}{_upstreams(run)}"
        if new.message:
            line = f'{line}, "message": {quoted(str(new.message))}'
        self._write(_one_line(f"{line}}}"))

    def _said(self, run: Any, old: Any, new: Any, kind: str) -> tuple[str, str]:
        """Level and words of a change: those that a plain process has for it, where they are wanted."""
        logger = self._flow_logger if run.is_flow else self._task_logger
        if old is not None:
            if new.ended:
                level = logging.INFO if kind == "COMPLETED" else logging.ERROR
                words = f"Finished in state {text_of(new)}"
                return (logging.getLevelName(level) if logger.isEnabledFor(level) else "DEBUG"), words
            if kind == "RUNNING" and run.is_flow and old.type is not PAUSED:
                which = "flow" if run.parent is None else "subflow"
                words = f"Beginning {which} run {run.name!r} for flow {run.definition.name!r}"
                return ("INFO" if logger.isEnabledFor(logging.INFO) else "DEBUG"), words
        return "DEBUG", f"{run.name}: {new.name}"


class LogHandler(logging.Handler):
    """Writes records as lines of the log.

    Args:
        write: Writes a line.
        formatter: Makes it.
        states: Whether state changes are lines of their own, so that records that say them are left out.
    """

    def __init__(self, write: Callable[[str], object], formatter: logging.Formatter, *, states: bool = False) -> None:
        super().__init__()
        self._write = write
        self._states = states
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one."""
        if self._states and type(record.msg) is StateText:
            return
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
    top.addHandler(LogHandler(write, formatter, states=as_json))
    top.propagate = False
    top.setLevel(known.get(level, logging.INFO))
    return StateLines(write, common) if as_json else None


class Stamp:
    """Writes times as RFC 3339 with microseconds, in UTC; the second is written once."""

    def __init__(self) -> None:
        self._second = (-1, "")

    def of(self, seconds: float) -> str:
        """Write a time, in seconds since the epoch."""
        whole = int(seconds)
        second, text = self._second
        if second != whole:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
            self._second = (whole, text)
        return f"{text}.{int((seconds - whole) * 1e6):06d}Z"


def _one_line(line: str) -> str:
    return line if line.isascii() else line.translate(_ENDS)


def _fields(common: Mapping[str, Any]) -> str:
    """The fields of every line, as they stand between others."""
    return "".join(f", {quoted(name)}: {_encode(value)}" for name, value in common.items())


def _run_fields(run: Any) -> str:
    if not run.is_flow:
        flow = f'"flow": {quoted(run.flow.definition.name)}, ' if run.flow is not None else ""
        return (
            f', {flow}"task": {quoted(run.definition.name)}, "taskRun": "{run.key.text}", '
            f'"taskRunName": {quoted(run.name)}, "address": {quoted(run.address)}'
        )
    address = f', "address": {quoted(run.address)}' if run.address else ""
    return f', "flow": {quoted(run.definition.name)}, "flowRun": {quoted(run.name)}{address}'


def _upstreams(run: Any) -> str:
    """The task runs whose futures or states a run took or waited for, by their ids, as far as the engine knows them."""
    tracked = run.parent_task_run if run.is_flow else run
    sources: Mapping[str, list[Any]] = getattr(tracked, "sources", None) or {}
    ids = dict.fromkeys(str(each) for listed in sources.values() for each in listed)
    return f', "after": {_encode(list(ids)[:_MOST_UPSTREAMS])}' if ids else ""
