"""JSON as it comes from the API server and goes to it, read and written fast.

pydantic brings a reader that is up to twice as fast as the standard library's, and that keeps the names of fields only once. It gives up at
200 levels and on lone surrogates, which a user's parameters may have: those are read by the slow one. That one gives up, too, near 1,000
levels, and a server takes 10,000; one such object must not hide all others of a listing, so what lies deeper than anything that is of use
is cut off before.
Neighbours: `client` and `session` read with it, `client` and `packing` write.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json

from penstock_operator.api.times import rfc3339

# More than the core calls too deep, which it must still be, and less than the readers bear.
CUT_LEVELS = 180
_MARKS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]')


class Sized(dict[str, Any]):
    """A JSON object that knows how many bytes it was."""

    size: int = 0


def parse_sized(content: bytes) -> Any:
    """Return the JSON value in a text; an object knows its size.

    Raises:
        ValueError: it is none.
    """
    parsed = parse(content)
    if not isinstance(parsed, dict):
        return parsed
    sized = Sized(parsed)
    sized.size = len(content)
    return sized


def parse(content: bytes) -> Any:
    """Return the JSON value in a text.

    Raises:
        ValueError: it is none.
    """
    try:
        return from_json(content)
    except ValueError:
        pass
    try:
        return json.loads(content)
    except RecursionError:
        return json.loads(shallow(content))


def shallow(content: bytes) -> bytes:
    """Return the text with null in place of what is nested deeper than `CUT_LEVELS`."""
    depth, begun, kept, pieces = 0, 0, 0, []
    for mark in _MARKS.finditer(content):
        what = content[mark.start()]
        if what in b"[{":
            depth += 1
            if depth == CUT_LEVELS + 1:
                begun = mark.start()
        elif what in b"]}":
            if depth == CUT_LEVELS + 1:
                pieces += [content[kept:begun], b"null"]
                kept = mark.end()
            depth -= 1
    return content if not pieces else b"".join((*pieces, content[kept:]))


def written(value: Any) -> bytes:
    """Return a value as JSON, without spaces.

    Raises:
        ValueError: it can't be written.
    """
    try:
        return to_json(value)
    except (PydanticSerializationError, ValueError):
        pass
    try:
        # With a lone surrogate, which JSON can name and UTF-8 can't.
        return json.dumps(value, separators=(",", ":"), default=_plain).encode()
    except RecursionError as error:
        raise ValueError("nested too deep to be written") from error


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(type(value).__name__)
