"""Task runs that execute in another process: what is sent, what comes back.

The whole life of the run happens there; here its record follows by the events that come back: state changes for the
observers, log records for the handlers. Neighbours: `starting` hands over, `process_pool` carries.
"""

from __future__ import annotations

import contextvars
import logging
import sys
from typing import Any

from penstock.base.texts import text_of
from penstock.core.changes import put
from penstock.core.inputs import Found, Upstream, not_ready, refuse, replace, scan
from penstock.core.runs import TaskRun
from penstock.core.state import State
from penstock.core.state_result import exception_of, get_state_result
from penstock.drivers.sync import release
from penstock.drivers.world import WORLD
from penstock.inside.carrying import flow_form, flow_of


class RemoteTraceback(Exception):  # noqa: N818  (carries the text of a traceback of another process)
    """The traceback of an exception, as text, from the process that raised it."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Outcome:
    """What comes back: states in order, log records, and what the record needs."""

    __slots__ = ("name", "records", "run_count", "states", "times")

    def __init__(self, states: list[State], records: list[logging.LogRecord], run: TaskRun) -> None:
        self.states = states
        self.records = records
        self.run_count = run.run_count
        self.name = run._name
        self.times = (run._start, run._end)


class RemoteCall:
    """A task run as bytes: called, it executes the run and returns its `Outcome` as bytes."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self._run: TaskRun | None = None

    def __getstate__(self) -> bytes:
        return self.payload

    def __setstate__(self, payload: bytes) -> None:
        self.payload = payload
        self._run = None

    @classmethod
    def of(cls, run: TaskRun, context: contextvars.Context) -> RemoteCall | None:
        """The call for a run whose upstreams are done; None when they hold it back, which ends it here."""
        parameters = run.parameters or {}
        held = _held_back(run, parameters)
        if held:
            return None
        if run.pending_inputs:
            parameters = {name: replace(value, _result) for name, value in parameters.items()}
        call = cls(_payload(run, parameters, context))
        call._run = run
        return call

    def __call__(self) -> bytes:
        """Execute the run here."""
        return execute_payload(self.payload)

    def take_back(self, answer: bytes) -> None:
        """Let the record follow what happened there."""
        import cloudpickle

        run = self._run
        assert run is not None
        outcome: Outcome = cloudpickle.loads(answer)
        run._name = run._name or outcome.name
        for record in outcome.records:
            logger = logging.getLogger(record.name)
            if logger.isEnabledFor(record.levelno):
                logger.handle(record)
        for state in outcome.states:
            put(run, state, WORLD, force=True)
        run.run_count = outcome.run_count
        run._start, run._end = outcome.times
        release(run)


def _held_back(run: TaskRun, parameters: dict[str, Any]) -> bool:
    found: Found = []
    for value in parameters.values():
        scan(value, found)
    if run.wait_for:
        scan(run.wait_for, found)
    for item, allow in found:
        state = item.state if isinstance(item, Upstream) else item  # type: ignore[attr-defined]
        if not_ready(state, allow):
            run_id = item.task_run_id if isinstance(item, Upstream) else state.id  # type: ignore[attr-defined]
            put(run, State("PENDING", "NotReady", message=str(refuse(run_id))), WORLD)
            WORLD.closed(run, run.state)
            release(run)
            return True
    return False


def _result(item: Any, allow: bool) -> Any:
    state = item.state if isinstance(item, Upstream) else item  # type: ignore[attr-defined]
    if not state.is_completed():
        return exception_of(state) if state.is_failed() and allow else None
    return get_state_result(state)


