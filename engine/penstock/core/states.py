"""Constructors of states, and what users ask of states and exceptions by a function.

Neighbours: `state` holds the class; `state_result` says what a state's result is; `outcome` turns what a body did into a
state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.asyncutils import in_async_run
from penstock.base.both_forms import takes_sync
from penstock.core.outcome import StateGroup, crashed_state, failed_state, value_state
from penstock.core.state import State, StateDetails, aware
from penstock.core.state_parts import TERMINAL_STATES, StateType, at
from penstock.core.state_result import (
    RESULT_READ_MAXIMUM_ATTEMPTS,
    RESULT_READ_RETRY_DELAY,
    exception_of,
    get_state_result,
    is_states,
    is_stored,
    raise_now,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = [
    "RESULT_READ_MAXIMUM_ATTEMPTS",
    "RESULT_READ_RETRY_DELAY",
    "TERMINAL_STATES",
    "AwaitingConcurrencySlot",
    "AwaitingRetry",
    "Cancelled",
    "Cancelling",
    "Completed",
    "Crashed",
    "Failed",
    "InfrastructurePending",
    "Late",
    "Paused",
    "Pending",
    "Retrying",
    "Running",
    "Scheduled",
    "State",
    "StateDetails",
    "StateGroup",
    "StateType",
    "Submitting",
    "Suspended",
    "aget_state_exception",
    "araise_state_exception",
    "exception_to_crashed_state",
    "exception_to_failed_state",
    "format_exception",
    "get_state_exception",
    "get_state_result",
    "is_state",
    "is_state_iterable",
    "raise_state_exception",
    "return_value_to_state",
    "to_state_create",
]


def _make(cls: type[State], kind: StateType, default_name: str | None, kwargs: dict[str, Any]) -> State:
    if default_name is not None:
        kwargs.setdefault("name", default_name)
    return cls(type=kind, **kwargs)


def _maker(kind: StateType, name: str) -> Callable[..., State]:
    default = None if name == kind.value.capitalize() else name

    def construct(cls: type[State] = State, **kwargs: Any) -> State:
        return _make(cls, kind, default, kwargs)

    construct.__name__ = construct.__qualname__ = name
    construct.__doc__ = f"A state named {name} of type {kind.value}; keyword arguments as for `State`."
    return construct


Pending = _maker(StateType.PENDING, "Pending")
Submitting = _maker(StateType.PENDING, "Submitting")
InfrastructurePending = _maker(StateType.PENDING, "InfrastructurePending")
Running = _maker(StateType.RUNNING, "Running")
Retrying = _maker(StateType.RUNNING, "Retrying")
Completed = _maker(StateType.COMPLETED, "Completed")
Failed = _maker(StateType.FAILED, "Failed")
Crashed = _maker(StateType.CRASHED, "Crashed")
Cancelling = _maker(StateType.CANCELLING, "Cancelling")
Cancelled = _maker(StateType.CANCELLED, "Cancelled")


def Scheduled(cls: type[State] = State, scheduled_time: datetime | None = None, **kwargs: Any) -> State:  # noqa: N802
    """A state that waits for its time.

    Args:
        cls: the class to make.
        scheduled_time: when; default: now.
        kwargs: as for `State`.

    Raises:
        ValueError: the details given hold a scheduled time as well.
    """
    details = kwargs.pop("state_details", None) or StateDetails()
    if not isinstance(details, StateDetails):
        details = StateDetails(**details)
    if scheduled_time is None:
        if details.scheduled_time is None:
            from datetime import UTC, datetime

            details.scheduled_time = datetime.now(UTC)
    elif details.scheduled_time is not None:
        raise ValueError("An extra scheduled_time was provided in state_details")
    else:
        details.scheduled_time = aware(scheduled_time)
    return cls(type=StateType.SCHEDULED, state_details=details, **kwargs)


def _scheduled(name: str) -> Callable[..., State]:
    def construct(cls: type[State] = State, scheduled_time: datetime | None = None, **kwargs: Any) -> State:
        kwargs.setdefault("name", name)
        return Scheduled(cls, scheduled_time=scheduled_time, **kwargs)

    construct.__name__ = construct.__qualname__ = name
    construct.__doc__ = f"A SCHEDULED state named {name}; arguments as for `Scheduled`."
    return construct


Late = _scheduled("Late")
AwaitingRetry = _scheduled("AwaitingRetry")
AwaitingConcurrencySlot = _scheduled("AwaitingConcurrencySlot")


def Paused(  # noqa: N802
    cls: type[State] = State,
    timeout_seconds: int | float | None = None,
    pause_expiration_time: datetime | None = None,
    reschedule: bool = False,
    pause_key: str | None = None,
    **kwargs: Any,
) -> State:
    """A state that is held until it is resumed.

    Args:
        cls: the class to make.
        timeout_seconds: seconds from now after which the pause fails.
        pause_expiration_time: the same as a point in time.
        reschedule: the process is given up.
        pause_key: tells one pause of a run from another.
        kwargs: as for `State`.

    Raises:
        ValueError: both times were given.
    """
    details = kwargs.pop("state_details", None) or StateDetails()
    if not isinstance(details, StateDetails):
        details = StateDetails(**details)
    if details.pause_timeout is not None:
        raise ValueError("An extra pause timeout was provided in state_details")
    if pause_expiration_time is not None and timeout_seconds is not None:
        raise ValueError("Cannot supply both a pause_expiration_time and timeout_seconds")
    if timeout_seconds is not None:
        from datetime import UTC, datetime

        pause_expiration_time = at(datetime.now(UTC).timestamp() + timeout_seconds)
    if pause_expiration_time is not None:
        details.pause_timeout = aware(pause_expiration_time)
    details.pause_reschedule = reschedule
    details.pause_key = pause_key
    return cls(type=StateType.PAUSED, state_details=details, **kwargs)


def Suspended(  # noqa: N802
    cls: type[State] = State,
    timeout_seconds: int | float | None = None,
    pause_expiration_time: datetime | None = None,
    pause_key: str | None = None,
    **kwargs: Any,
) -> State:
    """A paused state whose process is given up; arguments as for `Paused`."""
    kwargs.setdefault("name", "Suspended")
    return Paused(
        cls,
        timeout_seconds=timeout_seconds,
        pause_expiration_time=pause_expiration_time,
        reschedule=True,
        pause_key=pause_key,
        **kwargs,
    )


def _with_data(state: State) -> State:
    if is_stored(state.data):
        return state.model_copy(update={"data": get_state_result(state, raise_on_failure=False)})
    return state


@takes_sync
def get_state_exception(state: State) -> Any:
    """The exception of a failed, crashed or cancelled state; awaitable in async code.

    Raises:
        TypeError: the data cannot stand for an exception.
        ValueError: the state is of another type.
    """
    return aget_state_exception(state) if in_async_run() else exception_of(_with_data(state))


async def aget_state_exception(state: State) -> BaseException:
    """`get_state_exception`, always as a coroutine."""
    return exception_of(_with_data(state))


@takes_sync
def raise_state_exception(state: State) -> Any:
    """Raise the exception of a failed, crashed or cancelled state; other states raise nothing."""
    if in_async_run():
        return araise_state_exception(state)
    return raise_now(_with_data(state))


async def araise_state_exception(state: State) -> None:
    """`raise_state_exception`, always as a coroutine."""
    raise_now(_with_data(state))


def format_exception(exc: BaseException, tb: Any = None) -> str:
    """The exception as Python prints it, with the frames of the user only."""
    from penstock.base.tracebacks import formatted

    return formatted(exc, tb)


async def exception_to_failed_state(
    exc: BaseException | None = None, result_store: Any = None, write_result: bool = False, **kwargs: Any
) -> State:
    """A FAILED state from an exception, or from the one that is being handled.

    Args:
        exc: what failed.
        result_store: makes a record of it, which is the state's data; None: the exception itself is.
        write_result: store the record.
        kwargs: members of the state; `message` comes before the exception in words.

    Raises:
        ValueError: no exception was given and none is active.
    """
    if exc is None:
        import sys

        exc = sys.exc_info()[1]
        if exc is None:
            raise ValueError("Exception was not passed and no active exception could be found.")
    message = kwargs.pop("message", None)
    state = failed_state(exc, f"{message}{' ' if message else ''}" if message is not None else "", **kwargs)
    state.state_details.retriable = False
    return await _recorded(state, result_store, write_result)


async def _recorded(
    state: State, store: Any, write: bool, key: str | None = None, expiration: datetime | None = None
) -> State:
    """The state with a record of a store as its data."""
    if store is not None and not is_stored(state.data):
        state.data = store.create_result_record(state.data, key, expiration)
        if write:
            await store.apersist_result_record(state.data)
    return state


async def exception_to_crashed_state(exc: BaseException, result_store: Any = None) -> State:
    """A CRASHED state from an exception.

    Args:
        exc: what came out of the body.
        result_store: makes a record of it, which is the state's data and is not stored; None: the exception itself is.
    """
    return await _recorded(crashed_state(exc), result_store, False)


async def return_value_to_state(
    retval: Any,
    result_store: Any = None,
    key: str | None = None,
    expiration: datetime | None = None,
    write_result: bool = False,
) -> State:
    """The final state that a body's return value means: a state, an aggregate of states, or COMPLETED with it.

    Args:
        retval: what the body returned.
        result_store: makes a record of it, which is the state's data; None: the value itself is.
        key: of the record; default: random.
        expiration: of the record.
        write_result: store the record.
    """
    state = value_state(retval)
    return await _recorded(state, result_store, write_result, key, expiration)


def is_state(obj: Any) -> bool:
    """Whether the object is a state."""
    return isinstance(obj, State)


def is_state_iterable(obj: Any) -> bool:
    """Whether the object is a non-empty list, tuple or set of states only."""
    return is_states(obj)


def to_state_create(state: State) -> State:
    """The state itself: there is no server that would need another form."""
    return state
