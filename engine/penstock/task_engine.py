"""Running tasks, step by step or as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import TaskRunTimeoutError
from penstock.engines.task_engine import (
    run_generator_task_async,
    run_generator_task_sync,
    run_task,
    run_task_async,
    run_task_sync,
)

if TYPE_CHECKING:
    from penstock.engines.engines import AsyncTaskRunEngine, BaseTaskRunEngine, SyncTaskRunEngine

__all__ = [
    "AsyncTaskRunEngine",
    "BaseTaskRunEngine",
    "SyncTaskRunEngine",
    "TaskRunTimeoutError",
    "run_generator_task_async",
    "run_generator_task_sync",
    "run_task",
    "run_task_async",
    "run_task_sync",
]


def __getattr__(name: str) -> Any:
    if name in ("AsyncTaskRunEngine", "BaseTaskRunEngine", "SyncTaskRunEngine"):
        from penstock.engines import engines

        return getattr(engines, name)
    from penstock.base.absent import absent_name

    return absent_name("penstock.task_engine", name)
