"""Schedules said in code, for `flow.to_flow(schedules=[...])`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.definitions.schedules import Cron, Interval, Schedule

if TYPE_CHECKING:
    from typing import Any

__all__ = ["Cron", "Interval", "Schedule"]


def __getattr__(name: str) -> Any:
    from penstock.base.absent import absent_name

    return absent_name(__name__, name)
