"""The current task run: `id`, `name`, `parameters`, `address` ... as module attributes; see `__all__`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run
from penstock.inside.lookup import listed, value_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.core.runs import TaskRun

_NONE: dict[str, Any] = {"tags": [], "parameters": {}, "run_count": 0, "context": {}}

_READ: dict[str, Callable[[TaskRun], Any]] = {
    "id": lambda run: run.key.text,
    "tags": lambda run: listed(run.tags),
    "name": lambda run: run.name,
    "parameters": lambda run: run.parameters or {},
    "run_count": lambda run: run.run_count,
    "task_name": lambda run: run.definition.name,
    "api_url": lambda run: None,
    "ui_url": lambda run: None,
    "address": lambda run: run.address,
    "context": lambda run: dict(run.context or {}),
    "map_index": lambda run: run._map_index,
}

__all__ = list(_READ)


def _now(name: str) -> Any:
    run = current_run.get()
    if run is not None and not run.is_flow:
        return _READ[name](run)
    real = _NONE.get(name)
    return real.copy() if isinstance(real, list | dict) else real


FIELDS: dict[str, Callable[[], Any]] = {name: partial(_now, name) for name in _READ}


def __getattr__(name: str) -> Any:
    return value_of("task_run", name, FIELDS)


def __dir__() -> list[str]:
    return sorted(FIELDS)
