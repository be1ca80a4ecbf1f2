"""A run's life, for flow runs and task runs alike: one generator from the first state to the last.

It yields effects (see `effects`) and receives their outcomes; it never blocks, never runs user code, reads no clock.
Order of a life: inputs, given state, gate, name, reuse, then tries (Running, body, outcome) until one counts, then
store, final state, hooks. Each state change goes: handlers, check, set, observers, hooks, log line.
Invariants: the body runs in no other place than the effect BODY; a life that returned has set a final state, or one
that no rule lets go on (NotReady, SCHEDULED to be continued by another process).
Neighbours: `runs` (the record), `outcome` (what values mean), `retry`; and what only some lives need, loaded by the first of
them: `reuse` (results and transactions), `given` (states that are given, and handlers).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import Pause, TerminationSignal
from penstock.base.texts import StateText
from penstock.core import retry
from penstock.core.changes import Steps, World, final_hooks, hooks_of, put, run_hooks, suspend_root
from penstock.core.effects import BODY, DRAIN, DRAIN_CANCELLING, GATE, Effect, Sleep
from penstock.core.outcome import (
    Raised,
    TimedOut,
    crashed_state,
    failed_state,
    interrupted_state,
    is_interruption,
    value_state,
)
from penstock.core.readiness import name_run, resolve_returned, settle_inputs, validate
from penstock.core.runs import Run
from penstock.core.state import State, StateDetails
from penstock.core.state_parts import CANCELLED, CANCELLING, FAILED, RUNNING, SCHEDULED, TERMINAL_STATES

if TYPE_CHECKING:
    from penstock.core.reuse import Stored

Life = Generator[Effect, Any, State]
Stage = Generator[Effect, Any, State | None]

BEGINNING = StateText("Beginning %s run %r for flow %r")


def change(run: Run, new: State, world: World) -> Steps:
    """Set a state after the run's handlers have seen it; returns what was set."""
    if run.handlers:
        new = yield from _handled(run, new, world)
    return put(run, new, world)


def _handled(run: Run, proposed: State, world: World) -> Steps:
    """What the run's handlers make of a proposed state."""
    from penstock.core.given import handled

    return (yield from handled(run, proposed, world))


def live(run: Run, world: World) -> Life:
    """The life of a run whose first state has been set; returns the last one.

    Each stage gives the last state where the life ends in it, and None to go on.
    """
    stored: Stored | None = None
    try:
        last: State | None = None
        definition, control = run.definition, run.control
        if run.given is not None:
            last = yield from _from_given(run, world)
        if last is None and (run.pending_inputs or run.wait_for):
            last = yield from _inputs(run, world)
        if last is None and control is not None:
            if control.gate is not None:
                yield GATE
            if control.cause is not None and (run.root is run or run.submitted):
                last = yield from _interrupted(run, None, world)
        if last is None and run.is_flow:
            last = yield from _parameters(run, world)
        if last is None and definition.run_name is not None:
            yield from name_run(run)
        if last is None and definition.stores(run):
            from penstock.core import reuse

            stored = yield from reuse.begin(run, world)
            if stored is not None and stored.hit is not None:
                last = yield from _end(run, stored.hit, world)
        base = run.run_count if run.given is None else retry.base_of(run)
        going = run.state.type is RUNNING  # it was given as that
        while last is None:
            last = yield from _try(run, base, going, stored, world)
            going = False
    except BaseException as exc:
        if not is_interruption(exc):
            raise
        return (yield from _cut_short(run, exc, stored, world))  # while something was asked between two bodies
    return last


def _cut_short(run: Run, exc: BaseException, stored: Stored | None, world: World) -> Life:
    """End a run that was interrupted where it has no body to be raised in."""
    if run.control.cause is not None and (run.reached or isinstance(exc, TerminationSignal)):
        return (yield from _interrupted(run, Raised(exc), world, stored))
    return (yield from _crashed(run, exc, world, stored))


