"""Copies of flows and tasks with some options changed. Neighbours: `Flow.with_options`, `Task.with_options`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.annotations import NotSet

if TYPE_CHECKING:
    from collections.abc import Container

# Options in which None means something: leaving them out is NotSet.
RESETTABLE_OF_FLOWS = dict.fromkeys(("persist_result", "result_storage", "result_serializer", "log_prints"), NotSet)
RESETTABLE_OF_TASKS = dict.fromkeys(
    (
        "retries", "retry_delay_seconds", "retry_jitter_factor", "persist_result", "result_storage",
        "result_storage_key", "result_serializer", "log_prints", "refresh_cache", "task_run_name", "cache_policy",
    ),
    NotSet,
)  # fmt: skip
LEFT_OUT_OF_COPIES = ("version", "on_rollback", "on_commit")


def _change(current: dict[str, Any], options: dict[str, Any], resettable: Container[str], kind: str) -> None:
    """Put the given options over the current ones; None keeps, but where it means something."""
    for name, value in options.items():
        if name not in current:
            raise TypeError(f"{kind}.with_options() got an unexpected keyword argument {name!r}")
        if value is not NotSet and (value is not None or name in resettable):
            current[name] = value


def changed_task(task: Any, options: dict[str, Any]) -> Any:
    """A copy of a task with some options changed.

    Raises:
        TypeError: an option is unknown.
    """
    current = {
        "name": task.name,
        "description": task.description,
        "tags": task.tags,
        "version": task.version,
        "cache_policy": task._given_policy,
        "cache_key_fn": task.cache_key_fn,
        "cache_expiration": task.cache_expiration,
        "task_run_name": task.task_run_name,
        "retries": task._retries,
        "retry_delay_seconds": task._given_delays,
        "retry_jitter_factor": task.retry_jitter_factor,
        "persist_result": task.persist_result,
        "result_storage": task.result_storage,
        "result_storage_key": task.result_storage_key,
        "result_serializer": task.result_serializer,
        "cache_result_in_memory": task.cache_result_in_memory,
        "timeout_seconds": task.timeout_seconds,
        "log_prints": task.log_prints,
        "refresh_cache": task.refresh_cache,
        "on_completion": task.on_completion_hooks,
        "on_failure": task.on_failure_hooks,
        "on_running": task.on_running_hooks,
        "on_rollback": task.on_rollback_hooks,
        "on_commit": task.on_commit_hooks,
        "retry_condition_fn": task.retry_condition_fn,
        "viz_return_value": task.viz_return_value,
        "asset_deps": task.asset_deps,
    }
    for name in LEFT_OUT_OF_COPIES:
        if name in options:
            raise TypeError(f"Task.with_options() got an unexpected keyword argument {name!r}")
    _change(current, options, RESETTABLE_OF_TASKS, "Task")
    new = type(task)(task._raw_function(), **current)
    new.count_key = task.count_key
    return new


def changed_flow(flow: Any, options: dict[str, Any]) -> Any:
    """A copy of a flow with some options changed.

    Raises:
        TypeError: an option is unknown.
    """
    current = {
        "name": flow.name,
        "version": flow._version,
        "flow_run_name": flow.flow_run_name,
        "retries": flow._retries,
        "retry_delay_seconds": flow._given_delays,
        "task_runner": flow.task_runner,
        "description": flow.description,
        "timeout_seconds": flow.timeout_seconds,
        "validate_parameters": flow.should_validate_parameters,
        "persist_result": flow.persist_result,
        "result_storage": flow.result_storage,
        "result_serializer": flow.result_serializer,
        "cache_result_in_memory": flow.cache_result_in_memory,
        "log_prints": flow.log_prints,
        "on_completion": flow.on_completion_hooks,
        "on_failure": flow.on_failure_hooks,
        "on_cancellation": flow.on_cancellation_hooks,
        "on_crashed": flow.on_crashed_hooks,
        "on_running": flow.on_running_hooks,
    }
    _change(current, options, RESETTABLE_OF_FLOWS, "Flow")
    new = type(flow)(flow._raw_function(), **current)
    new.count_key = flow.count_key
    return new
