"""State changes of a run: which may follow which; made, counted, told, followed by hooks.

Neighbours: `life` decides which change comes next.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import Any, Protocol

from penstock.base.asyncutils import plainly
from penstock.base.exceptions import InvalidTransition
from penstock.core.effects import Ask, Call, Effect
from penstock.core.outcome import Raised, unless_interrupted
from penstock.core.runs import Run
from penstock.core.state import State
from penstock.core.state_parts import (
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
    StateType,
)

Steps = Generator[Effect, Any, Any]


ALLOWED: dict[StateType, frozenset[StateType]] = {
    SCHEDULED: frozenset({SCHEDULED, PENDING, RUNNING, FAILED, CANCELLING, CANCELLED, CRASHED}),
    PENDING: frozenset({PENDING, SCHEDULED, RUNNING, PAUSED, COMPLETED, FAILED, CANCELLING, CANCELLED, CRASHED}),
    RUNNING: frozenset({RUNNING, SCHEDULED, PAUSED, COMPLETED, FAILED, CANCELLING, CANCELLED, CRASHED}),
    PAUSED: frozenset({PAUSED, RUNNING, SCHEDULED, FAILED, CANCELLING, CANCELLED, CRASHED}),
    CANCELLING: frozenset({CANCELLED}),
    COMPLETED: frozenset(),
    FAILED: frozenset(),
    CANCELLED: frozenset(),
    CRASHED: frozenset(),
}


def allows(old: State | None, new: State) -> bool:
    """Whether `new` may follow `old` (None: a new run, which may start in any state)."""
    if old is None or new.type in ALLOWED[old.type]:
        return True
    return old.type is COMPLETED and new.type is COMPLETED and new.name == "RolledBack"


def check(old: State | None, new: State) -> None:
    """Raise unless `new` may follow `old`.

    Raises:
        InvalidTransition: no rule allows it.
    """
    if not allows(old, new):
        raise InvalidTransition(f"A run in state {old} cannot go to {new}.")


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
    if not force and kind not in ALLOWED[old.type]:
        check(old, new)
    run.state = new
    new._of = run.key
    if kind is RUNNING:
        if old.type is not PAUSED:
            run.run_count += 1
        if run._start is None:
            run._start = new._time
    elif kind in TERMINAL_STATES:
        run._end = new._time
        if kind is FAILED and run._start is None:
            run._start = new._time  # bad parameters: it began and ended with its failure
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


def suspend_root(run: Run, state: State) -> None:
    """A submitted run waits for longer than this process does: its root ends in that state, when the rest is done."""
    root = run.root
    if run.submitted and root.is_flow:
        root.suspension = state  # type: ignore[attr-defined]


def hooks_of(definition: Any, state: State) -> Any:
    """The hooks that a final state calls for."""
    if state.type is COMPLETED:
        return definition.on_completion_hooks
    if state.type is FAILED:
        return definition.on_failure_hooks
    return definition.on_crashed_hooks if state.type is CRASHED else ()


def final_hooks(run: Run, state: State, world: World) -> Steps:
    """Run the hooks that a final state calls for."""
    return run_hooks(run, hooks_of(run.definition, state), state, world)


def run_hooks(run: Run, hooks: Any, state: State, world: World) -> Steps:
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
        call = (Ask if state.type is RUNNING else Call)(plainly(hook, run), (run.definition, run, state))
        out = yield call
        if record is not None:
            record.current = None
        if isinstance(out, Raised):
            if record is not None:
                record.failed.append(name)
            if call.__class__ is Ask:
                unless_interrupted(out)
            world.log(run, 40, "An error was encountered while running hook %r", name, exc=out.exc)
        else:
            if record is not None:
                record.ran.append(name)
            world.log(run, 20, "Hook %r finished running successfully", name)


def hook_name(hook: Any) -> str:
    """The name of a hook, also of a partial or a callable object."""
    inner = hook.func if isinstance(hook, partial) else hook
    try:
        name = getattr(inner, "__name__", None)
    except Exception:  # noqa: BLE001  (an attribute of the user's)
        name = None
    return name if isinstance(name, str) else type(inner).__name__
