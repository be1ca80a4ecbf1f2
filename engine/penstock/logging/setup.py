"""Log records of the engine: made cheaply, and shown on stderr when nobody has configured anything.

A record nobody wants costs a level check. Neighbours: `loggers` are for user code; the world emits through here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from penstock.base.tracebacks import traceback_of
from penstock.logging.console import LineFormat, who

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock.core.runs import Run


class ConsoleHandler(logging.StreamHandler[Any]):
    """Writes to whatever `sys.stderr` is at the moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(ConsoleFormatter())

    @property
    def stream(self) -> Any:
        """The current stderr."""
        return sys.stderr

    @stream.setter
    def stream(self, value: Any) -> None:
        """Ignored: the stream is always the current one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; no flush is needed where stderr is line-buffered."""
        try:
            stream = sys.stderr
            if stream is not None:
                stream.write(self.format(record) + "\n")
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001  (as every handler of the standard library)
            # What it prints asks the user's methods again.
            with contextlib.suppress(Exception):
                self.handleError(record)

    def write(self, run: Run, level: int, message: str, args: tuple[Any, ...], exc: BaseException | None) -> None:
        """Write the line that a record of the run would become, without making the record."""
        try:
            text = message % args if args else message
            lines: LineFormat = self.formatter.lines  # type: ignore[union-attr]
            line = lines.line(time.time(), logging.getLevelName(level), who(run), text, exc)
            stream = sys.stderr
            if stream is not None:
                with self.lock:  # type: ignore[union-attr]
                    stream.write(line + "\n")
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001  (as above)
            with contextlib.suppress(Exception):
                self.handleError(record_of(logging.getLogger("penstock"), run, level, message, args, exc))


class ConsoleFormatter(logging.Formatter):
    """`HH:MM:SS.mmm | LEVEL   | Flow run 'x' - text`."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = LineFormat()

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback if there is one."""
        members = record.__dict__
        name = members.get("task_run_name")
        if name is not None:
            who = f"Task run {name!r}"
        else:
            name = members.get("flow_run_name")
            who = f"Flow run {name!r}" if name is not None else record.name
        exc = record.exc_info[1] if record.exc_info and record.exc_info[0] is not None else None
        line = self.lines.line(record.created, record.levelname, who, record.getMessage(), exc)
        if exc is None and record.exc_text:
            line = f"{line}\n{record.exc_text.rstrip()}"
        return line


class EngineLogger(logging.Logger):
    """A logger that is not switched off by what does not speak of it.

    `dictConfig` and `fileConfig` disable all loggers that they do not name, unless told otherwise; users' code that
    configures its own logging would silence the run. `disabled` may still be set by whoever means this logger.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name != "disabled" or sys._getframe(1).f_globals.get("__name__") != "logging.config":
            super().__setattr__(name, value)

    def handle(self, record: logging.LogRecord) -> None:
        """Hand the record to whom it may concern; where a filter or a handler of the user's raises, to the engine's own."""
        try:
            super().handle(record)
        except Exception:  # noqa: BLE001  (as said)
            for handler in (*self.handlers, *logging.getLogger("penstock").handlers):
                if record.levelno >= handler.level:
                    with contextlib.suppress(Exception):
                        handler.handle(record)

    def makeRecord(self, *args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: N802
        """Make a record; one of Python's own where the factory of the user's raises."""
        try:
            return super().makeRecord(*args, **kwargs)
        except Exception:
            if logging.getLogRecordFactory() is logging.LogRecord:
                raise
            return plain_record(*args, **kwargs)


def plain_record(
    name: str, level: int, fn: str, lno: int, msg: object, args: Any, exc_info: Any,
    func: str | None = None, extra: Mapping[str, object] | None = None, sinfo: str | None = None,
) -> logging.LogRecord:  # fmt: skip
    """A record without whatever a factory of the user's adds."""
    record = logging.LogRecord(name, level, fn, lno, msg, args, exc_info, func, sinfo)
    record.__dict__.update({key: value for key, value in (extra or {}).items() if key not in record.__dict__})
    return record


