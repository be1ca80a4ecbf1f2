"""A run's life, for flow runs and task runs alike: one generator from the first state to the last.

It yields effects (see `effects`) and receives their outcomes; it never blocks, never runs user code, reads no clock.
Order of a life: inputs, given state, gate, name, reuse, then tries (Running, body, outcome) until one counts, then
store, final state, hooks. Each state change goes: handlers, check, set, observers, hooks, log line.
Invariants: the body runs in no other place than the effect BODY; a life that returned has set a final state, or one
that no rule lets go on (NotReady, SCHEDULED to be continued by another process).
Neighbours: `runs` (the record), `outcome` (what values mean), `retry`, `reuse` (results and transactions), `given`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Protocol

from penstock._state import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    CRASHED,
    FAILED,
    PAUSED,
    PENDING,
    RUNNING,
    SCHEDULED,
    TERMINAL_STATES,
    State,
    StateDetails,
    StateType,
)
from penstock.core import given as given_states
from penstock.core import retry, reuse, transitions
from penstock.core.effects import BODY, DRAIN, DRAIN_CANCELLING, GATE, Call, Effect, Sleep, Wait
from penstock.core.failures import exception_of
from penstock.core.inputs import Found, Upstream, given_value, is_future, not_ready, refuse, replace, scan
from penstock.core.outcome import Raised, TimedOut, cancelled_state, crashed_state, failed_state, value_state
from penstock.core.runs import Run
from penstock.exceptions import Pause, TerminationSignal, UpstreamTaskError

Life = Generator[Effect, Any, State]
Steps = Generator[Effect, Any, Any]


class World(Protocol):
    """What a life needs from outside: the clock, chance, and ears. None of it blocks."""

    observers: Any

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps."""

    def random(self) -> float:
        """A number in [0, 1)."""

    def notify(self, run: Run, old: State | None, new: State) -> None:
        """Tell the observers."""

    def log(self, run: Run, level: int, message: str, *args: Any, exc: BaseException | None = None) -> None:
        """Write a log line of the run."""

    def closed(self, run: Run, state: State) -> None:
        """The run is over: write its last line."""


def create(run: Run, world: World, state: State | None = None) -> None:
    """Give a new run its first state."""
    new = State(PENDING) if state is None else state
    run.state = new
    new._of = run.key
    run._expected = new._time
    flow = run.root.flow
    if flow is not None and not run.is_flow:
        flow.progress.total += 1
    if world.observers:
        world.notify(run, None, new)


def put(run: Run, new: State, world: World, force: bool = False) -> State:
    """Set a state that the rules allow, count it, tell observers."""
    old = run.state
    kind = new.type
    if not force and kind not in transitions.ALLOWED[old.type]:
        transitions.check(old, new)
    run.state = new
    new._of = run.key
    if kind is RUNNING:
        if old.type is not PAUSED:
            run.run_count += 1
        if run._start is None:
            run._start = new._time
    elif kind in TERMINAL_STATES:
        run._end = new._time
        new.ended = True
    if not run.is_flow:
        flow = run.root.flow
        if flow is not None:
            _count(flow.progress, old.type, kind, new.name)
    if world.observers:
        world.notify(run, old, new)
    return new


def _count(progress: Any, old: StateType, new: StateType, name: str) -> None:
    if new is RUNNING:
        if old is not RUNNING:
            progress.running += 1
        return
    if old is RUNNING:
        progress.running -= 1
    if new is COMPLETED:
        if old is not COMPLETED:
            progress.completed += 1
        if name == "Cached":
            progress.cached += 1
    elif new in TERMINAL_STATES or name == "NotReady":
        progress.failed += 1


def change(run: Run, new: State, world: World) -> Steps:
    """Set a state after the run's handlers have seen it; returns what was set."""
    if run.handlers:
        new = yield from given_states.handled(run, new, world)
    return put(run, new, world)


