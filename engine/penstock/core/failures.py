"""The exception that a failed state stands for. Neighbours: `states` raises it, `life` passes it on by allow_failure."""

from __future__ import annotations

from penstock._state import CANCELLED, COMPLETED, CRASHED, FAILED, State, StateType
from penstock.core.outcome import is_states
from penstock.exceptions import CancelledRun, CrashedRun, FailedRun, UnfinishedRun

RUN_ERRORS: dict[StateType, tuple[type[Exception], str]] = {
    FAILED: (FailedRun, "Run failed."),
    CRASHED: (CrashedRun, "Run crashed."),
    CANCELLED: (CancelledRun, "Run cancelled."),
}


def exception_of(state: State) -> BaseException:
    """The exception that a FAILED, CRASHED or CANCELLED state stands for.

    Raises:
        TypeError: the data is neither an exception, a text, nor states.
        ValueError: the state is of another type.
    """
    if state.type not in RUN_ERRORS:
        raise ValueError(f"Expected failed or crashed state got {state!r}.")
    wrapper, default = RUN_ERRORS[state.type]
    data = state.data
    if isinstance(data, BaseException):
        return data
    if data is None:
        return wrapper(state.message or default)
    if isinstance(data, str):
        return wrapper(data)
    if isinstance(data, State):
        return _first_failure([data])
    if is_states(data):
        return _first_failure(list(data))
    raise TypeError(
        f"Unexpected result for failed state: {data!r} —— {type(data).__name__} cannot be resolved into an exception"
    )


def _first_failure(states: list[State]) -> BaseException:
    for state in states:
        if state.type in RUN_ERRORS:
            return exception_of(state)
    for state in states:
        if state.type is not COMPLETED:
            return UnfinishedRun(f"Run is in {state.type.name} state, its result is not available.")
    return FailedRun("Run failed.")
