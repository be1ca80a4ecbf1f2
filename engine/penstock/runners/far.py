"""The far side of a task run that is sent away: a worker process lives the run, and says what happens in order.

`perform` is what every engine calls there, whatever carried the call. Several runs may execute at once in one process, each
in a thread of its own. A watch looks after them: it sends what they said meanwhile, and interrupts those that nobody wants
any more. Neighbours: `packing` made the parts, `answering` says how the end is told, `remote` reads it; a
runner brings its `Far`.
"""

from __future__ import annotations

import contextvars
import logging
import sys
import threading
import time
from collections import OrderedDict
from typing import Any

from penstock.core.runs import TaskRun
from penstock.core.state import State
from penstock.core.state_parts import COMPLETED, RUNNING, SCHEDULED
from penstock.runners.answering import VALUE, answer, failure
from penstock.runners.forms import Event, log_event, pickled, state_event, unpacked, versions

WATCH_SECONDS = 0.2
"""How often the watch looks: less than a second until a run hears that it is not wanted any more."""
REMEMBERED = 32


class MismatchError(RuntimeError):
    """The worker is of another Python or Penstock version than the flow."""


class Far:
    """The end of a line, in the worker; a runner gives its own.

    Attributes:
        limit: bytes up to which a result is told with the states; longer ones stay here. None: all are told.
        eager: tell the first state at once.
        prints: what runs print goes to the flow, since nobody sees this process's output.
    """

    limit: int | None = None
    eager = True
    prints = False

    def tell(self, events: bytes) -> None:
        """Send events on their way; called in order."""

    def look(self) -> None:
        """Called now and then while the run goes on: what could not be told before may be told now."""

    def wanted(self) -> bool:
        """Whether anybody still waits for the run."""
        return True

    def where(self) -> str:
        """What people call this worker."""
        import os
        import socket

        return f"process {os.getpid()} of {socket.gethostname()}"


class Executing:
    """One run that executes here: what it said, and how it is interrupted."""

    def __init__(self, far: Far, level: int) -> None:
        self.far = far
        self.level = level
        self.events: list[Event] = []
        self.lock = threading.Lock()
        self.run: TaskRun | None = None
        self.stopped = False
        self.over = False

    def say(self, event: Event) -> None:
        """Keep an event until it is sent."""
        with self.lock:
            self.events.append(event)

    def flush(self) -> None:
        """Send what was said."""
        with self.lock:
            if self.events and not self.over:
                events, self.events = self.events, []
                self.far.tell(pickled(events, None))

    def look(self) -> None:
        """What the watch does: send, and interrupt a run that is not wanted any more."""
        self.flush()
        self.far.look()
        if not self.stopped and not self.far.wanted():
            self.stop()

    def stop(self) -> None:
        """Interrupt the body; states and hooks are the flow's affair."""
        from penstock.interruption.interrupt import Cause

        self.stopped = True
        run = self.run
        if run is not None and run.control is not None:
            run.control.interrupt(Cause("superseded", message="Nobody waits for this run any more."))


_current: contextvars.ContextVar[Executing | None] = contextvars.ContextVar("penstock_executing", default=None)


class _Collector(logging.Handler):
    """Gives each record to the run that it is of."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it; records of no run go to stderr."""
        executing = _current.get()
        if executing is None:
            executing = _process.by_id.get(getattr(record, "task_run_id", ""))
        if executing is None:
            if logging.lastResort is not None and record.levelno >= logging.lastResort.level:
                logging.lastResort.handle(record)
        elif record.levelno >= executing.level:
            executing.say(log_event(record))


