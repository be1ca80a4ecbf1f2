"""Logging for user code; names are loaded when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.logging.loggers import LogEavesdropper, disable_run_logger, get_logger, get_run_logger

__all__ = ["LogEavesdropper", "disable_run_logger", "get_logger", "get_run_logger"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from penstock.logging import loggers

        return getattr(loggers, name)
    raise AttributeError(f"module 'penstock.logging' has no attribute {name!r}")
