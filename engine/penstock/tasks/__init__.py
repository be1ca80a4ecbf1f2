"""Tasks: `@task`, `Task`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.definitions.task import P, R, Task, task

if TYPE_CHECKING:
    from typing import Any

    from penstock.definitions.task_options import (
        RetryConditionCallable,
        StateHookCallable,
        TaskOptions,
        TaskRunNameCallbackWithParameters,
        exponential_backoff,
        task_input_hash,
    )

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
    if name in (
        "RetryConditionCallable",
        "StateHookCallable",
        "TaskOptions",
        "TaskRunNameCallbackWithParameters",
        "exponential_backoff",
        "task_input_hash",
    ):
        from penstock.definitions import task_options

        return getattr(task_options, name)
    from penstock.base.absent import absent_name

    return absent_name("penstock.tasks", name)
