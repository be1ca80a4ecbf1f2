"""There are no deployments here: every value is None, or empty."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.inside.lookup import value_of

if TYPE_CHECKING:
    from collections.abc import Callable

_NONE: dict[str, Any] = {"id": None, "name": None, "version": None, "flow_run_id": None, "parameters": {}}

__all__ = list(_NONE)


def _none(name: str) -> Any:
    real = _NONE[name]
    return real.copy() if isinstance(real, dict) else real


FIELDS: dict[str, Callable[[], Any]] = {name: partial(_none, name) for name in _NONE}


def __getattr__(name: str) -> Any:
    return value_of("deployment", name, FIELDS)


def __dir__() -> list[str]:
    return sorted(FIELDS)
