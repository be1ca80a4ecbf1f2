"""Runs that start from a given state, and handlers that replace states before they are set.

A given state comes from `run_engine(state=...)`, or from `task_states` by address. Neighbours: `life` asks first of
all whether the given state ends the run, or where it goes on from.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from penstock.base.texts import name_of
from penstock.core.changes import allows
from penstock.core.effects import Call, Effect, Hold, Sleep
from penstock.core.outcome import Raised, crashed_state, failed_state
from penstock.core.readiness import read_state
from penstock.core.state import State
from penstock.core.state_parts import CANCELLED, CANCELLING, COMPLETED, PAUSED, RUNNING, SCHEDULED, TERMINAL_STATES

if TYPE_CHECKING:
    from penstock.core.changes import World
    from penstock.core.runs import Run

Steps = Generator[Effect, Any, Any]


def begin(run: Run, world: World) -> Steps:
    """Go on from the given state: the state that ends the run at once, None to go on, `Raised` where its wait was interrupted."""
    from penstock.core import changes, retry

    state = run.given
    assert state is not None
    kind = state.type
    if kind in TERMINAL_STATES:
        if run.is_flow and run.root is run:
            return state
        return (yield from _reuse(run, state, world))
    if kind is CANCELLING:
        if run.is_flow:
            return state
        changes.put(run, State(CANCELLED, message=state.message), world)
        return run.state
    if kind is SCHEDULED:
        run.run_count = max(run.run_count, _count(state))
        due = state.state_details.scheduled_time
        delay = 0.0 if due is None else due.timestamp() - world.now()
        if delay > 0:
            if retry.leaves_process(run, delay):
                changes.suspend_root(run, state)
                if run.state is not state:
                    changes.put(run, state, world)
                return state
            stopped = yield Sleep(delay)
            if stopped is not None:
                return stopped
    elif kind is RUNNING:
        run.run_count = max(1, run.run_count, _count(state, default=0))
    elif kind is PAUSED:
        stopped = yield Hold(state)
        if stopped is not None:
            if run.control.cause is not None:
                return stopped
            changes.put(run, failed_state(stopped.exc, f"{run.kind} run was not resumed: "), world)
            return run.state
    return None


def _count(state: State, default: int = 1) -> int:
    counted = state._details.run_count if state._details is not None else None
    if counted is not None:
        return counted
    return 1 if state.name == "AwaitingRetry" else (default if state.type is RUNNING else 0)


def _reuse(run: Run, state: State, world: World) -> Steps:
    from penstock.core import changes

    if state.type is COMPLETED:
        value = yield from read_state(state)
        if isinstance(value, Raised):
            world.log(run, 30, "The given result of %s cannot be read (%s); the body runs.", run.address, value.exc)
            return None
        if run.root.flow is not None and not run.is_flow:
            run.root.flow.progress.cached += 1
    changes.put(run, state, world)
    return state


class EngineView:
    """What a state handler sees of the engine."""

    __slots__ = ("context", "flow", "flow_run", "logger", "parameters", "state", "task", "task_run")

    def __init__(self, run: Run, world: Any) -> None:
        self.flow = run.definition if run.is_flow else (run.flow.definition if run.flow is not None else None)
        self.task = None if run.is_flow else run.definition
        self.flow_run = run.flow
        self.task_run = None if run.is_flow else run
        self.parameters = run.parameters
        self.context = run.context or {}
        self.logger = world.logger_of(run)
        self.state = run.state


def handled(run: Run, proposed: State, world: World) -> Steps:
    """What the chain of state handlers makes of a proposed state."""
    old, new = run.state, proposed
    view = EngineView(run, world)
    for handler in run.handlers:
        out = yield Call(handler, (view, old, new))
        if out is None:
            continue
        name = name_of(handler)
        if isinstance(out, Raised):
            if not isinstance(out.exc, Exception):
                return crashed_state(out.exc)
            problem: BaseException = out.exc
        elif not isinstance(out, State):
            problem = TypeError(f"returned {type(out).__name__}, not a State")
        elif not allows(old, out) and out.type is not SCHEDULED:
            problem = ValueError(f"returned {out}, which cannot follow {old}")
        else:
            new = out
            continue
        if old.type is CANCELLING:
            world.log(run, 40, "State handler %r failed: %s", name, problem)
            return proposed
        return failed_state(problem, f"State handler {name!r} failed: ")
    return new