class PodLogger(EngineLogger):
    """One that `logging.disable` does not reach either: what a pod's run says is its record."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802
        """Whether a record of the level is wanted."""
        if self.manager.disable >= level:
            return not self.disabled and level >= self.getEffectiveLevel()
        return super().isEnabledFor(level)


_OWN = ("", "flow_runs", "task_runs", "pod", "tasks", "task_runners", "results", "transactions", "futures")


def proof(logger: logging.Logger) -> logging.Logger:
    """Make a logger of the engine proof against configurations of others; a logger of a class of its own is left alone."""
    if type(logger) is logging.Logger:
        logger.__class__ = EngineLogger
    return logger


def engine_loggers(kind: type[EngineLogger] = EngineLogger) -> logging.Logger:
    """Make the loggers of the engine proof against configurations of others.

    Args:
        kind: what they become; a logger of a class of its own is left alone.

    Returns:
        The logger that they hang on.
    """
    for name in _OWN:
        logger = logging.getLogger(f"penstock.{name}" if name else "penstock")
        if type(logger) in (logging.Logger, EngineLogger):
            logger.__class__ = kind
    return logging.getLogger("penstock")


def configure() -> tuple[logging.Logger, logging.Logger]:
    """Set the level, and install the console handler if neither root nor `penstock` has a handler.

    Returns:
        The loggers of flow runs and of task runs.
    """
    from penstock.base.settings import get_current_settings

    top = engine_loggers()
    if top.level == logging.NOTSET:
        top.setLevel(get_current_settings().logging.level)
    if not top.handlers and not logging.getLogger().handlers:
        top.addHandler(ConsoleHandler())
        top.propagate = False
    for name in get_current_settings().logging.extra_loggers:
        extra = logging.getLogger(name)
        if not extra.handlers:
            extra.handlers = top.handlers
    return logging.getLogger("penstock.flow_runs"), logging.getLogger("penstock.task_runs")


@cache
def run_loggers() -> tuple[logging.Logger, logging.Logger]:
    """The loggers of flow runs and of task runs; configured when first asked for."""
    return configure()


def members_of(run: Run) -> dict[str, Any]:
    """What a record of this run carries; members that do not apply are absent."""
    flow = run.flow
    members: dict[str, Any] = {}
    if flow is not None:
        known = flow.log_members
        if known is None or known["flow_run_name"] != flow._name:
            known = flow.log_members = {
                "flow_run_id": flow.key.text, "flow_run_name": flow.name, "flow_name": flow.definition.name,
            }  # fmt: skip
            if address := flow.address:
                known["address"] = address
        members.update(known)
    if not run.is_flow:
        members["task_run_id"] = run.key.text
        members["task_run_name"] = run.name
        members["task_name"] = run.definition.name
        members["address"] = run.address
    return members


# What is equal in every record that the engine makes itself: there is no place in the user's code to point to.
_CONSTANT: dict[str, Any] = {
    "pathname": __file__,
    "filename": "setup.py",
    "module": "setup",
    "exc_text": None,
    "stack_info": None,
    "lineno": 0,
    "funcName": None,
    "processName": "MainProcess",
    "taskName": None,
}
# Whoever wants to see all records of a process, as collectors of errors do, puts something else in the place of these.
_HANDLE, _CALL_HANDLERS = (
    method if getattr(method, "__globals__", None) is logging.__dict__ else None
    for method in (logging.Logger.handle, logging.Logger.callHandlers)
)
_start = logging._startTime if hasattr(logging, "_startTime") else time.time()


def emit(
    logger: logging.Logger, run: Run, level: int, message: str, args: tuple[Any, ...], exc: BaseException | None
) -> None:
    """Say a line of the run to whom it may concern; without a record where that is the console alone."""
    console = console_alone(logger, level)
    if console is None:
        logger.handle(record_of(logger, run, level, message, args, exc))
    else:
        console.write(run, level, message, args, exc)


def console_alone(logger: logging.Logger, level: int) -> ConsoleHandler | None:
    """The console handler, where a record of the level would reach it as it is and nothing else would see it."""
    top = logger.parent
    if (
        logger.__class__ is not EngineLogger or top.__class__ is not EngineLogger or top.propagate
        or len(top.handlers) != 1 or logger.handlers or logger.filters or not logger.propagate
    ):  # fmt: skip
        return None
    handler = top.handlers[0]
    if (
        handler.__class__ is not ConsoleHandler or handler.level > level or handler.filters
        or handler.formatter.__class__ is not ConsoleFormatter
        or logging.getLogRecordFactory() is not logging.LogRecord
        or logging.Logger.handle is not _HANDLE or logging.Logger.callHandlers is not _CALL_HANDLERS
    ):  # fmt: skip
        return None
    return handler


def record_of(
    logger: logging.Logger, run: Run, level: int, message: str, args: tuple[Any, ...], exc: BaseException | None
) -> logging.LogRecord:
    """A record of the run, made without walking the stack for a place."""
    exc_info = (type(exc), exc, traceback_of(exc)) if exc is not None else None
    factory, record = logging.getLogRecordFactory(), None
    if factory is not logging.LogRecord:
        with contextlib.suppress(Exception):  # of the user's
            record = factory(logger.name, level, __file__, 0, message, args, exc_info, None)
    if record is None:
        record = logging.LogRecord.__new__(logging.LogRecord)
        members = record.__dict__
        members.update(_CONSTANT)
        now = time.time()
        thread = threading.current_thread()
        members["name"] = logger.name
        members["msg"] = message
        members["args"] = args
        members["levelname"] = logging.getLevelName(level)
        members["levelno"] = level
        members["exc_info"] = exc_info
        members["created"] = now
        members["msecs"] = int((now - int(now)) * 1000)
        members["relativeCreated"] = (now - _start) * 1000
        members["thread"] = thread.ident
        members["threadName"] = thread.name
        members["process"] = os.getpid()
    record.__dict__.update(members_of(run))
    return record
