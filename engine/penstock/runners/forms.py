"""What travels between a flow and a worker: the forms of events, and values that are put in place where they arrive.

An event is a tuple: `("state", ...)`, `("log", members)`, `("print", text)`; the events of a run keep their order.
Neighbours: `far` makes events, `remote` puts them on the record; `packing` makes orders.
"""

from __future__ import annotations

import io
import logging
import platform
import threading
from functools import cache
from typing import Any

from penstock.base.version import __version__
from penstock.core.state import State
from penstock.core.state_parts import StateType

Event = tuple[Any, ...]

SCALARS = frozenset({int, float, bool, type(None), complex})


@cache
def versions() -> str:
    """What has to be equal on both sides: of Python the language version, of Penstock the release."""
    return f"Python {'.'.join(platform.python_version_tuple()[:2])}, Penstock {__version__}"


class TooLargeToSend(Exception):  # noqa: N818  (no error: the value stays where it is)
    """The pickle of a value is longer than the limit."""


class _Bounded(io.BytesIO):
    """A file that takes so many bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.left = limit

    def write(self, data: Any) -> int:
        """Write, within the limit."""
        self.left -= len(data)
        if self.left < 0:
            raise TooLargeToSend
        return super().write(data)


def pickled(value: Any, limit: int | None) -> bytes:
    """The value by cloudpickle.

    Raises:
        TooLargeToSend: it needs more bytes than the limit; found out without pickling the rest.
    """
    import cloudpickle

    if limit is None:
        return cloudpickle.dumps(value)  # type: ignore[no-any-return]
    file = _Bounded(limit)
    cloudpickle.Pickler(file).dump(value)
    return file.getvalue()


class Slot:
    """Stands in the parameters for an input that arrives beside them."""

    __slots__ = ("index", "pickled")

    def __init__(self, index: int, pickled: bool) -> None:
        self.index = index
        self.pickled = pickled

    def __reduce__(self) -> Any:
        return _arrived, (self.index, self.pickled)


class _Arrived(threading.local):
    inputs: Any = ()


_here = _Arrived()


def _arrived(index: int, as_pickle: bool) -> Any:
    value = _here.inputs[index]
    if as_pickle:
        import cloudpickle

        return cloudpickle.loads(value)
    return value


def unpacked(payload: bytes, inputs: Any) -> Any:
    """The object of a pickle whose slots are filled from `inputs`."""
    import cloudpickle

    before, _here.inputs = _here.inputs, inputs
    try:
        return cloudpickle.loads(payload)
    finally:
        _here.inputs = before


def state_event(state: State, data: Any) -> Event:
    """A state as an event; `data` takes the place of its own."""
    details = state._details
    return (
        "state", state.type.value, state.name, state._time, state.message, data,
        None if details is None else {k: v for k, v in details.to_dict().items() if v}, state.ended, state._id,
    )  # fmt: skip


def state_of(event: Event, data: Any) -> State:
    """The state of an event; `data` is what became of its own."""
    _, kind, name, when, message, _, details, ended, id_ = event
    state = State(StateType(kind), name, message=message, data=data, state_details=details, id=id_)
    state._time = when
    state.ended = ended
    return state


def log_event(record: logging.LogRecord) -> Event:
    """A log record as an event; its arguments become text, its traceback too."""
    members = dict(record.__dict__)
    members["msg"] = record.getMessage()
    members["args"] = ()
    if record.exc_info:
        members["exc_text"] = logging.Formatter().formatException(record.exc_info)
        members["exc_info"] = None
    return ("log", members)
