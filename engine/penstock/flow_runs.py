"""Pausing, suspending and resuming flow runs of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.inside.pausing import (
    apause_flow_run,
    aresume_flow_run,
    asuspend_flow_run,
    pause_flow_run,
    resume_flow_run,
    suspend_flow_run,
)

if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "apause_flow_run",
    "aresume_flow_run",
    "asuspend_flow_run",
    "pause_flow_run",
    "resume_flow_run",
    "suspend_flow_run",
]


def __getattr__(name: str) -> Any:
    from penstock.base.absent import absent_name

    return absent_name("penstock.flow_runs", name)