class _Process:
    """What the runs of this process share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.by_id: dict[str, Executing] = {}
        self.handler: _Collector | None = None
        self.watch: threading.Thread | None = None
        self.some = threading.Event()
        self.loaded: OrderedDict[bytes, Any] = OrderedDict()

    def add(self, id_text: str, executing: Executing) -> None:
        """A run begins."""
        with self.lock:
            self.by_id[id_text] = executing
            logger = logging.getLogger("penstock")
            if self.handler is None or self.handler not in logger.handlers:
                self._collect(logger)
            level = min([each.level for each in self.by_id.values()])
            if logger.level != level:  # setting it empties what all loggers know of their levels
                logger.setLevel(level)
            if self.watch is None:
                self.watch = threading.Thread(target=self._look, name="penstock-watch", daemon=True)
                self.watch.start()
            self.some.set()

    def remove(self, id_text: str) -> None:
        """A run is over."""
        with self.lock:
            self.by_id.pop(id_text, None)
            if not self.by_id:
                self.some.clear()

    def _collect(self, logger: logging.Logger) -> None:
        from penstock.drivers.observing import subscribe
        from penstock.logging.setup import run_loggers

        run_loggers()
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
        if self.handler is None:
            subscribe(self._observe, "task")
        self.handler = _Collector()
        logger.addHandler(self.handler)
        logger.propagate = False

    def _observe(self, run: Any, old: Any, new: State) -> None:
        executing = _current.get()
        if executing is None or executing.run is not run or old is None:
            return
        if new.type is COMPLETED and new.name != "RolledBack":
            executing.over = True  # its value is looked at when the run is over; what follows comes with it
            executing.say(VALUE)
            return
        executing.say(state_event(new, failure(new)))
        if new.type is RUNNING and executing.far.eager:
            executing.flush()

    def _look(self) -> None:
        while True:
            self.some.wait()
            time.sleep(WATCH_SECONDS)
            for executing in list(self.by_id.values()):
                try:
                    executing.look()
                except Exception:
                    logging.getLogger(__name__).exception("The watch over task runs failed.")

    def unpack(self, payload: bytes, around: bool = False) -> Any:
        """What a part says; the same bytes are read once, and what surrounds runs is prepared for all of them."""
        with self.lock:
            known = self.loaded.get(payload)
            if known is not None:
                return known
        form = unpacked(payload, ())
        if around:
            _prepare(form)
        with self.lock:
            self.loaded[payload] = form
            if len(self.loaded) > REMEMBERED:
                self.loaded.popitem(last=False)
        return form


def _prepare(form: dict[str, Any]) -> None:
    from penstock.base.settings import get_current_settings

    sys.path.extend(folder for folder in form["path"] if folder not in sys.path)
    form["settings"] = get_current_settings().copy_with_update(form["settings"])
    form["tags"] = frozenset(form["tags"])


_process = _Process()


def perform(message: tuple[Any, ...], inputs: Any, far: Far) -> tuple[bytes, Any]:
    """Live a task run to its end, here.

    Args:
        message: of `Parts`.
        inputs: what its handles stand for, in order.
        far: the end of the line.

    Returns:
        The answer for the flow, and the value of the run, None unless it completed.

    Raises:
        MismatchError: this process is of another version; names both.
    """
    theirs, around, task, order = message
    if theirs != versions():
        raise MismatchError(
            f"The worker ({far.where()}) has {versions()}; the flow has {theirs}: give both the same image, or "
            "environments with the same versions."
        )
    return contextvars.copy_context().run(_perform, around, task, order, inputs, far)


def executing_here() -> bool:
    """Whether this process executes a run."""
    return bool(_process.by_id)


def interrupt_all() -> None:
    """Interrupt every run of this process."""
    for executing in list(_process.by_id.values()):
        executing.stop()


def _perform(around: Any, task: Any, order: bytes, inputs: Any, far: Far) -> tuple[bytes, Any]:
    from penstock.base.settings import holds
    from penstock.logging import prints

    form = _process.unpack(inputs[around] if isinstance(around, int) else around, around=True)
    holds(form["settings"])
    definition = _process.unpack(inputs[task] if isinstance(task, int) else task)
    told = unpacked(order, inputs)
    executing = Executing(far, form["level"])
    _current.set(executing)
    _process.add(told[0], executing)
    if far.prints:
        prints.sent_home.set(lambda text: executing.say(("print", text)))
        prints.enter()
    try:
        state, staged = _live(form, definition, told, executing)
    finally:
        if far.prints:
            prints.leave()
        _process.remove(told[0])
    with executing.lock:
        events, executing.events = executing.events, []
    assert executing.run is not None
    return answer(executing.run, state, staged, events, far.limit)


def _live(form: dict[str, Any], task: Any, told: tuple[Any, ...], executing: Executing) -> tuple[State, list[Any]]:
    from penstock.base.current import current_run, current_tags, current_transaction
    from penstock.drivers.draining import wait_all
    from penstock.drivers.entry import close_runner, new_task_run
    from penstock.inside.carrying import flow_of
    from penstock.runners.executing import execute_submitted

    id_text, name, address, map_index, tags, prints, run_count, due, mode, parameters = told
    # Each has its own: a watch that still looks at a run that is over may interrupt that one's, and nobody else.
    parent = flow_of(form["flow"]) if "flow" in form else None
    current_run.set(parent)
    current_tags.set(form["tags"])
    around = None
    if mode is not None:
        from penstock.storage.transactions import Transaction

        # Stands for the transaction that the flow is in: what the run stages is handed on to it.
        around = Transaction(commit_mode=mode)
        current_transaction.set((around, parent))
    args, kwargs = task.binder.call_form(parameters)
    given = None
    if due is not None:
        given = State(SCHEDULED, "AwaitingRetry", state_details={"scheduled_time": due, "run_count": run_count})
    run = executing.run = new_task_run(task, args, kwargs, parameters, parent, state=given)
    run.id, run._name = id_text, name
    run.submitted = True
    run.run_count = run_count
    run._address = address
    run._map_index = map_index
    run.context = form["context"]
    run.tags = tags
    run.inherited = prints
    try:
        state = execute_submitted(run)
    finally:
        if parent is not None and parent.runner is not None:  # the body has submitted tasks of its own
            wait_all(parent)
            close_runner(parent)
    run.name  # noqa: B018  (made from the address while it is known)
    return state, _bare(around.children) if around is not None else []


def _bare(staged: list[Any]) -> list[Any]:
    """Transactions without what belongs to this process: the flow's side joins them to its own."""
    for each in staged:
        each.run = each._parent = each._logger = each._token = each.on_rolled_back = None
        _bare(each.children)
    return staged
