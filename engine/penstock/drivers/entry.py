"""Making runs, and turning their ends into what the caller gets.

Neighbours: `flows` and `tasks` call in here; `sync` and `aio` execute what is made here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.current import current_tags
from penstock.base.exceptions import Pause, PausedRun, TerminationSignal, UnfinishedRun
from penstock.base.settings import get_current_settings
from penstock.base.tracebacks import set_traceback, traceback_of
from penstock.core.address import quote_name
from penstock.core.changes import create, put
from penstock.core.inputs import SCALARS, Found, listed, scan
from penstock.core.runs import FlowRun, Run, TaskRun
from penstock.core.state import State
from penstock.core.state_parts import CANCELLED, COMPLETED, CRASHED, FAILED, PAUSED, SCHEDULED, TERMINAL_STATES
from penstock.core.state_result import exception_of, get_state_result
from penstock.drivers.sync import Dropped, release, take_over
from penstock.drivers.world import WORLD
from penstock.interruption.interrupt import Control, roots
from penstock.interruption.section import current_section

if TYPE_CHECKING:
    from collections.abc import Mapping


def new_task_run(
    task: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    parameters: dict[str, Any],
    parent: Run | None,
    wait_for: Any = None,
    *,
    place: tuple[str, int] | None = None,
    map_index: int | None = None,
    task_run: TaskRun | None = None,
    state: State | None = None,
) -> TaskRun:
    """Make the record of a task run, and set its first state.

    Args:
        task: the definition.
        args: as they were passed.
        kwargs: as they were passed.
        parameters: the same, bound.
        parent: nearest enclosing run.
        wait_for: upstreams for order only.
        place: label and index of a map's children; default: counted now.
        map_index: position in the map.
        task_run: a record to use.
        state: given first state.
    """
    if task.in_fields:
        parameters = task.out_of_fields(parameters)
        args, kwargs = task.binder.call_form(parameters)
    run = task_run if task_run is not None else TaskRun(task, parent)
    if task_run is not None:
        TaskRun.__init__(run, task, parent, id=task_run.key._id, name=task_run._name)
    if parent is None:
        run.control = Control()
        own(run, run.control)
        run._label = quote_name(task.name)
    else:
        if place is None:
            place = parent.counter.take(task.count_key, task.name)
        run._label, run._index = place
        run._map_index = map_index
        run.exempt = run.control.cause is not None
    run.args = args
    run.kwargs = kwargs
    run.parameters = parameters
    run.call = task.fn
    run.is_async = task.isasync
    run.wait_for = None if wait_for is None else listed(wait_for)
    tags = current_tags.get()
    run.tags = task.tags | tags if tags else frozenset(task.tags)
    run.inherited = task.log_prints if task.log_prints is not None else prints_of(parent)
    found: Found = []
    for value in parameters.values():
        if value.__class__ not in SCALARS and scan(value, found):
            run.pending_inputs = True
    flow = run.flow
    if flow is not None:
        run.handlers = flow.task_handlers
        root = run.root
        run.context = root.context
        if root.is_flow and (root.given_states or root.task_contexts):  # type: ignore[attr-defined]
            take_given(run, root)  # type: ignore[arg-type]
    if state is not None:
        run.given = _begun_before(run.given, state)
    given = run.given
    create(run, WORLD, given if given is not None and given.type in (SCHEDULED, PAUSED) else None)
    return run


def _begun_before(known: State | None, state: State) -> State:
    """A first state that is given by hand; but a wait that an earlier attempt has begun stands before one that is made anew."""
    return known if known is not None and known.type is SCHEDULED and state.type is SCHEDULED else state


def take_given(run: Run, root: FlowRun) -> None:
    """Give the run the state and the context that `run_engine` was given for its address, once per try."""
    from penstock.drivers.given_states import lookup

    lookup(run, root)


def new_flow_run(
    flow: Any,
    parameters: dict[str, Any],
    parent: Run | None,
    wait_for: Any = None,
    *,
    flow_run: FlowRun | None = None,
    state: State | None = None,
    context: Mapping[str, Any] | None = None,
) -> FlowRun:
    """Make the record of a flow run, or use the one given, and set its first state."""
    run = flow_run if flow_run is not None else FlowRun()
    run.definition = flow
    run.flow_name = flow.name
    run.parent = parent
    run.root = parent.root if parent is not None else run
    run.parameters = parameters
    run.call = flow.fn
    run.is_async = flow.isasync
    run.wait_for = None if wait_for is None else listed(wait_for)
    run.tags = current_tags.get()
    run.inherited = flow.log_prints if flow.log_prints is not None else prints_of(parent)
    found: Found = []
    for value in parameters.values():
        if value.__class__ not in SCALARS and scan(value, found):
            run.pending_inputs = True
    if parent is None:
        if run.control is None:
            run.control = Control()
        own(run, run.control)
        run.context = context if context is not None else {}
    else:
        run.control = parent.control
        run.exempt = run.control.cause is not None
        run._label, run._index = parent.counter.take(flow.count_key, flow.name)
        run.context = parent.root.context
        run.attempt = getattr(parent.root, "attempt", 1)
        root = parent.root
        if root.is_flow and (root.given_states or root.task_contexts):  # type: ignore[attr-defined]
            take_given(run, root)  # type: ignore[arg-type]
        _track(run, parent)
    if state is not None:
        run.given = _begun_before(run.given, state)
    given = run.given
    flow.rebind(run)
    create(run, WORLD, given if given is not None and (parent is None or given.type in (SCHEDULED, PAUSED)) else None)
    return run


def own(run: Run, control: Control) -> None:
    """Make the run the root of its control."""
    control.root = run
    control.take_over = take_over


def prints_of(parent: Run | None) -> bool:
    """Whether `print` becomes log lines where nothing of its own says so."""
    if parent is not None:
        return bool(parent.inherited)
    return bool(get_current_settings().logging.log_prints)


def _track(run: FlowRun, parent: Run) -> None:
    """The tracking task run in the parent, whose state mirrors that of the subflow."""
    tracking = TrackingRun.__new__(TrackingRun)
    tracking.mirror = run
    TrackingRun.__init__(tracking, run.definition, parent)
    tracking._label, tracking._index = run._label, run._index
    run.parent_task_run = tracking
    run.key.task = tracking.key


class TrackingRun(TaskRun):
    """Stands in the parent run for a subflow run."""

    __slots__ = ("mirror",)

    mirror: FlowRun

    @property
    def state(self) -> State:
        """The state of the subflow run."""
        state: State = self.mirror.state
        return state

    @state.setter
    def state(self, value: State | None) -> None:
        """Ignored: the state is the subflow run's."""

    @property
    def task_key(self) -> str:
        """Key of the subflow."""
        return str(self.definition.name)


