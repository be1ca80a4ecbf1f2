"""Configuring the engine's loggers, under the names of Prefect; it happens by itself before the first run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.logging.setup import run_loggers

if TYPE_CHECKING:
    from typing import Any

__all__ = ["ensure_logging_setup", "setup_logging"]


def setup_logging(incremental: bool | None = None) -> dict[str, Any]:
    """Set the level, and install the console handler if neither root nor `penstock` has a handler; once.

    Args:
        incremental: accepted; what others have configured is never touched.

    Returns:
        An empty configuration: there is no file of it.
    """
    run_loggers()
    return {}


def ensure_logging_setup() -> None:
    """`setup_logging`, for its effect alone."""
    run_loggers()


def __getattr__(name: str) -> Any:
    from penstock.base.absent import absent_name

    return absent_name("penstock.logging.configuration", name)