def live(run: Run, world: World) -> Life:
    """The life of a run whose first state has been set; returns the last one."""
    if run.given is not None:
        settled = yield from given_states.begin(run, world)
        if settled is not None:
            if settled.type is CANCELLING:
                return (yield from _end(run, settled, world))
            last: State = run.state
            last.ended = True
            return last
    if run.pending_inputs or run.wait_for:
        failure: State | None = yield from _settle_inputs(run, world)
        if failure is not None:
            return failure
    definition = run.definition
    control = run.control
    if control is not None and control.gate is not None:
        yield GATE
    if control is not None and control.cause is not None and (run.root is run or run.submitted):
        return (yield from _interrupted(run, None, world))
    if run.is_flow:
        bad = _validate(run)
        if bad is not None:
            world.log(run, 40, "Validation of flow parameters failed with error: %s", bad.exc)
            return (
                yield from _end(run, failed_state(bad.exc, "Validation of flow parameters failed with error: "), world)
            )
    if definition.run_name is not None:
        yield from _name(run)
    stored: reuse.Stored | None = None
    if definition.stores(run):
        stored = yield from reuse.begin(run, world)
        if stored is not None and stored.hit is not None:
            return (yield from _end(run, stored.hit, world, stored=stored))
    base = retry.base_of(run)
    started = run.state.type is RUNNING
    while True:
        if started:
            started = False
        else:
            if run.handlers:
                state = yield from change(run, State(RUNNING, "Retrying" if run.run_count > base else None), world)
                if state.type is not RUNNING:
                    return (yield from _after_handlers(run, state, world))
            else:
                put(run, State(RUNNING, "Retrying" if run.run_count > base else None), world)
            if run.is_flow:
                world.log(run, 20, "Beginning flow run %r for flow %r", run.name, definition.name)
            if definition.on_running_hooks:
                yield from _hooks(run, definition.on_running_hooks, run.state, world)
        out = yield BODY
        if out.__class__ is Raised or out.__class__ is TimedOut:
            exc = out.exc
            if run.outcome_tb is None:
                run.outcome_tb = exc.__traceback__
        else:
            exc = None
        if run.is_flow and run.children:  # type: ignore[attr-defined]
            cut = run.reached or out.__class__ is TimedOut or (exc is not None and not isinstance(exc, Exception))
            drained = yield DRAIN_CANCELLING if cut else DRAIN
            if drained is not None and exc is None:
                out, exc = drained, drained.exc
        if control is not None and control.cause is not None and (run.reached or isinstance(exc, TerminationSignal)):
            return (yield from _interrupted(run, out, world, stored))
        if run.root is run and run.is_flow and run.suspension is not None and (exc is None or isinstance(exc, Pause)):  # type: ignore[attr-defined]
            return (yield from _end(run, run.suspension.fresh_copy(), world, stored=stored))  # type: ignore[attr-defined]
        if exc is None:
            value = out
            if run.is_flow:
                value = yield from _resolve_returned(value)
            state = value_state(value, kind=run.kind)
        elif out.__class__ is TimedOut:
            state = State(
                FAILED,
                "TimedOut",
                message=f"{run.kind} run exceeded timeout of {definition.timeout_seconds} second(s)",
                data=exc,
            )
            world.log(run, 40, "%s run exceeded timeout of %s second(s)", run.kind, definition.timeout_seconds)
        elif isinstance(exc, Pause):
            return (yield from _end(run, exc.state, world, stored=stored))
        elif not isinstance(exc, Exception):
            return (yield from _crashed(run, exc, world, stored))
        else:
            state = failed_state(
                exc, "Flow run encountered an exception: " if run.is_flow else "Task run encountered an exception "
            )
            state._traceback = exc.__traceback__
        if state.type is FAILED:
            if run.is_flow and exc is not None and out.__class__ is not TimedOut:
                world.log(run, 40, "Encountered exception during execution: %r", exc, exc=exc)
            delay = yield from retry.decide(run, state, base, exc, world)
            if delay is not None:
                again = yield from _await_retry(run, state, delay, world)
                if again is not None:
                    return (yield from _end(run, again, world, stored=stored))
                continue
        if state.type in TERMINAL_STATES and stored is not None:
            state = yield from reuse.finish(run, stored, state, world)
        if run.handlers:
            state = yield from given_states.handled(run, state, world)
            if state.type is SCHEDULED:
                again = yield from _await_retry(run, state, _until(state, world), world)
                if again is not None:
                    return (yield from _end(run, again, world, stored=stored))
                continue
        return (yield from _end(run, state, world, stored=stored, handled=True))


def _until(state: State, world: World) -> float:
    when = state.state_details.scheduled_time
    return 0.0 if when is None else max(0.0, when.timestamp() - world.now())


def _after_handlers(run: Run, state: State, world: World) -> Life:
    if state.type in TERMINAL_STATES:
        yield from _final_hooks(run, state, world)
    world.closed(run, state)
    return state