class RootScope:
    """Around the life of a root flow run: registry, signal handlers, and the signal again afterwards."""

    __slots__ = ("run", "signals")

    def __init__(self, run: FlowRun) -> None:
        self.run = run
        self.signals: Any = None

    def __enter__(self) -> None:
        from penstock.interruption.signals import SignalScope

        roots.add(self.run.control, self.run)
        self.signals = SignalScope(self.run.control)
        self.signals.install(sigint=not self.run.is_async)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        control = self.run.control
        control.finished = True
        roots.remove(control)
        section = current_section()
        if isinstance(section.pending, TerminationSignal):
            # It came when the body had ended; the next run of this thread is another one.
            section.pending = None
        self.signals.restore()
        self.signals.redeliver()
        if kind is Dropped:
            raise SystemExit from None  # another thread has ended this run: quietly leave


def cancel_run(run: Any, message: str) -> None:
    """End a run that has not started as CANCELLED."""
    if run.state.type is not CANCELLED:
        put(run, State(CANCELLED, message=message), WORLD)
    WORLD.closed(run, run.state)
    release(run)


class Failure:
    """An end of a run that the caller gets as an exception; raised by the caller, to keep tracebacks short."""

    __slots__ = ("exc",)

    def __init__(self, exc: BaseException, traceback: Any = None) -> None:
        set_traceback(exc, traceback)
        self.exc = exc


def conclude(run: Run, state: State, return_state: bool) -> Any:
    """What the call gives: the value, the state, or a `Failure` to raise: crashes, also with `return_state`."""
    kind = state.type
    if kind is COMPLETED and not return_state:
        data = state.data
        return get_state_result(state) if getattr(type(data), "__penstock_stored__", False) is True else data
    control = run.control
    if (
        control.cause is not None
        and run.reached
        and run.parent is not None
        and kind is not COMPLETED
        and kind is not FAILED
    ):
        # The interruption goes on through the callers' bodies, whatever state it gave this run.
        return Failure(
            state.data if isinstance(state.data, TerminationSignal) else TerminationSignal(control.cause.signal or 15)
        )
    if kind is CRASHED and isinstance(state.data, BaseException) and not isinstance(state.data, Exception):
        return Failure(state.data, state._traceback)
    if return_state:
        return state
    if kind is SCHEDULED:
        return Failure(Pause(state=state))
    if kind is PAUSED:
        return Failure(PausedRun("Run is paused, its result is not available.", state=state))
    if kind in TERMINAL_STATES:
        exc = exception_of(state)
        if exc is not state.data:
            return Failure(exc, traceback_of(exc))
        return Failure(exc, state._traceback if state._traceback is not None else traceback_of(exc))
    return Failure(
        UnfinishedRun(
            f"{run.kind} run {run.name!r} is in {kind.name} state, its result is not available. {state.message or ''}".rstrip()
        )
    )


def note_kept(run: Run, state: State) -> None:
    """Keep the final state if `return_tasks` asked for it."""
    root = run.root
    if root is not run and root.is_flow and root.keep is not None:  # type: ignore[attr-defined]
        from penstock.drivers.given_states import keep

        keep(run, state, root)  # type: ignore[arg-type]


def close_runner(run: FlowRun) -> None:
    """Leave the task runner that this flow run started, if it did; report what nobody looked at."""
    runner, run.runner = run.runner, None
    if runner is not None and runner.owned:
        runner.__exit__(None, None, None)
    if run.unseen and (run.control.cause is None or run.control.cause.kind != "waiting"):
        report_unseen(run)


def report_unseen(run: FlowRun) -> None:
    """Say once how many submitted runs failed without anybody looking at them."""
    names, run.unseen = run.unseen, {}
    listed = ", ".join(f"{count} of {name!r}" for name, count in names.items() if count > 0)
    if listed:
        WORLD.log(run, 30, "Submitted task runs did not complete, and nobody looked at their results: %s.", listed)
