"""The current flow run: `id`, `name`, `parameters`, `attempt` ... as module attributes; see `__all__`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run
from penstock.inside.lookup import listed, value_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.core.runs import FlowRun

_NONE: dict[str, Any] = {
    "tags": [],
    "parameters": {},
    "run_count": 0,
    "job_variables": {},
    "context": {},
}


def _flow(run: FlowRun) -> FlowRun:
    root = run.root
    return root if root.is_flow else run  # type: ignore[return-value]


def _parent_flow_id(run: FlowRun) -> Any:
    above = run.parent
    return str(above.flow.id) if above is not None and above.flow is not None else None


_READ: dict[str, Callable[[FlowRun], Any]] = {
    "id": lambda run: run.key.text,
    "tags": lambda run: listed(run.tags),
    "name": lambda run: run.name,
    "flow_name": lambda run: run.definition.name,
    "flow_version": lambda run: run.definition.version,
    "parameters": lambda run: run.parameters,
    "parent_flow_run_id": _parent_flow_id,
    "root_flow_run_id": lambda run: str(_flow(run).id),
    "run_count": lambda run: run.run_count,
    "scheduled_start_time": lambda run: run.expected_start_time,
    "api_url": lambda run: None,
    "ui_url": lambda run: None,
    "parent_deployment_id": lambda run: None,
    "job_variables": lambda run: {},
    "attempt": lambda run: run.attempt,
    "lineage_id": lambda run: str(run.lineage_id),
    "address": lambda run: run.address,
    "context": lambda run: dict(run.context or {}),
    "namespace": lambda run: run.namespace if run.namespace is not None else _flow(run).namespace,
}

__all__ = list(_READ)


def _now(name: str) -> Any:
    run = current_run.get()
    if run is not None and run.flow is not None:
        return _READ[name](run.flow)
    if name == "id" and run is not None and run.flow_run_id is not None:
        return str(run.flow_run_id)  # of a task run that somebody made by hand
    if name == "scheduled_start_time":
        from datetime import UTC, datetime

        return datetime.now(UTC)
    real = _NONE.get(name)
    return real.copy() if isinstance(real, list | dict) else real


FIELDS: dict[str, Callable[[], Any]] = {name: partial(_now, name) for name in _READ}


def __getattr__(name: str) -> Any:
    return value_of("flow_run", name, FIELDS)


def __dir__() -> list[str]:
    return sorted(FIELDS)
