"""Tasks: `@task`, `Task`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.definitions.task import P, R, Task, task
from penstock.definitions.task_options import (
    RetryConditionCallable,
    StateHookCallable,
    TaskOptions,
    TaskRunNameCallbackWithParameters,
    exponential_backoff,
    task_input_hash,
)

if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "P",
    "R",
    "RetryConditionCallable",
    "StateHookCallable",
    "Task",
    "TaskOptions",
    "TaskRunNameCallbackWithParameters",
    "exponential_backoff",
    "task",
    "task_input_hash",
]


def __getattr__(name: str) -> Any:
    from penstock.base.absent import absent_name

    return absent_name("penstock.tasks", name)
