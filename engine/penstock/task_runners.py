"""Task runners: where submitted task runs execute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.runners.call import Call
from penstock.runners.task_runners import ConcurrentTaskRunner, TaskRunner, ThreadPoolTaskRunner

if TYPE_CHECKING:
    from penstock.runners.process_pool import ProcessPoolTaskRunner

__all__ = [
    "Call",
    "ConcurrentTaskRunner",
    "ProcessPoolTaskRunner",
    "TaskRunner",
    "ThreadPoolTaskRunner",
]


def __getattr__(name: str) -> Any:
    if name == "ProcessPoolTaskRunner":
        from penstock.runners import process_pool

        return getattr(process_pool, name)
    from penstock.base.absent import absent_name

    return absent_name("penstock.task_runners", name)
