"""The current task run: `id`, `name`, `parameters`, `address` ... as module attributes; see `__all__`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run
from penstock.inside.lookup import added, listed, overridden

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


def __getattr__(name: str) -> Any:
    read = _READ.get(name)
    if read is None:
        return added("task_run", name, _READ)
    run = current_run.get()
    if run is None or run.is_flow:
        real = _NONE.get(name)
        return overridden("task_run", name, real.copy() if isinstance(real, list | dict) else real)
    return overridden("task_run", name, read(run))


def __dir__() -> list[str]:
    return sorted(_READ)
