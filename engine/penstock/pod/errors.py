"""An exception as the report shows it: its type, its words, where it was raised, the user's frames.

Frames of the engine and of the import machinery are left out, all along the chain of causes. Neighbours:
``penstock.pod.outcome`` puts the result into a report. ``traceback`` is imported here, and this module only when
something was raised.
"""

from __future__ import annotations

import importlib
import os
import traceback

from penstock.base import exceptions
from penstock.base.texts import text_of
from penstock.pod.report import ErrorPart

_ROOM, _FACE = exceptions.__name__, "penstock.exceptions"
_IMPORTING = os.path.dirname(os.path.abspath(importlib.__file__)) + os.sep
_ENGINE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def describe(error: BaseException, source_dir: str | None = None) -> ErrorPart:
    """Describe an exception.

    Args:
        error: The exception, with its traceback.
        source_dir: The folder that paths are shown relative to.
    """
    try:
        told = traceback.TracebackException.from_exception(error, compact=True)
    except Exception:  # noqa: BLE001 - it asks the exception for more than its text, and so the user's methods
        told = traceback.TracebackException.from_exception(_stand_in(error), compact=True)
    _keep_user_frames(told, source_dir)
    return ErrorPart(
        type=type_name(type(error)),
        message=_words(error),
        location=_location(told),
        traceback="".join(told.format()),
    )


def type_name(kind: type) -> str:
    """Name a type as a traceback does, builtins without their module; the engine's own by the name that users import."""
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    module = _FACE if kind.__module__ == _ROOM else kind.__module__
    return f"{module}.{kind.__qualname__}"


def in_one_line(error: ErrorPart) -> str:
    """Say what is wrong, and where. A reader wants that first; the traceback stands beside it."""
    words = ": ".join(part for part in (error.type, " ".join((error.message or "").split())) if part)
    place = (error.location or "").removesuffix(" in <module>")
    return f"{words} ({place})" if place else words


def _stand_in(error: BaseException) -> BaseException:
    """An exception that says the same from the same place, and whose methods are not the user's."""
    return Exception(f"{type_name(type(error))}: {text_of(error)}").with_traceback(error.__traceback__)


def _words(error: BaseException) -> str:
    """Its text; of a SyntaxError without the place at its end, which is told as one."""
    # Not a subclass of the user's, whose attributes may be anything.
    if isinstance(error, SyntaxError) and type(error).__module__ == "builtins" and error.lineno is not None:
        return text_of(error.msg)
    return text_of(error)


def _location(told: traceback.TracebackException) -> str:
    if getattr(told, "lineno", None) and getattr(told, "filename", None):
        # A SyntaxError's place is in the exception, not in a frame.
        return f"{told.filename}:{told.lineno}"
    if not told.stack:
        return ""
    frame = told.stack[-1]
    return f"{frame.filename}:{frame.lineno} in {frame.name}"


def _keep_user_frames(told: traceback.TracebackException, source_dir: str | None) -> None:
    """Do so in place, for the exception and all that it came from."""
    waiting, seen = [told], set[int]()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        kept = [frame for frame in part.stack if not _hidden(frame.filename)]
        for frame in kept:
            frame.filename = _shown(frame.filename, source_dir)
        part.stack = traceback.StackSummary.from_list(kept)
        if getattr(part, "filename", None):
            part.filename = _shown(part.filename, source_dir)
        waiting.extend(other for other in (part.__cause__, part.__context__, *(part.exceptions or ())) if other)


def _hidden(filename: str) -> bool:
    return filename.startswith((_ENGINE, _IMPORTING, "<frozen importlib", "<frozen runpy"))


def _shown(filename: str, source_dir: str | None) -> str:
    if source_dir and filename.startswith(source_dir.rstrip(os.sep) + os.sep):
        return filename[len(source_dir.rstrip(os.sep)) + 1 :]
    return filename
