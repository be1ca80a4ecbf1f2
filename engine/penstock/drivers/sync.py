"""The sync driver: performs what a life asks for, in the calling thread.

`advance` performs effects until the body is due or the life is over; `execute` does both to the end. Whoever pops a
run from `control.active` owns the outcome of its body: so a run that another thread has taken over is never ended
twice, and a late body's outcome is dropped.
Neighbours: `aio` is the async twin; `entry` makes runs; `waiting` blocks without holding a slot.
"""

from __future__ import annotations

from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run
from penstock.base.exceptions import FlowRunTimeoutError, TaskRunTimeoutError
from penstock.base.tracebacks import trim
from penstock.core.changes import put
from penstock.core.effects import BODY, Ask, Body, Call, Drain, Gate, Hold, Sleep, Wait
from penstock.core.life import live
from penstock.core.outcome import Raised, TimedOut, crashed_state, is_interruption
from penstock.core.state_parts import TERMINAL_STATES
from penstock.drivers.world import WORLD
from penstock.interruption.calling import perform_call
from penstock.interruption.section import Section, current_section

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.core.effects import Effect
    from penstock.core.runs import Run
    from penstock.core.state import State


class Dropped(SystemExit):
    """The run of this body was ended by another thread; nothing is left to do here."""


def execute(run: Run) -> State:
    """Live the run to its end in this thread; returns its last state."""
    section = current_section()
    was_open = section.open
    section.open = False
    token = current_run.set(run)
    prints = run.inherited
    if prints:
        from penstock.logging import prints as log_prints

        log_prints.enter()
    try:
        if run.life is None:
            run.life = live(run, WORLD)
        step = advance(run, None)
        while step is BODY:
            step = advance(run, perform_body(run, section))
        return step  # type: ignore[no-any-return]  # noqa: TRY300  (an `else` would cost on each call)
    except Exception as exc:
        crash(run, exc)
        raise
    finally:
        if prints:
            log_prints.leave()
        current_run.reset(token)
        if was_open:
            section.reopen(True)


def advance(run: Run, outcome: Any) -> Any:
    """Perform effects until BODY is due (returned) or the life ends (its state is returned)."""
    life = run.life
    try:
        effect: Effect = life.send(outcome)  # type: ignore[union-attr]
        while effect is not BODY:
            effect = life.send(PERFORM[effect.__class__](run, effect))  # type: ignore[union-attr]
        return BODY  # noqa: TRY300  (an `else` would cost on each call what it saves nobody)
    except StopIteration as done:
        release(run)
        return done.value


def crash(run: Run, exc: BaseException) -> State:
    """End a run as CRASHED when it could not be lived to its end, so that nobody finds it running for ever."""
    if run.state.type not in TERMINAL_STATES:
        state = crashed_state(exc)
        put(run, state, WORLD, force=True)
        WORLD.log(run, 40, "Crash detected! %s", state.message, exc=exc)
        release(run)
    return run.state


def release(run: Run) -> None:
    """Take off the record what only the execution needed."""
    run.life = None
    run.args = ()
    run.kwargs = {}
    run.call = None
    run.wait_for = None
    run.transaction = None
    if not run.is_flow:
        run.parameters = None
        run._counter = None
        run.future = None  # type: ignore[attr-defined]


def perform_body(run: Run, section: Section) -> Any:
    """Run the user's function; its value, or `Raised`."""
    control = run.control
    active = control.active
    active[run] = section
    try:
        if control.cause is not None and not run.exempt and not run.reached:
            section.pending = section.pending or _termination(control)
            section.on_raise = control.mark_reached
        timed = run.definition.timeout_seconds is not None
        out = _timed_body(run, section) if timed else section.call(run.call, run.args, run.kwargs)  # type: ignore[arg-type]
    except BaseException as exc:  # noqa: BLE001  (whatever a body raises is its outcome)
        trim(exc)
        out = Raised(exc)
        if run.definition.timeout_seconds is not None and owner_of(exc) is run:
            out = TimedOut(exc)
        control.crashed(run, exc)
    if active.pop(run, None) is None:
        raise Dropped
    return out


def _termination(control: Any) -> BaseException:
    from penstock.base.exceptions import TerminationSignal

    return TerminationSignal(control.cause.signal or 15)


def owner_of(exc: BaseException) -> Run | None:
    """The run whose own timeout this is; an exception of the user's is not asked."""
    return exc._owner if type(exc) in (FlowRunTimeoutError, TaskRunTimeoutError) else None  # type: ignore[attr-defined]


