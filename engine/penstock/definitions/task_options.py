"""Options of tasks: their types, and what makes them. Neighbours: `tasks` offers these, `checks` looks at what was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

StateHookCallable: TypeAlias = "Callable[[Any, Any, Any], Awaitable[None] | None]"  # hook(task, task_run, state)
RetryConditionCallable: TypeAlias = "Callable[[Any, Any, Any], Awaitable[bool] | bool]"


class TaskOptions(TypedDict, total=False):
    """Options of `task`, for callers that pass them on."""

    name: str | None
    description: str | None
    tags: Iterable[str] | None
    version: str | None
    cache_policy: Any
    cache_key_fn: Any
    cache_expiration: Any
    task_run_name: Any
    retries: int | None
    retry_delay_seconds: Any
    retry_jitter_factor: float | None
    persist_result: bool | None
    result_storage: Any
    result_storage_key: str | None
    result_serializer: Any
    cache_result_in_memory: bool
    timeout_seconds: float | None
    log_prints: bool | None
    refresh_cache: bool | None
    on_completion: Any
    on_failure: Any
    on_running: Any
    on_rollback: Any
    on_commit: Any
    retry_condition_fn: Any
    viz_return_value: Any
    asset_deps: Any


class TaskRunNameCallbackWithParameters:
    """Shape of a `task_run_name` callable that takes the parameters: `fn(parameters: dict) -> str`."""

    @classmethod
    def is_callback_with_parameters(cls, fn: Any) -> bool:
        """Whether the callable wants them."""
        import inspect

        try:
            return "parameters" in inspect.signature(fn).parameters
        except (TypeError, ValueError):
            return False


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """Delays for `retry_delay_seconds`: factor * 2**k for k = 0, 1, ...

    Args:
        backoff_factor: seconds before the first retry.
    """

    def delays(retries: int) -> list[float]:
        return [backoff_factor * max(1, 2**k) for k in range(retries)]

    return delays


def task_input_hash(context: Any, arguments: dict[str, Any]) -> str | None:
    """A `cache_key_fn`: hash of the task's source and the inputs; None when they cannot be hashed."""
    from penstock.storage.hashing import hash_objects

    return hash_objects(context.task.task_key, context.task.fn.__code__.co_code.hex(), arguments)
