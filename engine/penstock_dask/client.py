"""A Dask client that takes tasks of Penstock as well as plain functions.

Neighbours: `task_runners` uses it; scripts do that submit tasks by a client of their own.
"""

from __future__ import annotations

from typing import Any

from distributed import Client

from penstock.context import with_context
from penstock.tasks import Task


class PrefectDaskClient(Client):  # type: ignore[misc]  # distributed is not typed
    """`distributed.Client` whose `submit` and `map` take tasks, too: a task run executes there, in this context."""

    def submit(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """As `Client.submit`; a task's own call is made on the worker."""
        return super().submit(_callable(func, kwargs), *args, **kwargs)

    def map(self, func: Any, *iterables: Any, **kwargs: Any) -> Any:
        """As `Client.map`; a task's own call is made on the worker."""
        return super().map(_callable(func, kwargs), *iterables, **kwargs)


def _callable(func: Any, kwargs: dict[str, Any]) -> Any:
    if not isinstance(func, Task):
        return func
    kwargs.setdefault("pure", False)  # a task run is an event, and not the value of its arguments
    return with_context(_Calling(func))


class _Calling:
    """Calls a task; an async one to its end."""

    def __init__(self, task: Any) -> None:
        self.task = task
        self.__name__ = task.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.task.isasync:
            import asyncio

            return asyncio.run(self.task(*args, **kwargs))
        return self.task(*args, **kwargs)


PenstockDaskClient = PrefectDaskClient