def _timed_body(run: Run, section: Section) -> Any:
    """Run the body within the timeout of its definition.

    Raises:
        TimeoutError: that of the definition, marked with its owner, or whatever the body raises.
    """
    from penstock.interruption.deadline import MAIN_TIMER, Abandoned, Expired, Scope, expiring, in_own_thread

    error = run.definition.timeout_error(run)
    error._owner = run
    alarm = Expired(run.name)
    scope = Scope(run.definition.timeout_seconds, alarm)
    run.control.scopes.append(scope)
    try:
        with expiring(alarm, error):
            if section.is_main and MAIN_TIMER.available():
                MAIN_TIMER.enter(scope)
                try:
                    return section.call(run.call, run.args, run.kwargs)  # type: ignore[arg-type]
                finally:
                    MAIN_TIMER.leave(scope)
            return in_own_thread(lambda ready: _timed_call(run, ready), scope, f"penstock {run.name}")
    except Abandoned:
        warn_abandoned(run)
        raise error from None
    finally:
        run.control.scopes.remove(scope)


def warn_abandoned(run: Run) -> None:
    """Say that the thread of a body was left behind."""
    WORLD.log(
        run, 30,
        "A timeout of %s seconds has passed, but the thread of the body cannot be interrupted: it is inside a C "
        "call. It is left behind, and what it returns is dropped.", run.definition.timeout_seconds,
    )  # fmt: skip


def _timed_call(run: Run, ready: Callable[[Section], None]) -> Any:
    section = current_section()
    run.control.active[run] = section
    ready(section)
    return section.call(run.call, run.args, run.kwargs)  # type: ignore[arg-type]


def perform_wait(run: Run, effect: Wait) -> Any:
    """Wait for upstreams, interruptible."""
    return guarded(run, lambda: [upstream.wait() for upstream in effect.upstreams])


def guarded(run: Run, work: Callable[[], Any]) -> Raised | None:
    """Do a blocking effect of the run: interruptible, and another thread may end the run meanwhile."""
    control = run.control
    active = control.active
    active[run] = current_section()
    out = None
    try:
        if control.cause is not None and not run.exempt and not run.reached:
            # It was asked to stop between two effects, when nothing of it was there to be interrupted.
            run.reached = True
            raise _termination(control)  # noqa: TRY301
        work()
    except BaseException as exc:  # noqa: BLE001  (an outcome)
        out = Raised(exc)
    if active.pop(run, None) is None:
        raise Dropped
    return out


def perform_ask(run: Run, effect: Ask) -> Any:
    """Call something of the user's in an open section, interruptible; an awaitable of it is run to its end, which is not."""
    section = current_section()
    out: Any = None

    def ask() -> None:
        nonlocal out
        out = perform_call(run, Call(section.call, (effect.fn, effect.args, effect.kwargs)))

    stopped = guarded(run, ask)
    return told(run, out) if stopped is None else stopped


def told(run: Run, out: Any) -> Any:
    """The outcome of what was asked; where it was interrupted, that, whatever it made of it: it is the run that is to stop."""
    control = run.control
    if run.reached and control.cause is not None and not (isinstance(out, Raised) and is_interruption(out.exc)):
        return Raised(_termination(control))
    return out


def perform_sleep(run: Run, effect: Sleep) -> Any:
    """Wait for some time without holding a slot, interruptible; a test's own `time.sleep` is called instead."""
    from time import sleep

    if type(sleep) is BuiltinFunctionType:
        from penstock.interruption.waiting import pause_here as sleep  # type: ignore[assignment]

    return guarded(run, lambda: sleep(effect.seconds))


def perform_hold(run: Run, effect: Hold) -> Any:
    """Wait for the root to be resumed."""
    from penstock.drivers.holding import hold

    return guarded(run, lambda: hold(run, effect.state))


def perform_gate(run: Run, effect: Gate) -> None:
    """Pass the gate of the root."""
    gate = run.control.gate
    if gate is not None:
        from penstock.interruption.waiting import without_slot

        with without_slot():
            gate(run)


def perform_drain(run: Run, effect: Drain) -> Any:
    """Wait for what was submitted below the run, or end it."""
    from penstock.drivers.draining import end_children, wait_all

    out = None
    if not effect.cancel:
        out = guarded(run, lambda: wait_all(run))
        if out is None:
            return None
    end_children(run)
    return out


PERFORM: dict[type[Any], Callable[[Any, Any], Any]] = {
    Call: perform_call,
    Ask: perform_ask,
    Wait: perform_wait,
    Sleep: perform_sleep,
    Hold: perform_hold,
    Gate: perform_gate,
    Drain: perform_drain,
    Body: lambda run, effect: perform_body(run, current_section()),
}


def take_over(run: Run, exc: BaseException) -> State | None:
    """End a run whose body does not end: go on with its life here, as if the body had raised `exc`.

    Returns:
        The last state; None when the run has ended, or is being ended, by its own thread.
    """
    if run.control.active.pop(run, None) is None:
        return None
    future = getattr(run, "future", None)
    token = current_run.set(run)
    try:
        run.last_try = True
        step = advance(run, Raised(exc))
        while step is BODY:  # a retry that a handler asked for: there is nobody to run it
            step = advance(run, Raised(exc))
    finally:
        current_run.reset(token)
    if future is not None:
        future.complete()
    return step  # type: ignore[no-any-return]