def _payload(run: TaskRun, parameters: dict[str, Any], context: contextvars.Context) -> bytes:
    import cloudpickle

    from penstock.base.current import current_tags
    from penstock.base.settings import get_current_settings

    flow = run.flow
    form: dict[str, Any] = {
        "task": run.definition,
        "parameters": parameters,
        "id": run.id,
        "name": run._name,
        "address": run.address,
        "map_index": run._map_index,
        "context": dict(run.context or {}),
        "tags": context.get(current_tags, frozenset()),
        "own_tags": run.tags,
        "prints": run.inherited,
        "settings": context.run(get_current_settings)._flat(),
        "level": logging.getLogger("penstock").getEffectiveLevel(),
        "path": list(sys.path),
    }
    if flow is not None:
        form["flow"] = flow_form(flow)
    try:
        return cloudpickle.dumps(form)  # type: ignore[no-any-return]
    except Exception:  # noqa: BLE001  (whatever a parameter refuses with)
        # Parameters of the flow need not be picklable for the task to run elsewhere.
        if flow is not None:
            form["flow"]["parameters"] = {}
        return cloudpickle.dumps(form)  # type: ignore[no-any-return]


class _Collector(logging.Handler):
    """Keeps the records of the run, in a form that can be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record; arguments become text, tracebacks too."""
        record.msg = record.getMessage()
        record.args = ()
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        self.records.append(record)


def execute_payload(payload: bytes) -> bytes:
    """In the other process: execute the run, and give what happened as bytes."""
    import cloudpickle

    from penstock.base.settings import temporary_settings

    form = cloudpickle.loads(payload)
    for folder in form["path"]:
        if folder not in sys.path:
            sys.path.append(folder)
    logger = logging.getLogger("penstock")
    logger.setLevel(form["level"])
    collector = _Collector()
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.addHandler(collector)
    logger.propagate = False
    try:
        with temporary_settings(form["settings"]):
            run, states = _execute(form)
    finally:
        logger.removeHandler(collector)
    return _packed(Outcome(states, collector.records, run))


def _execute(form: dict[str, Any]) -> tuple[TaskRun, list[State]]:
    from penstock.base.current import current_run, current_tags
    from penstock.drivers.entry import new_task_run
    from penstock.drivers.observing import subscribe
    from penstock.runners.executing import execute_submitted

    task = form["task"]
    parent = flow_of(form["flow"]) if "flow" in form else None
    current_run.set(parent)
    current_tags.set(frozenset(form["tags"]))
    states: list[State] = []
    unsubscribe = subscribe(
        lambda run, old, new: states.append(new) if run is made[0] and old is not None else None, "task"
    )
    made: list[Any] = [None]
    try:
        args, kwargs = task.binder.call_form(form["parameters"])
        run = new_task_run(
            task, args, kwargs, form["parameters"], parent, task_run=TaskRun(id=form["id"], name=form["name"])
        )
        made[0] = run
        run._address = form["address"]
        run._map_index = form["map_index"]
        run.context = form["context"]
        run.tags = form["own_tags"]
        run.inherited = form["prints"]
        execute_submitted(run)
    finally:
        unsubscribe()
    run.name  # noqa: B018  (made from the address while it is known)
    return run, states


def _packed(outcome: Outcome) -> bytes:
    import cloudpickle

    from penstock.base.tracebacks import formatted

    for state in outcome.states:
        exc = state.data
        if isinstance(exc, BaseException):
            exc.__cause__ = RemoteTraceback(formatted(exc))
    try:
        return cloudpickle.dumps(outcome)  # type: ignore[no-any-return]
    except Exception as exc:  # noqa: BLE001  (a result that cannot be sent is the run's failure)
        last = outcome.states[-1]
        outcome.states[-1] = State(
            "FAILED",
            message=f"The {'result' if last.is_completed() else 'failure'} of type {type(last.data).__name__} "
            f"cannot be sent back from its process: {text_of(exc)}",
            data=TypeError(f"{type(last.data).__name__} cannot be pickled: {text_of(exc)}"),
        )
        for state in outcome.states[:-1]:
            state.data = None
        return cloudpickle.dumps(outcome)  # type: ignore[no-any-return]