def _from_given(run: Run, world: World) -> Stage:
    """A first state that was given: the life ends in it, or goes on from it."""
    from penstock.core.given import begin

    settled: State | Raised | None = yield from begin(run, world)
    if settled is None:
        return None
    if isinstance(settled, Raised):
        if run.control.cause is not None:
            return (yield from _interrupted(run, settled, world))
        return (yield from _end(run, crashed_state(settled.exc), world))
    if settled.type is CANCELLING:
        return (yield from _end(run, settled, world))
    run.state.ended = True
    return run.state


def _inputs(run: Run, world: World) -> Stage:
    """Wait for upstreams, and put their results in place."""
    failure: State | Raised | None = yield from settle_inputs(run, world)
    if isinstance(failure, Raised):
        return (yield from _interrupted(run, failure, world))
    if failure is not None and failure.type is FAILED:
        return (yield from _end(run, failure, world))
    return failure


def _parameters(run: Run, world: World) -> Stage:
    """Validate the parameters of a flow run."""
    bad = yield from validate(run)
    if bad is None:
        return None
    world.log(run, 40, "Validation of flow parameters failed with error: %s", bad.exc)
    failed = failed_state(bad.exc, "Validation of flow parameters failed with error: ")
    return (yield from _end(run, failed, world))


def _try(run: Run, base: int, going: bool, stored: Stored | None, world: World) -> Stage:
    """One try: Running, the body, what its outcome means; None: another one follows.

    Args:
        run: the run.
        base: entries into RUNNING that do not count as tries.
        going: it is RUNNING already.
        stored: its transaction, if it has one.
        world: clock, chance, ears.
    """
    definition, control = run.definition, run.control
    if not going:
        running = State(RUNNING, "Retrying" if run.run_count > base else None)
        if run.handlers:
            running = yield from change(run, running, world)
            if running.type is not RUNNING:
                return (yield from _after_handlers(run, running, world))
        else:
            put(run, running, world)
        if run.is_flow:
            kind = "flow" if run.parent is None else "subflow"
            world.log(run, 20, BEGINNING, kind, run.name, definition.name)
        if definition.on_running_hooks:
            yield from run_hooks(run, definition.on_running_hooks, run.state, world)
    out = yield BODY
    exc = out.exc if out.__class__ is Raised or out.__class__ is TimedOut else None
    if run.is_flow and run.children:  # type: ignore[attr-defined]
        drained = yield DRAIN_CANCELLING if _is_cut(run, out, exc) else DRAIN
        if drained is not None and exc is None:
            out, exc = drained, drained.exc
    if control is not None and control.cause is not None and (run.reached or isinstance(exc, TerminationSignal)):
        return (yield from _interrupted(run, out, world, stored))
    if exc is not None or run.is_flow:
        leaving = _leaving(run, exc)
        if leaving is not None:
            return (yield from _end(run, leaving, world))
        if exc is not None and not isinstance(exc, Exception):
            return (yield from _crashed(run, exc, world, stored))
    if exc is not None:
        state = _failure(run, out, exc, world)
    elif run.is_flow:
        state = value_state((yield from resolve_returned(out)), kind="Flow")
    else:
        state = value_state(out, kind="Task")
    if state.type is FAILED:
        delay = yield from retry.decide(run, state, base, exc, world)
        if delay is not None:
            return (yield from _await_retry(run, state, delay, world))
        if exc is not None and not run.is_flow:
            state.state_details.retriable = False
    if stored is not None or run.transaction is not None or run.handlers:
        return (yield from _settled(run, state, stored, world, returned=exc is None))
    return (yield from _end(run, state, world))


def _is_cut(run: Run, out: Any, exc: BaseException | None) -> bool:
    """Whether the body was cut short, so that what it submitted is ended with it."""
    return bool(
        run.reached
        or out.__class__ is TimedOut
        or (exc is not None and not isinstance(exc, Exception) and not _leaves_for_later(exc))
    )


def _leaving(run: Run, exc: BaseException | None) -> State | None:
    """The state in which a run leaves this process, to be continued: a suspension, a pause, a long wait below it."""
    if run.root is run and run.is_flow and run.suspension is not None and (exc is None or isinstance(exc, Pause)):  # type: ignore[attr-defined]
        return run.suspension.fresh_copy()  # type: ignore[attr-defined,no-any-return]
    return exc.state if isinstance(exc, Pause) else None


