"""The world of the pure core: the clock, chance, observers, log lines.

Neighbours: `observers` subscribes here; `logging` configures what becomes of the lines.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import TerminationSignal
from penstock.base.noticing import when_imported
from penstock.base.texts import Shown, StateText
from penstock.base.tracebacks import formatted

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.core.runs import Run
    from penstock.core.state import State

_PLAIN = (str, int, float)  # a line prints these by code of Python's own
FINISHED = StateText("Finished in state %s")

Observer = tuple["Callable[[Any, Any, Any], None]", str]


class ProcessWorld:
    """What runs of this process share: nothing but their observers and loggers."""

    __slots__ = ("complained", "configured", "emit", "flow_logger", "observers", "task_logger")

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    @staticmethod
    def random() -> float:
        """A number in [0, 1)."""
        return (int.from_bytes(os.urandom(7), "big") >> 3) * 2.0**-53

    def __init__(self) -> None:
        self.observers: tuple[Observer, ...] = ()
        self.complained: set[int] = set()
        self.configured = False
        self.flow_logger: Any = None
        self.task_logger: Any = None
        self.emit: Any = None

    def configure(self) -> None:
        """Before the first run: loggers, and a handler if nobody has one; `logging` only if somebody has imported it."""
        from penstock.logging import console

        silent = console.unheard(_by_a_logger)
        if silent is None:
            from penstock.logging import setup

            self.flow_logger, self.task_logger = setup.run_loggers()
            self.emit = setup.emit
        else:
            if not self.configured:
                when_imported("logging", self._heard)
            self.flow_logger = self.task_logger = silent
            self.emit = console.emit
        self.configured = True

    def _heard(self, _: Any) -> None:
        """Somebody has imported `logging`: from now on lines may be for others too."""
        if "penstock.logging.setup" in sys.modules:
            self.configured = False  # that is who imports it, and it is not ready yet: at the next line
        else:
            self.configure()

    def notify(self, run: Run, old: State | None, new: State) -> None:
        """Tell the observers, in order; what they raise is logged once each, a TerminationSignal passes."""
        for fn, kinds in self.observers:
            if kinds == "all" or (kinds == "flow") is run.is_flow:
                try:
                    fn(run, old, new)
                except TerminationSignal:
                    raise
                except BaseException as exc:  # noqa: BLE001  (an observer never stops a run)
                    if id(fn) not in self.complained:
                        self.complained.add(id(fn))
                        self.log(run, 40, "Observer %r failed; this is said once: %r", fn, exc, exc=exc)

    def logger_of(self, run: Run) -> Any:
        """The logger whose records carry the run."""
        from penstock.logging.adapters import logger_of_run

        return logger_of_run(run)

    def log(self, run: Run, level: int, message: str, *args: Any, exc: BaseException | None = None) -> None:
        """A line of the run, if anybody wants it."""
        if not self.configured:
            self.configure()
        logger = self.flow_logger if run.is_flow else self.task_logger
        if logger.isEnabledFor(level):
            shown = tuple([arg if isinstance(arg, _PLAIN) else Shown(arg) for arg in args])
            try:
                self.emit(logger, run, level, message, shown, exc)
            except Exception:
                if exc is None:
                    raise
                self.emit(logger, run, level, f"{message}\n%s", (*shown, formatted(exc)), None)

    def closed(self, run: Run, state: State) -> None:
        """The last line of a run."""
        if not self.configured:
            self.configure()
        logger = self.flow_logger if run.is_flow else self.task_logger
        level = 20 if state.type == "COMPLETED" else 40
        if logger.isEnabledFor(level):
            self.emit(logger, run, level, FINISHED, (state,), None)


def _by_a_logger(run: Run, *line: Any) -> None:
    import logging  # noqa: F401  (before `setup`, in the order in which the import of it is noticed)

    from penstock.logging import setup

    flow_logger, task_logger = setup.run_loggers()
    setup.emit(flow_logger if run.is_flow else task_logger, run, *line)


WORLD = ProcessWorld()
