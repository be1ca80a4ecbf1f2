"""The annotations of Dask that say where tasks run, as keys: calls with equal ones are sent together.

Neighbours: `task_runners` reads them where a task is submitted; `carrier` sends by them.
"""

from __future__ import annotations

from typing import Any

import dask

NAMES = ("allow_other_workers", "priority", "resources", "workers")
"""What of `dask.annotate` holds for task runs; `retries` are the task's own."""


def placing() -> tuple[tuple[str, Any], ...]:
    """What holds here, in a form that can be a key."""
    given = dask.get_annotations()
    return tuple((name, _frozen(given[name])) for name in NAMES if given.get(name) is not None)


class Frozen(tuple[Any, ...]):
    """A mapping or a list as what can be a key, and what it was."""

    __slots__ = ()


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return Frozen(("dict", tuple(sorted(value.items()))))
    if isinstance(value, list | set):
        return Frozen(("list", tuple(value)))
    return value


def thawed(value: Any) -> Any:
    """What was frozen."""
    if isinstance(value, Frozen):
        kind, items = value
        return dict(items) if kind == "dict" else list(items)
    return value
