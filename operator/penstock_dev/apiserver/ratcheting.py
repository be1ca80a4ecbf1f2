"""Ratcheting: an update is not refused for what was wrong before and stays as it is.

So an object that became invalid when its definition was tightened can still be labelled, reported on, and repaired field by field.
Pure; as a real server since Kubernetes 1.33.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .status import FieldError
    from .store import Object

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
_ABSENT: Any = object()


def newly_wrong(errors: Iterable[FieldError], new: Object, old: Object) -> list[FieldError]:
    """Return the errors whose value is not the same in both objects.

    A missing field is judged by the object that lacks it. Errors without a place stay.
    """
    return [error for error in errors if not error.field or not _unchanged(error, new, old)]


def _unchanged(error: FieldError, new: Object, old: Object) -> bool:
    steps = [int(index) if index else name for name, index in _STEP.findall(error.field)]
    if error.reason == "FieldValueRequired":
        steps.pop()
    after, before = _at(new, steps), _at(old, steps)
    return after is not _ABSENT and before is not _ABSENT and bool(after == before)


def _at(value: Any, steps: list[str | int]) -> Any:
    for step in steps:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return _ABSENT
            value = value[step]
        else:
            if not isinstance(value, dict) or step not in value:
                return _ABSENT
            value = value[step]
    return value
