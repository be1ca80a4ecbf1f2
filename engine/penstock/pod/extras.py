"""What loggers were given besides the text (``extra={…}``), as JSON: whatever it is, and bounded.

Pure. Values of JSON stay what they are; others become text. What is cut says so. Neighbour: ``penstock.pod.logs``.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from penstock.base.texts import text_of

TEXT_CHARACTERS = 1024
ITEMS = 64
DEPTH = 4
VALUES = 256
"""Values of one record, those in containers included."""

_SAFE_INTEGER = 2**63
_CUT = "…"
_USUAL = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message", "asctime", "taskName",
    "flow_run_id", "flow_run_name", "flow_name", "task_run_id", "task_run_name", "task_name", "address",
}  # fmt: skip


def extra_of(record: logging.LogRecord) -> dict[str, Any] | None:
    """What a record carries besides what all do; None: nothing."""
    members = record.__dict__
    names = members.keys() - _USUAL
    if not names:
        return None
    # In the order in which they were given.
    return _Plain().mapping({name: value for name, value in members.items() if name in names}, 0)


class _Plain:
    """Makes values plain, so many of them."""

    def __init__(self) -> None:
        self._left = VALUES

    def mapping(self, values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for count, (name, value) in enumerate(values.items()):
            if count == ITEMS or self._left <= 0:
                found[_CUT] = f"{len(values) - count} more"
                break
            found[_text(name)] = self.value(value, depth + 1)
        return found

    def value(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if value is None or value is True or value is False:
            return value
        kind = type(value)
        if kind is str:
            return _text(value)
        if isinstance(value, Integral):
            number = int(value)
            return number if -_SAFE_INTEGER <= number < _SAFE_INTEGER else _text(number)
        if isinstance(value, Real):
            real = float(value)
            return real if math.isfinite(real) else str(real)
        if depth <= DEPTH and isinstance(value, Mapping):
            return self.mapping(value, depth)
        if depth <= DEPTH and isinstance(value, list | tuple | set | frozenset):
            return self._items(value, depth)
        return _text(value)

    def _items(self, values: Any, depth: int) -> list[Any]:
        found: list[Any] = []
        for count, value in enumerate(values):
            if count == ITEMS or self._left <= 0:
                found.append(f"{_CUT} {len(values) - count} more")
                break
            found.append(self.value(value, depth + 1))
        return found


def _text(value: Any) -> str:
    text = value if type(value) is str else text_of(value)
    return text if len(text) <= TEXT_CHARACTERS else f"{text[: TEXT_CHARACTERS - 1]}{_CUT}"
