"""What the source of a function says about it. Neighbours: keys of tasks and of their results are made of it."""

from __future__ import annotations

import inspect
import os
from contextlib import suppress
from functools import cache
from types import CodeType, FunctionType
from typing import Any

LOADED = "__penstock_loader__"
"""How the names of modules begin that were loaded by the path of their file."""


def wrapped_by(fn: Any) -> Any:
    """What a function wraps by `functools.wraps`, at the bottom; itself if it wraps nothing.

    Only what is set on the object counts: one that answers to every name wraps nothing.
    """
    seen = {id(fn)}
    while True:
        if type(fn) is FunctionType and "__wrapped__" not in fn.__dict__:
            return fn  # most do not, and this is asked for each stored result
        inner = inspect.getattr_static(fn, "__wrapped__", None)
        if not callable(inner) or id(inner) in seen:
            return fn
        seen.add(id(inner))
        fn = inner


def code_of(fn: Any) -> CodeType | None:
    """The code of the function, or of what it wraps; None for what has none."""
    inner = wrapped_by(fn)
    code = getattr(getattr(inner, "__func__", inner), "__code__", None)
    return code if type(code) is CodeType else None


def hash_of_source(fn: Any, digits: int = 8) -> str:
    """Hex digits of a hash of the function's source, or of its code where no source is found."""
    from hashlib import sha256

    code = code_of(fn)
    text = code.co_code if code is not None else repr(type(fn)).encode()
    inner = wrapped_by(fn)
    if inspect.isroutine(inner) or inspect.isclass(inner):  # other objects may answer to the names that are asked for
        with suppress(TypeError, OSError):
            text = inspect.getsource(inner).encode()
    return sha256(text).hexdigest()[:digits]


def script_of(fn: Any) -> str | None:
    """The name of the file that the function stands in, without folder and ending; None where there is no file."""
    code = code_of(fn)
    return None if code is None else _name_of_file(code.co_filename)


@cache
def _name_of_file(path: str) -> str | None:
    return os.path.splitext(os.path.basename(path))[0] if os.path.isfile(path) else None
