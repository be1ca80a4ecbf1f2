"""What the source of a function says about it. Neighbours: keys of tasks and of their results are made of it."""

from __future__ import annotations

import inspect
from typing import Any


def hash_of_source(fn: Any, digits: int = 8) -> str:
    """Hex digits of a hash of the function's source, or of its code where no source is found."""
    from hashlib import sha256

    try:
        text = inspect.getsource(inspect.unwrap(fn)).encode()
    except (TypeError, OSError):
        code = getattr(fn, "__code__", None)
        text = code.co_code if code is not None else repr(type(fn)).encode()
    return sha256(text).hexdigest()[:digits]
