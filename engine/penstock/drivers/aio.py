"""The async driver: performs what a life asks for, awaiting. The twin of `sync`, in the caller's event loop.

An interruption reaches a body by cancelling its task; the CancelledError is taken back (`uncancel`) and becomes a
TerminationSignal, so that a body's own `asyncio.timeout` keeps working. What is blocking by nature (reading a file of
results, user hooks that are plain functions) runs inline, as in Prefect.
Neighbours: `sync` (same effects), `entry`, `interruption.loop_target` (where an interruption is delivered).
"""

from __future__ import annotations

import asyncio
import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run
from penstock.base.exceptions import TerminationSignal
from penstock.base.tracebacks import set_traceback, traceback_of, trim, trimmed
from penstock.core.effects import BODY, Ask, Body, Call, Drain, Gate, Hold, Sleep, Wait
from penstock.core.life import live
from penstock.core.outcome import Raised, TimedOut
from penstock.drivers.sync import Dropped, crash, release, told
from penstock.drivers.world import WORLD
from penstock.interruption import forks
from penstock.interruption.calling import answer, aperform_call
from penstock.interruption.loop_target import LoopTarget, until_done
from penstock.interruption.section import current_section

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from penstock.core.effects import Effect
    from penstock.core.runs import Run
    from penstock.core.state import State


def target_of(run: Run) -> LoopTarget:
    """The target of the current asyncio task; shared by the runs that execute in it."""
    task = asyncio.current_task()
    assert task is not None
    above = run.parent
    active = run.control.active
    while above is not None:
        target = active.get(above)
        if isinstance(target, LoopTarget) and target.task is task:
            return target
        above = above.parent
    return LoopTarget(task, task.get_loop())


async def execute_async(run: Run) -> State:
    """Live the run to its end in the current task; returns its last state."""
    section = current_section()
    was_open, section.open = section.open, False
    token = current_run.set(run)
    prints = run.inherited
    if prints:
        from penstock.logging import prints as log_prints

        log_prints.enter()
    try:
        if run.life is None:
            run.life = live(run, WORLD)
        outcome = None
        # All in this frame: a coroutine for each stretch of a life would cost as much as the stretch. The life is the run's of
        # that moment: a child that the body forked has another.
        while True:
            try:
                effect: Effect = run.life.send(outcome)  # type: ignore[union-attr]
            except StopIteration as done:
                release(run)
                return done.value  # type: ignore[no-any-return]
            outcome = await PERFORM[effect.__class__](run, effect)
    except Exception as exc:
        crash(run, exc)
        raise
    finally:
        if prints:
            log_prints.leave()
        current_run.reset(token)
        section.open = was_open


async def advance_async(run: Run, outcome: Any) -> Any:
    """Perform effects until BODY is due (returned) or the life ends (its state is returned)."""
    life = run.life
    try:
        effect: Effect = life.send(outcome)  # type: ignore[union-attr]
        while effect is not BODY:
            effect = life.send(await PERFORM[effect.__class__](run, effect))  # type: ignore[union-attr]
        return BODY  # noqa: TRY300  (as in the sync driver)
    except StopIteration as done:
        release(run)
        return done.value


async def guarded(run: Run, work: Any, *, resting: bool = False) -> Any:
    """Await `work` as the run's blocking effect: interruptible, and another thread may end the run meanwhile.

    Args:
        run: whose effect it is.
        work: what is awaited.
        resting: it is a wait for runs, for time or for a resume.

    Returns:
        The value of `work`, or `Raised`; an interruption is a TerminationSignal.
    """
    control = run.control
    target = target_of(run)
    control.active[run] = target
    before = target.reached
    target.busy += 1
    target.resting += resting
    out: Any
    try:
        if control.cause is not None and not run.exempt and not run.reached:
            run.reached = True
            work.close()
            raise TerminationSignal(control.cause.signal or 15)  # noqa: TRY301
        out = await work
    except asyncio.CancelledError as exc:
        if control.cause is not None or (run.reached and target.reached > before):
            run.reached = True
            uncancel(target, before)
            signal = TerminationSignal((control.cause.signal if control.cause is not None else None) or 15)
            set_traceback(signal, trimmed(traceback_of(exc)))
            out = Raised(signal)
        else:
            out = Raised(exc)
    except BaseException as exc:  # noqa: BLE001  (whatever a body raises is its outcome)
        if target.reached > before:
            # A TaskGroup that raises a group cancels the task once more (Python 3.13): what awaits next would be ended by it.
            uncancel(target, before)
        trim(exc)
        out = Raised(exc)
        control.crashed(run, exc)
    target.busy -= 1
    target.resting -= resting
    if control.active.pop(run, None) is None:
        raise Dropped
    return out


