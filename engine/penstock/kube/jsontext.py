"""JSON as it comes from the API server, however deep it is nested.

Python's reader gives up near 1,000 levels, and a server takes 10,000: what a spec may hold must not keep a pod from claiming its
run. So what lies deeper than anything that is of use is cut off before, and whoever takes a value that a user wrote asks
:func:`too_deep` first. The operator bounds depth in the same way, by the same numbers; a test compares the two.
"""

from __future__ import annotations

import json
import re
from typing import Any

# What people write has ten levels; serialisers give up at some hundred.
DEEPEST = 100
CUT_LEVELS = 180
_MARKS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]')


def parse(content: bytes | bytearray) -> Any:
    """Give the JSON value of a text; what is nested deeper than ``CUT_LEVELS`` may be null.

    Raises:
        ValueError: The text is none.
    """
    try:
        return json.loads(content)
    except RecursionError:
        return json.loads(_shallow(bytes(content)))


def too_deep(value: Any) -> bool:
    """Tell whether a JSON value is nested deeper than ``DEEPEST`` levels. It does not recurse itself."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return any(isinstance(item, (dict, list)) for item in level)


def _shallow(content: bytes) -> bytes:
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