def _settle_inputs(run: Run, world: World) -> Steps:
    """Wait for upstreams and put their results in place; a state ends the run, None goes on."""
    found: Found = []
    parameters = run.parameters or {}
    for value in parameters.values():
        scan(value, found)
    order: Found = []
    if run.wait_for:
        scan(list(run.wait_for) if not isinstance(run.wait_for, Upstream | State) else [run.wait_for], order)
    futures = [item for item, _ in found + order if is_future(item)]
    if futures:
        stopped: Any = yield Wait(futures)
        if stopped is not None:
            return (yield from _interrupted(run, stopped, world))
    values: dict[int, Any] = {}
    for item, allow in found + order:
        state = item.state if is_future(item) else item
        if not_ready(state, allow):
            run_id = item.task_run_id if is_future(item) else (state.state_details.task_run_id or state.id)
            return _hold(run, refuse(run_id), world)
    for item, allow in found:
        state = item.state if is_future(item) else item
        if is_future(item):
            item.seen()
        result = None
        if state.type is FAILED and allow:
            result = exception_of(state)
        elif state.type is COMPLETED:
            result = yield from reuse.read_state(state)
            if isinstance(result, Raised):
                return (
                    yield from _end(run, failed_state(result.exc, f"{run.kind} run could not read an input: "), world)
                )
        values[id(item)] = given_value(state, allow, result)
    if run.pending_inputs:
        run.parameters = {
            name: replace(value, lambda item, _allow: values[id(item)]) for name, value in parameters.items()
        }
        run.definition.rebind(run)
        run.pending_inputs = False
    run.wait_for = None
    return None


def _hold(run: Run, reason: UpstreamTaskError, world: World) -> State:
    state = put(run, State(PENDING, "NotReady", message=str(reason)), world)
    world.closed(run, state)
    return state


def _validate(run: Run) -> Raised | None:
    """Validate the parameters of a flow run; the failure, if there is one."""
    definition = run.definition
    if not definition.should_validate_parameters:
        return None
    try:
        validated = definition.validated(run.parameters)
    except Exception as exc:  # noqa: BLE001  (whatever a validator of the user raises is the run's failure)
        return Raised(exc)
    if validated is not run.parameters:
        run.parameters = validated
        definition.rebind(run)
    return None


def _name(run: Run) -> Steps:
    """Make the name by the template or callable of the definition, once per call."""
    if run._name is not None and run.run_count:
        return
    call = run.definition.name_call(run)
    name = yield call
    if isinstance(name, Raised):
        raise name.exc
    run._name = run.definition.checked_name(name)


def _resolve_returned(value: Any) -> Steps:
    """Replace the futures in a returned value by their final states."""
    found: Found = []
    if not scan(value, found):
        return value
    futures = [item for item, _ in found if is_future(item)]
    if not futures:
        return value
    yield Wait(futures)
    return replace_futures(value)


def replace_futures(value: Any) -> Any:
    """The value with each future replaced by its state; annotations stay."""
    from penstock.utilities.annotations import BaseAnnotation

    if isinstance(value, BaseAnnotation):
        return value

    def give(item: Any, _allow: bool) -> Any:
        if is_future(item):
            item.seen()
            return item.state
        return item

    return replace(value, give)


def _await_retry(run: Run, failed: State, delay: float, world: World) -> Steps:
    """Between two tries; a state means that the run ends in it, to be continued elsewhere."""
    run._counter = None
    if run.is_flow:
        run.keys = None  # type: ignore[attr-defined]  # pauses and their answers are forgotten
    if run.transaction is not None:
        reuse.reset(run)
    if delay > 0:
        from penstock.core.times import at

        waiting = failed
        if failed.type is not SCHEDULED:
            details = StateDetails(scheduled_time=at(world.now() + delay), run_count=run.run_count)
            waiting = State(SCHEDULED, "AwaitingRetry", message=failed.message, data=failed.data, state_details=details)
        else:
            waiting.state_details.run_count = run.run_count
        if retry.leaves_process(run, delay):
            suspend_root(run, waiting)
            return waiting
        put(run, waiting, world)
        stopped = yield Sleep(delay)
        if stopped is not None:
            if isinstance(stopped.exc, TerminationSignal) and run.control.cause is not None:
                state = interrupted_state(run, stopped)
                # A cancelled flow passes through CANCELLING, where its hooks run.
                return State(CANCELLING, message=state.message) if run.is_flow and state.is_cancelled() else state
            return crashed_state(stopped.exc)
    run.outcome_tb = None
    return None


def suspend_root(run: Run, state: State) -> None:
    """A submitted run waits for longer than this process does: its root ends in that state, when the rest is done."""
    root = run.root
    if run.submitted and root.is_flow:
        root.suspension = state  # type: ignore[attr-defined]