def uncancel(target: LoopTarget, before: int) -> None:
    """Take back the cancellations that delivered the interruption."""
    if target.reached == before:  # it came by way of another task, as `gather` passes it on
        target.task.uncancel()
    while target.reached > before:
        target.reached -= 1
        target.task.uncancel()


def perform_body_async(run: Run, effect: Effect = BODY) -> Coroutine[Any, Any, Any]:
    """Run the user's coroutine function; its value, or `Raised`."""
    timeless = run.definition.timeout_seconds is None
    return guarded(run, run.call(*run.args, **run.kwargs) if timeless else timed(run))  # type: ignore[misc]


async def timed(run: Run) -> Any:
    """The body within the timeout of its definition; only the engine's own scope makes a TimedOut."""
    from penstock.interruption.deadline import Scope

    error = run.definition.timeout_error(run)
    scope = Scope(run.definition.timeout_seconds, error)
    loop = asyncio.get_running_loop()
    run.control.scopes.append(scope)
    value: Any = None
    failure: BaseException | None = None
    try:
        async with asyncio.timeout(scope.left()) as timeout:

            def shift() -> None:
                timeout.reschedule(loop.time() + scope.left())

            def reschedule() -> None:
                loop.call_soon_threadsafe(shift)

            scope.reschedule = reschedule
            try:
                value = await run.call(*run.args, **run.kwargs)  # type: ignore[misc]
            except asyncio.CancelledError:
                raise
            except BaseException as exc:  # noqa: BLE001  (kept apart from the scope's own TimeoutError)
                failure = exc
    except TimeoutError:
        return TimedOut(error)
    finally:
        run.control.scopes.remove(scope)
    if failure is not None and not (timeout.expired() and isinstance(failure, Exception)):
        raise failure
    if not timeout.expired():
        return value
    error.__context__ = failure
    return TimedOut(error)  # a body that swallowed the cancellation, or raised something else, is late all the same


async def _all_done(upstreams: Any) -> None:
    for upstream in upstreams:
        await until_done(upstream)


async def perform_wait(run: Run, effect: Wait) -> Any:
    """Wait for upstreams."""
    return await guarded(run, _all_done(effect.upstreams))


async def perform_ask(run: Run, effect: Ask) -> Any:
    """Call something of the user's; what it awaits is interruptible, a plain function runs inline."""
    out = await guarded(run, answer(effect))
    forks.left_by(run, out.exc if isinstance(out, Raised) else None)
    return told(run, out)


async def perform_sleep(run: Run, effect: Sleep) -> Any:
    """Wait for some time, by the `sleep` of anyio or asyncio that a test has put in the place of theirs, if one has."""
    sleep: Any = getattr(sys.modules.get("anyio"), "sleep", None)
    if sleep is None or (type(sleep) is FunctionType and sleep.__module__.startswith("anyio")):
        sleep = asyncio.sleep
    out = await guarded(run, sleep(effect.seconds), resting=True)
    return out if isinstance(out, Raised) else None  # what a test's own gives


async def perform_hold(run: Run, effect: Hold) -> Any:
    """Wait for the root to be resumed."""
    from penstock.drivers.holding import ahold

    return await guarded(run, ahold(run, effect.state), resting=True)


async def perform_gate(run: Run, effect: Gate) -> None:
    """Pass the gate of the root; it blocks, so it is called in a thread."""
    gate = run.control.gate
    if gate is not None:
        from penstock.base.loops import run_sync_in_worker_thread

        target = target_of(run)
        target.resting += 1
        try:
            await run_sync_in_worker_thread(gate, run)
        finally:
            target.resting -= 1


async def perform_drain(run: Run, effect: Drain) -> Any:
    """Wait for what was submitted below the run, or end it."""
    from penstock.drivers.draining import end_children

    if not effect.cancel:
        out = await guarded(run, _drained(run))
        if not isinstance(out, Raised):
            return None
        end_children(run)
        return out
    end_children(run)
    return None


async def _drained(run: Any) -> None:
    while run.children:
        for future in list(run.children):
            await until_done(future)
            run.children.pop(future, None)


PERFORM: dict[type[Any], Callable[[Any, Any], Any]] = {
    Body: perform_body_async,
    Call: aperform_call,
    Ask: perform_ask,
    Wait: perform_wait,
    Sleep: perform_sleep,
    Hold: perform_hold,
    Gate: perform_gate,
    Drain: perform_drain,
}
