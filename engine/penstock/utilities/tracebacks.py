"""Tracebacks that show the user's frames. Neighbours: drivers trim what they catch; formatters print."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, NamedTuple

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def is_ours(tb: TracebackType) -> bool:
    """Whether the frame is of the engine."""
    return tb.tb_frame.f_code.co_filename.startswith(_HERE)


def trimmed(tb: TracebackType | None) -> TracebackType | None:
    """The traceback from its first frame that is not ours; as it is when all are."""
    start = tb
    while start is not None and is_ours(start):
        start = start.tb_next
    return start if start is not None else tb


def formatted(exc: BaseException, tb: Any = None) -> str:
    """The exception as Python prints it, without the engine's frames."""
    import traceback

    shown = traceback.TracebackException(type(exc), exc, tb if tb is not None else exc.__traceback__)
    _strip(shown)
    return "".join(shown.format())


def _strip(shown: Any) -> None:
    seen = set()
    while shown is not None and id(shown) not in seen:
        seen.add(id(shown))
        users = [frame for frame in shown.stack if not frame.filename.startswith(_HERE)]
        if users:
            shown.stack[:] = users
        if shown.__context__ is not None:
            _strip(shown.__context__)
        shown = shown.__cause__


def user_location(exc: BaseException) -> str | None:
    """`file:line in function` of the innermost frame of the user; None when there is none."""
    place = None
    tb = exc.__traceback__
    while tb is not None:
        if not is_ours(tb):
            code = tb.tb_frame.f_code
            if not code.co_filename.startswith("<frozen"):
                place = f"{code.co_filename}:{tb.tb_lineno} in {code.co_name}"
        tb = tb.tb_next
    return place


class ErrorReport(NamedTuple):
    """A failure in a few words, for people: with the user's frames only."""

    type: str
    message: str
    location: str | None
    traceback: str


def error_of(state: Any) -> ErrorReport | None:
    """The error that a FAILED, CRASHED or CANCELLED state stands for; None for other states."""
    from penstock.core.failures import exception_of

    try:
        exc = exception_of(state)
    except ValueError:
        return None
    except TypeError:
        return ErrorReport("Failed", state.message or "", None, "")
    if state._traceback is not None and exc is state.data:
        exc = exc.with_traceback(state._traceback)
    return ErrorReport(type(exc).__name__, str(exc), user_location(exc), formatted(exc))