def interrupted_state(run: Run, out: Any) -> State:
    """The state of a run that its control's cause ended; `out` is what the body did, if it did something."""
    cause = run.control.cause
    exc = out.exc if isinstance(out, Raised) else None
    note = ""
    if out is not None and not isinstance(exc, TerminationSignal):
        did = f"raised {type(exc).__name__}" if exc is not None else "returned"
        note = f" The body swallowed the signal and {did}."
    if cause.kind == "cancelled":
        state = cancelled_state((cause.message or f"{run.kind} run was cancelled.") + note)
    elif cause.kind == "suspended" and run.is_flow:
        return State(
            PAUSED, "Suspended", message=cause.message or None, state_details=StateDetails(pause_reschedule=True)
        )
    else:
        signal = exc if isinstance(exc, TerminationSignal) else TerminationSignal(cause.signal or 15)
        state = crashed_state(signal)
        state.message = (cause.message or f"{run.kind} run was aborted by a termination signal.") + note
    return state


def _interrupted(run: Run, out: Any, world: World, stored: reuse.Stored | None = None) -> Life:
    """End a run that was stopped from outside."""
    if run.is_flow and run.children:  # type: ignore[attr-defined]
        yield DRAIN_CANCELLING
    if stored is not None:
        yield from reuse.undo(run, stored, world)
    cause = run.control.cause
    state = interrupted_state(run, out)
    hooks = cause.kind in ("cancelled", "terminated")
    if cause.kind == "cancelled" and run.is_flow:
        put(run, State(CANCELLING, message=state.message), world)
        yield from _hooks(run, run.definition.on_cancellation_hooks, run.state, world)
        hooks = False
    put(run, state, world)
    if hooks:
        yield from _final_hooks(run, state, world)
    world.closed(run, state)
    return state


def _crashed(run: Run, exc: BaseException, world: World, stored: reuse.Stored | None) -> Life:
    if stored is not None:
        yield from reuse.undo(run, stored, world)
    state = crashed_state(exc)
    world.log(run, 40, "Crash detected! %s", state.message)
    return (yield from _end(run, state, world))


def _end(
    run: Run, state: State, world: World, *, stored: Any = None, hooks: bool = True, handled: bool = False
) -> Life:
    """Set the last state, run its hooks, write the last line."""
    if state.type is CANCELLING:
        if run.state.type is not CANCELLING:
            put(run, state, world)
        if run.is_flow:
            yield from _hooks(run, run.definition.on_cancellation_hooks, state, world)
        state = State(CANCELLED, message=state.message, data=state.data)
        hooks = False
        handled = True
    if run.handlers and not handled:
        state = yield from given_states.handled(run, state, world)
    if run.state is not state:
        put(run, state, world)
    else:
        state.ended = True
    if hooks:
        yield from _final_hooks(run, state, world)
    world.closed(run, state)
    return state


def _final_hooks(run: Run, state: State, world: World) -> Steps:
    definition = run.definition
    if state.type is COMPLETED:
        hooks = definition.on_completion_hooks
    elif state.type is FAILED:
        hooks = definition.on_failure_hooks
    elif state.type is CRASHED:
        hooks = definition.on_crashed_hooks
    else:
        return
    if hooks:
        yield from _hooks(run, hooks, state, world)


def _hooks(run: Run, hooks: Any, state: State, world: World) -> Steps:
    """Run hooks in order; one that fails stops nothing. Past the deadline of the control none is started."""
    record = run.control.hooks if run.control is not None else None
    for hook in list(hooks):
        name = hook_name(hook)
        if record is not None and record.until is not None and world.monotonic() >= record.until:
            record.not_run.append(name)
            continue
        world.log(run, 20, "Running hook %r in response to entering state %r", name, state.name)
        if record is not None:
            record.current = name
        out = yield Call(hook, (run.definition, run, state))
        if record is not None:
            record.current = None
        if isinstance(out, Raised):
            if record is not None:
                record.failed.append(name)
            world.log(run, 40, "An error was encountered while running hook %r", name, exc=out.exc)
        else:
            if record is not None:
                record.ran.append(name)
            world.log(run, 20, "Hook %r finished running successfully", name)


def hook_name(hook: Any) -> str:
    """The name of a hook, also of a partial or a callable object."""
    inner = getattr(hook, "func", hook)
    name = getattr(inner, "__name__", None)
    return str(name) if name is not None else type(inner).__name__
