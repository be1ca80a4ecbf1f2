"""Loggers for user code, and what silences or overhears them.

Neighbours: `setup` makes the engine's own lines; `adapters` are what carries a run; `prints` turns `print` into lines.
"""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run
from penstock.base.exceptions import MissingContextError
from penstock.base.managers import contextmanager
from penstock.core.runs import Run
from penstock.logging.adapters import PenstockLogAdapter, PrefectLogAdapter, logger_of_run
from penstock.logging.prints import patch_print, print_as_log
from penstock.logging.setup import members_of, proof, run_loggers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from penstock.core.runs import FlowRun, TaskRun

__all__ = [
    "LogEavesdropper",
    "PenstockLogAdapter",
    "PrefectLogAdapter",
    "disable_logger",
    "disable_run_logger",
    "flow_run_logger",
    "get_logger",
    "get_run_logger",
    "logger_of_run",
    "patch_print",
    "print_as_log",
    "task_run_logger",
]


def get_logger(name: str | None = None) -> logging.Logger:
    """The logger `penstock`, or a child of it."""
    top = logging.getLogger("penstock")
    if not name:
        return top
    return proof(logging.getLogger(name) if name == "penstock" or name.startswith("penstock.") else top.getChild(name))


def get_run_logger(context: Any = None, **extra: Any) -> Any:
    """The logger of the current task run, else of the flow run.

    Args:
        context: a run context to use instead of the current one.
        extra: members for each record.

    Raises:
        MissingContextError: no run is active here, and the loggers of runs are not disabled.
        TypeError: the context is none of a run.
    """
    if context is not None and not isinstance(getattr(context, "_run", None), Run):
        raise TypeError(
            f"Received unexpected type {type(context).__name__!r} for context: a FlowRunContext or a TaskRunContext is "
            "expected."
        )
    run = context._run if context is not None else current_run.get()
    if run is None:
        if all(logging.getLogger(f"penstock.{name}").disabled for name in ("flow_runs", "task_runs")):
            silent = logging.getLogger("null")
            silent.disabled = True
            return silent
        raise MissingContextError("There is no active flow or task run context.")
    adapter = logger_of_run(run)
    if extra:
        adapter.extra = {**(adapter.extra or {}), **extra}
    return adapter


def flow_run_logger(
    flow_run: FlowRun | None = None, flow: Any = None, flow_run_id: Any = None, **extra: Any
) -> PrefectLogAdapter:
    """A logger whose records carry a flow run.

    Raises:
        ValueError: neither the record nor its id is given.
    """
    if flow_run is None:
        if flow_run_id is None:
            raise ValueError("Either 'flow_run' or 'flow_run_id' must be provided.")
        unknown = {"flow_run_name": "<unknown>", "flow_run_id": str(flow_run_id), "flow_name": "<unknown>"}
        return PrefectLogAdapter(run_loggers()[0], {**unknown, **extra})
    name = (
        flow.name
        if flow is not None
        else (flow_run.definition.name if flow_run.definition is not None else "<unknown>")
    )
    members = {"flow_run_name": flow_run.name, "flow_run_id": str(flow_run.id), "flow_name": name}
    return PrefectLogAdapter(run_loggers()[0], {**members, **extra})


def task_run_logger(
    task_run: TaskRun, task: Any = None, flow_run: Any = None, flow: Any = None, **extra: Any
) -> PrefectLogAdapter:
    """A logger whose records carry a task run; what it does not know of its flow run is that of the active one."""
    if task_run.definition is not None:
        members = members_of(task_run)
    else:
        unknown = dict.fromkeys(("task_name", "flow_run_name", "flow_name"), "<unknown>")
        ids = {"task_run_id": str(task_run.id), "flow_run_id": str(task_run.flow_run_id)}
        members = {**unknown, **ids, "task_run_name": task_run.name}
        active = current_run.get()
        if active is not None and active.flow is not None:
            members.update(flow_run_name=active.flow.name, flow_name=active.flow.definition.name)
    if task is not None:
        members["task_name"] = task.name
    if flow_run is not None:
        members.update(flow_run_id=str(flow_run.id), flow_run_name=flow_run.name)
    if flow is not None:
        members["flow_name"] = flow.name
    return PrefectLogAdapter(run_loggers()[1], {**members, **extra})


@contextmanager
def disable_logger(name: str) -> Iterator[None]:
    """Silence a logger for a block."""
    logger = logging.getLogger(name)
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


@contextmanager
def disable_run_logger() -> Iterator[None]:
    """Silence the loggers of runs for a block."""
    with disable_logger("penstock.flow_runs"), disable_logger("penstock.task_runs"):
        yield


class LogEavesdropper(logging.Handler):
    """Collects what a logger is told, for a block; `text()` gives it.

    Args:
        eavesdrop_on: name of the logger.
        level: from which level on.
    """

    def __init__(self, eavesdrop_on: str, level: int = logging.NOTSET) -> None:
        super().__init__(level=level)
        self.eavesdrop_on = eavesdrop_on
        self._target: logging.Logger | None = None
        self._buffer = io.StringIO()

    def __enter__(self) -> Self:
        self._target = logging.getLogger(self.eavesdrop_on)
        self._level_before = self._target.level
        self._target.level = self.level
        self._target.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._target is not None:
            self._target.removeHandler(self)
            self._target.level = self._level_before

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line."""
        self._buffer.write(f"[{record.levelname}]: {self.format(record)}\n")

    def text(self) -> str:
        """Everything heard so far."""
        return self._buffer.getvalue().removesuffix("\n")


def __getattr__(name: str) -> Any:
    from penstock.base.absent import absent_name

    return absent_name("penstock.logging.loggers", name)
