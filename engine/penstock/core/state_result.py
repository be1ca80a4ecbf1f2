"""What the result of a state is: the value, or the exception that a failed state stands for.

Stored results read themselves: their classes carry the mark `__penstock_stored__`, so that nothing is imported here.
Neighbours: `state.State` inherits this; `life` passes failures on by allow_failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.annotations import BaseAnnotation
from penstock.base.exceptions import CancelledRun, CrashedRun, FailedRun, MissingResult, PausedRun, UnfinishedRun
from penstock.base.texts import marked, repr_of
from penstock.base.tracebacks import set_traceback
from penstock.core.state_parts import CANCELLED, COMPLETED, CRASHED, FAILED, PAUSED, TERMINAL_STATES, StateType

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

# A union written where it is asked for would be made anew each time.
_COLLECTIONS = (list, tuple, set, frozenset)
RUN_ERRORS: dict[StateType, tuple[type[Exception], str]] = {
    FAILED: (FailedRun, "Run failed."),
    CRASHED: (CrashedRun, "Run crashed."),
    CANCELLED: (CancelledRun, "Run cancelled."),
}


RESULT_READ_MAXIMUM_ATTEMPTS = 10
RESULT_READ_RETRY_DELAY = 0.25  # seconds


class StateResult:
    """The part of a state that gives its result."""

    __slots__ = ()

    if TYPE_CHECKING:
        type: StateType
        data: Any
        message: str | None
        ended: bool
        _traceback: Any

        def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
            """Given by the class that inherits this."""

    def result(
        self, raise_on_failure: bool = True, retry_result_failure: bool = True, *, _sync: bool | None = None
    ) -> Any:
        """The value that the run returned, or its failure.

        Plain in sync code; an awaitable while the current run is async, or in a running loop outside any run.

        Args:
            raise_on_failure: raise the failure; False returns it.
            retry_result_failure: try a stored result that cannot be read again, up to ten times.
            _sync: True: plain in any code; False: an awaitable in any code.

        Raises:
            Exception: that of the run, the same object, or what stands for it (`FailedRun` ...).
            MissingResult: the state is COMPLETED and nothing knows its data.
            UnfinishedRun: the run has not finished.
            PausedRun: the run is paused.
        """
        from penstock.base.asyncutils import in_async_run

        if in_async_run() if _sync is None else not _sync:
            return get_state_result_async(self, raise_on_failure, retry_result_failure)
        return get_state_result(self, raise_on_failure, retry_result_failure)

    async def aresult(self, raise_on_failure: bool = True, retry_result_failure: bool = True) -> Any:
        """`result`, always as a coroutine."""
        return await get_state_result_async(self, raise_on_failure, retry_result_failure)


def get_state_result(state: StateResult, raise_on_failure: bool = True, retry_result_failure: bool = True) -> Any:
    """The result of a state, in sync code; see `State.result`."""
    if not is_stored(state.data):
        return _resolved(state, raise_on_failure)
    return _of_stored(state, state.data.read_patiently(retry_result_failure), raise_on_failure)


async def get_state_result_async(
    state: StateResult, raise_on_failure: bool = True, retry_result_failure: bool = True
) -> Any:
    """The result of a state, in async code; see `State.result`."""
    if not is_stored(state.data):
        return _resolved(state, raise_on_failure)
    return _of_stored(state, await state.data.aread_patiently(retry_result_failure), raise_on_failure)


def is_stored(data: Any) -> bool:
    """Whether data refers to a stored result."""
    return marked(data, "__penstock_stored__")


def _of_stored(state: StateResult, value: Any, raise_on_failure: bool) -> Any:
    if state.type is COMPLETED:
        return value
    return _resolved(state.model_copy(update={"data": value}), raise_on_failure)


def _resolved(state: StateResult, raise_on_failure: bool) -> Any:
    """The result of a state whose data is at hand."""
    kind = state.type
    if kind is COMPLETED:
        if state.data is None and not state.ended:
            raise MissingResult("The result of this state is not known: it was made by hand, or not persisted.")
        return state.data
    if kind is PAUSED:
        raise PausedRun("Run is paused, its result is not available.", state=state)
    if kind not in TERMINAL_STATES:
        raise UnfinishedRun(f"Run is in {kind.name} state, its result is not available.")
    if raise_on_failure:
        raise_now(state)
    if state.data is None:
        return exception_of(state)
    return state.data


def raise_now(state: StateResult) -> None:
    """Raise what the state stands for, with the traceback it was caught with; COMPLETED raises nothing."""
    if state.type not in RUN_ERRORS:
        return
    exc = exception_of(state)
    if exc is not state.data:
        set_traceback(exc, None)
    elif state._traceback is not None:
        set_traceback(exc, state._traceback)
    raise exc


def is_states(value: Any) -> bool:
    """Whether `value` is a non-empty list, tuple or set of states only."""
    return (
        isinstance(value, _COLLECTIONS)
        and not isinstance(value, BaseAnnotation)
        and bool(value)
        and all(isinstance(item, StateResult) for item in value)
    )


def exception_of(state: StateResult) -> BaseException:
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
    if isinstance(data, StateResult):
        return exception_of(data) if data.type in RUN_ERRORS or data.type is COMPLETED else _first_failure([data])
    if is_states(data):
        return _first_failure(list(data))
    raise TypeError(
        f"Unexpected result for failed state: {repr_of(data)} —— {type(data).__name__} cannot be resolved into an exception"
    )


def _first_failure(states: list[StateResult]) -> BaseException:
    for state in states:
        if state.type in RUN_ERRORS:
            return exception_of(state)
    for state in states:
        if state.type is not COMPLETED:
            return UnfinishedRun(f"Run is in {state.type.name} state, its result is not available.")
    raise ValueError("Failed state result was an iterable of states but none were failed.")
