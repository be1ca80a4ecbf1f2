"""From what a body did to the state of its run: return values, exceptions, aggregates.

Neighbours: `life` calls these between the body and the final state; `states` offers them under their public names.
"""

from __future__ import annotations

from types import GeneratorType
from typing import Any

from penstock.base.exceptions import CancelledRun, PrefectSignal, TerminationSignal
from penstock.base.texts import interrupts, name_of_type, text_of
from penstock.base.tracebacks import traceback_of
from penstock.core.state import State, StateDetails
from penstock.core.state_parts import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    CRASHED,
    FAILED,
    PAUSED,
    SCHEDULED,
    TERMINAL_STATES,
    StateType,
)
from penstock.core.state_result import is_states


class Raised:
    """Outcome of an effect that ended with an exception."""

    __slots__ = ("exc",)

    def __init__(self, exc: BaseException) -> None:
        self.exc = exc


class TimedOut(Raised):
    """Outcome of a body that the run's own timeout ended."""

    __slots__ = ()


def is_interruption(exc: BaseException) -> bool:
    """Whether it has come from outside: a termination, the timeout of a run around, a cancellation, Ctrl-C."""
    if isinstance(exc, Exception | PrefectSignal):
        return False
    return interrupts(exc) or name_of_type(exc) == "CancelledError"


def unless_interrupted(out: Any) -> Any:
    """The outcome of an `Ask`; an interruption is raised: it is for the run, whatever was asked.

    Raises:
        BaseException: what has come from outside.
    """
    if isinstance(out, Raised) and is_interruption(out.exc):
        raise out.exc
    return out


class StateGroup:
    """A count of states by what they mean for the one that holds them."""

    def __init__(self, states: list[State]) -> None:
        self.states = states
        self.type_counts = {kind: sum(1 for state in states if state.type is kind) for kind in StateType}
        self.total_count = len(states)
        self.cancelled_count = self.type_counts[CANCELLED]
        self.final_count = sum(1 for state in states if state.is_final())
        self.not_final_count = self.total_count - self.final_count
        self.paused_count = self.type_counts[PAUSED]

    @property
    def fail_count(self) -> int:
        """How many FAILED or CRASHED."""
        return self.type_counts[FAILED] + self.type_counts[CRASHED]

    def all_completed(self) -> bool:
        """Whether all are COMPLETED."""
        return self.type_counts[COMPLETED] == self.total_count

    def any_cancelled(self) -> bool:
        """Whether one is CANCELLED."""
        return self.cancelled_count > 0

    def any_failed(self) -> bool:
        """Whether one is FAILED or CRASHED."""
        return self.fail_count > 0

    def any_paused(self) -> bool:
        """Whether one is PAUSED."""
        return self.paused_count > 0

    def all_final(self) -> bool:
        """Whether all are terminal."""
        return self.final_count == self.total_count

    def counts_message(self) -> str:
        """How many in all, how many not final, how many of each type."""
        parts = [f"total={self.total_count}"]
        if self.not_final_count:
            parts.append(f"not_final={self.not_final_count}")
        parts += [f"{kind.value!r}={count}" for kind, count in self.type_counts.items() if count]
        return ", ".join(parts)

    def __repr__(self) -> str:
        return f"StateGroup<{self.counts_message()}>"


def is_state_of_run(state: State) -> bool:
    """Whether a run went through this state; a hand-made one carries no run ids."""
    if state._of is not None:
        return True
    details = state._details
    return details is not None and (details.flow_run_id is not None or details.task_run_id is not None)


def value_state(value: Any, *, kind: str = "Flow") -> State:
    """The state that a returned value means.

    Args:
        value: what the body returned; futures in it are replaced by states already.
        kind: "Flow" or "Task", for messages.
    """
    if isinstance(value, GeneratorType):
        return State(COMPLETED, data=value)
    if isinstance(value, State):
        if is_state_of_run(value):
            return aggregate([value], value)
        if value.type in TERMINAL_STATES or value.type in (PAUSED, CANCELLING):
            return value
        return State(
            FAILED,
            message=f"{kind} returned the state {value.name!r} of type {value.type.value}: a body cannot return it; "
            "return a final state, a paused one, or a value.",
        )
    if is_states(value):
        return aggregate(list(value), value)
    return State(COMPLETED, data=value)


def aggregate(states: list[State], data: Any) -> State:
    """One state for many: COMPLETED if all are; else the first of cancelled, paused, failed that occurs."""
    group = StateGroup(states)
    count = group.total_count
    if group.all_completed():
        return State(COMPLETED, message="All states completed.", data=data)
    if group.any_cancelled():
        return State(CANCELLED, message=f"{group.cancelled_count}/{count} states cancelled.", data=data)
    if group.any_paused():
        return State(PAUSED, message=f"{group.paused_count}/{count} states paused.", data=data)
    if group.any_failed():
        return State(FAILED, message=f"{group.fail_count}/{count} states failed.", data=data)
    return State(FAILED, message=f"{group.not_final_count}/{count} states are not final.", data=data)


def describe(exc: BaseException) -> str:
    """`Type: text` of an exception."""
    return f"{name_of_type(exc)}: {text_of(exc)}"


def failed_state(exc: BaseException, prefix: str, **kwargs: Any) -> State:
    """FAILED with the exception as data; the message is the prefix and the exception in words."""
    state = State(FAILED, message=f"{prefix}{describe(exc)}", data=exc, **kwargs)
    state._traceback = traceback_of(exc)
    return state


def crashed_state(exc: BaseException) -> State:
    """CRASHED with the exception as data."""
    name = name_of_type(exc)
    if isinstance(exc, TerminationSignal):
        message = "Execution was aborted by a termination signal."
    elif isinstance(exc, KeyboardInterrupt):
        message = "Execution was aborted by an interrupt signal."
    elif name in ("CancelledError", "Expired"):  # the latter: the timeout of a run above
        message = "Execution was cancelled by the runtime environment."
    elif isinstance(exc, SystemExit):
        message = "Execution was aborted by Python system exit call."
    elif type(exc).__module__.partition(".")[0] == "httpx" and getattr(exc, "_request", None) is not None:
        message = f"Request to {exc.request.url} failed: {describe(exc)}."  # type: ignore[attr-defined]
    else:
        message = f"Execution was interrupted by an unexpected exception: {describe(exc)}"
    state = State(CRASHED, message=message, data=exc)
    state._traceback = traceback_of(exc)
    return state


def cancelled_state(message: str | None = None) -> State:
    """CANCELLED with the message."""
    return State(CANCELLED, message=message or None, data=CancelledRun(message) if message else None)


def interrupted_state(run: Any, out: Any) -> State:
    """The state of a run that its control's cause ended; `out` is what the body did, if it did something."""
    cause = run.control.cause
    if cause.kind == "waiting":
        waiting: State = run.state if run.state.type is SCHEDULED else cause.state.fresh_copy()
        return waiting
    exc = out.exc if isinstance(out, Raised) else None
    note = ""
    if out is not None and not isinstance(exc, TerminationSignal):
        did = f"raised {name_of_type(exc)}" if exc is not None else "returned"
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
