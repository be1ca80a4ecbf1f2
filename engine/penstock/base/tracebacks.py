"""Tracebacks that show the user's frames. Neighbours: drivers trim what they catch; formatters print."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any

from penstock.base.texts import name_of_type, text_of

# Python's own, whatever the class of the user's makes of these names: a frozen dataclass refuses every assignment.
traceback_of = BaseException.__dict__["__traceback__"].__get__
set_traceback = BaseException.__dict__["__traceback__"].__set__
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


def trim(exc: BaseException) -> None:
    """Take the engine's frames off the front of its traceback."""
    set_traceback(exc, trimmed(traceback_of(exc)))


def formatted(exc: BaseException, tb: Any = None) -> str:
    """The exception as Python prints it, without the engine's frames; without lines of source where they cannot be had."""
    try:
        import traceback
    except Exception:  # noqa: BLE001  (a process without descriptors or memory can load nothing: it fails, and says so)
        return _by_hand(exc, tb if tb is not None else traceback_of(exc))
    try:
        shown = traceback.TracebackException(type(exc), exc, tb if tb is not None else traceback_of(exc))
    except Exception:  # noqa: BLE001  (it asks the exception for more than its text, and so the user's methods)
        stack = traceback.format_tb(tb if tb is not None else traceback_of(exc))
        return "".join([*stack, f"{name_of_type(exc)}: {text_of(exc)}\n"])
    _strip(shown)
    return "".join(shown.format())


def _by_hand(exc: BaseException, tb: TracebackType | None) -> str:
    lines = ["Traceback (most recent call last):"]
    while tb is not None:
        if not is_ours(tb):
            code = tb.tb_frame.f_code
            lines.append(f'  File "{code.co_filename}", line {tb.tb_lineno}, in {code.co_name}')
        tb = tb.tb_next
    return "\n".join([*lines, f"{name_of_type(exc)}: {text_of(exc)}\n"])


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
