"""What is the user's, in words: its methods may raise whatever they like, and the run goes on all the same.

Whatever of the user's the engine writes into messages, logs and reports goes through here. Neighbour: `tracebacks`, for
exceptions as Python prints them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAIN = frozenset({type(None), bool, int, float, str, bytes, list, dict})


_NAME = type.__dict__["__name__"].__get__


def name_of_type(value: Any) -> str:
    """The name of its class, whatever the metaclass makes of that."""
    name: str = _NAME(type(value))
    return name


def interrupts(exc: BaseException) -> bool:
    """Whether it has come from outside while something of the user's ran: a cancellation, a timeout, Ctrl-C."""
    return isinstance(exc, KeyboardInterrupt) or marked(exc, "_interrupts")


def _written(write: Callable[[Any], str], value: Any) -> str:
    try:
        return write(value)
    except BaseException as exc:  # a method of the user's
        if interrupts(exc):
            raise
        return f"<no text: __{write.__name__}__ of {name_of_type(value)} raises {name_of_type(exc)}>"


def text_of(value: Any) -> str:
    """`str` of it, or a note that it has none."""
    return _written(str, value)


def repr_of(value: Any) -> str:
    """`repr` of it, or a note that it has none."""
    return _written(repr, value)


class StateText(str):
    """The words of a log line that says a state change; where such changes are written by themselves it is not needed."""

    __slots__ = ()


class Shown:
    """Stands for an object of the user's in the arguments of a log record, where it is formatted by others."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __str__(self) -> str:
        return text_of(self._value)

    def __repr__(self) -> str:
        return repr_of(self._value)


def name_of(value: Any) -> str:
    """The name of a function or class, else what it is in words."""
    try:
        name = getattr(value, "__name__", None)
    except Exception:  # noqa: BLE001  (an attribute of the user's)
        name = None
    return name if isinstance(name, str) else repr_of(value)


def marked(value: Any, mark: str) -> bool:
    """Whether its class carries a mark of ours; asked of the class, for an object may answer to every name."""
    return getattr(type(value), mark, False) is True


def is_awaitable(value: Any) -> bool:
    """Whether its class can be awaited, and is no future of ours or of asyncio's."""
    kind = type(value)
    if kind in _PLAIN:  # what most calls give: to ask a class for a name that it does not have takes longer
        return False
    return hasattr(kind, "__await__") and not hasattr(kind, "add_done_callback")
