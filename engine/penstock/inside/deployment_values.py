"""There are no deployments here: every value is None, or empty."""

from __future__ import annotations

from typing import Any

from penstock.inside.lookup import added, overridden

_NONE: dict[str, Any] = {"id": None, "name": None, "version": None, "flow_run_id": None, "parameters": {}}

__all__ = list(_NONE)


def __getattr__(name: str) -> Any:
    if name not in _NONE:
        return added("deployment", name, _NONE)
    real = _NONE[name]
    return overridden("deployment", name, dict(real) if isinstance(real, dict) else real)


def __dir__() -> list[str]:
    return sorted(_NONE)
