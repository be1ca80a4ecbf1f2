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
from typing import Any

from penstock.base.exceptions import Pause, TerminationSignal
from penstock.core import given as given_states
from penstock.core import retry, reuse
from penstock.core.changes import Steps, World, final_hooks, put, run_hooks, suspend_root
from penstock.core.effects import BODY, DRAIN, DRAIN_CANCELLING, GATE, Effect, Sleep
from penstock.core.outcome import Raised, TimedOut, cancelled_state, crashed_state, failed_state, value_state
from penstock.core.readiness import name_run, resolve_returned, settle_inputs, validate
from penstock.core.runs import Run
from penstock.core.state import State
from penstock.core.state_details import StateDetails
from penstock.core.state_types import CANCELLED, CANCELLING, FAILED, PAUSED, RUNNING, SCHEDULED, TERMINAL_STATES

Life = Generator[Effect, Any, State]


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
        failure: State | Raised | None = yield from settle_inputs(run, world)
        if isinstance(failure, Raised):
            return (yield from _interrupted(run, failure, world))
        if failure is not None:
            return (yield from _end(run, failure, world)) if failure.type is FAILED else failure
    definition = run.definition
    control = run.control
    if control is not None and control.gate is not None:
        yield GATE
    if control is not None and control.cause is not None and (run.root is run or run.submitted):
        return (yield from _interrupted(run, None, world))
    if run.is_flow:
        bad = validate(run)
        if bad is not None:
            world.log(run, 40, "Validation of flow parameters failed with error: %s", bad.exc)
            return (
                yield from _end(run, failed_state(bad.exc, "Validation of flow parameters failed with error: "), world)
            )
    if definition.run_name is not None:
        yield from name_run(run)
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
                world.log(
                    run,
                    20,
                    "Beginning %s run %r for flow %r",
                    "flow" if run.parent is None else "subflow",
                    run.name,
                    definition.name,
                )
            if definition.on_running_hooks:
                yield from run_hooks(run, definition.on_running_hooks, run.state, world)
        out = yield BODY
        if out.__class__ is Raised or out.__class__ is TimedOut:
            exc = out.exc
            if run.outcome_tb is None:
                run.outcome_tb = exc.__traceback__
        else:
            exc = None
        if run.is_flow and run.children:  # type: ignore[attr-defined]
            cut = (
                run.reached
                or out.__class__ is TimedOut
                or (exc is not None and not isinstance(exc, Exception) and not _leaves_for_later(exc))
            )
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
                value = yield from resolve_returned(value)
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
        if run.transaction is not None:
            stored = reuse.of_run(run, stored)
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


def _leaves_for_later(exc: BaseException) -> bool:
    """Whether a body was left because a run below waits for long: everything else may finish first."""
    return isinstance(exc, Pause) and exc.state is not None and exc.state.type is SCHEDULED


def _until(state: State, world: World) -> float:
    when = state.state_details.scheduled_time
    return 0.0 if when is None else max(0.0, when.timestamp() - world.now())


def _after_handlers(run: Run, state: State, world: World) -> Life:
    if state.type in TERMINAL_STATES:
        yield from final_hooks(run, state, world)
    world.closed(run, state)
    return state


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
    stored = reuse.of_run(run, stored)
    if stored is not None:
        yield from reuse.undo(run, stored, world)
    cause = run.control.cause
    state = interrupted_state(run, out)
    hooks = cause.kind in ("cancelled", "terminated")
    if cause.kind == "cancelled" and run.is_flow:
        put(run, State(CANCELLING, message=state.message), world)
        yield from run_hooks(run, run.definition.on_cancellation_hooks, run.state, world)
        hooks = False
    put(run, state, world)
    if hooks:
        yield from final_hooks(run, state, world)
    world.closed(run, state)
    return state


def _crashed(run: Run, exc: BaseException, world: World, stored: reuse.Stored | None) -> Life:
    stored = reuse.of_run(run, stored)
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
            yield from run_hooks(run, run.definition.on_cancellation_hooks, state, world)
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
        yield from final_hooks(run, state, world)
    world.closed(run, state)
    return state