def _failure(run: Run, out: Any, exc: BaseException, world: World) -> State:
    """FAILED, by the run's own timeout or by what the body raised."""
    if out.__class__ is TimedOut:
        seconds = run.definition.timeout_seconds
        world.log(run, 40, "%s run exceeded timeout of %s second(s)", run.kind, seconds)
        return State(FAILED, "TimedOut", message=f"{run.kind} run exceeded timeout of {seconds} second(s)", data=exc)
    if not run.is_flow:
        return failed_state(exc, "Task run encountered an exception ")
    state = failed_state(exc, "Flow run encountered an exception: ")
    world.log(run, 40, "Encountered exception during execution: %r", exc, exc=exc)
    return state


def _settled(run: Run, state: State, stored: Stored | None, world: World, *, returned: bool) -> Stage:
    """Store what the body gave, and let the handlers see the state; they may ask for another try."""
    if run.transaction is not None or stored is not None:
        from penstock.core import reuse

        stored = reuse.of_run(run, stored)
        if state.type in TERMINAL_STATES and stored is not None:
            state = yield from reuse.finish(run, stored, state, world, returned=returned)
    if run.handlers:
        state = yield from _handled(run, state, world)
        if state.type is SCHEDULED:
            return (yield from _await_retry(run, state, _until(state, world), world))
    return (yield from _end(run, state, world, handled=True))


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


def _await_retry(run: Run, failed: State, delay: float, world: World) -> Stage:
    """Between two tries; a state means that the life ended, to be continued elsewhere."""
    ending = yield from _wait(run, failed, delay, world)
    return None if ending is None else (yield from _end(run, ending, world))


def _wait(run: Run, failed: State, delay: float, world: World) -> Stage:
    """Wait for the next try; a state means that the life has to end in it."""
    run._counter = None
    if run.is_flow:
        run.keys = None  # type: ignore[attr-defined]  # pauses and their answers are forgotten
    if run.transaction is not None:
        from penstock.core.reuse import reset

        reset(run)
    if delay > 0:
        from penstock.core.state_parts import at

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
    return None


def _interrupted(run: Run, out: Any, world: World, stored: Stored | None = None) -> Life:
    """End a run that was stopped from outside."""
    if run.is_flow and run.children:  # type: ignore[attr-defined]
        yield DRAIN_CANCELLING
    yield from _undone(run, stored, world)
    cause = run.control.cause
    state = interrupted_state(run, out)
    hooks = cause.kind in ("cancelled", "terminated")
    if cause.kind == "cancelled" and run.is_flow:
        put(run, State(CANCELLING, message=state.message), world)
        yield from run_hooks(run, run.definition.on_cancellation_hooks, run.state, world)
        hooks = False
    if state is not run.state:  # what waits between two tries stays as it is, when the process is given up for that
        put(run, state, world)
    if hooks:
        yield from final_hooks(run, state, world)
    world.closed(run, state)
    return state


def _undone(run: Run, stored: Stored | None, world: World) -> Steps:
    """Roll back what the run has staged, and give back its lock."""
    if stored is not None or run.transaction is not None:
        from penstock.core import reuse

        yield from reuse.undo(run, reuse.of_run(run, stored), world)


def _crashed(run: Run, exc: BaseException, world: World, stored: Stored | None) -> Life:
    yield from _undone(run, stored, world)
    state = crashed_state(exc)
    world.log(run, 40, "Crash detected! %s", state.message)
    return (yield from _end(run, state, world))


def _end(run: Run, state: State, world: World, *, handled: bool = False) -> Life:
    """Set the last state, run its hooks, write the last line."""
    hooks = True
    if state.type is CANCELLING:
        if run.state.type is not CANCELLING:
            put(run, state, world)
        if run.is_flow:
            yield from run_hooks(run, run.definition.on_cancellation_hooks, state, world)
        state = State(CANCELLED, message=state.message, data=state.data)
        hooks = False
        handled = True
    if run.handlers and not handled:
        state = yield from _handled(run, state, world)
    if run.state is not state:
        put(run, state, world)
    else:
        state.ended = True
    if hooks and hooks_of(run.definition, state):
        yield from final_hooks(run, state, world)
    world.closed(run, state)
    return state
