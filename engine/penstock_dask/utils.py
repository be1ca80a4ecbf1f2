"""Clients to the cluster that a flow or a task runs on, for collections of Dask. Neighbours: `task_runners`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import distributed

from penstock.base.managers import asynccontextmanager, contextmanager
from penstock.context import FlowRunContext
from penstock_dask.task_runners import DaskTaskRunner, from_worker, in_task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from datetime import timedelta


def _arguments(timeout: float | str | timedelta | None, given: dict[str, Any]) -> dict[str, Any]:
    """What the client is made with: the scheduler of the task's worker, else of the flow's runner, else what is given."""
    arguments: dict[str, Any] = {}
    context = FlowRunContext.get()
    if in_task():
        arguments = from_worker()
    elif context is not None and "address" not in given:
        from penstock.runners.submitting import runner_here

        runner = runner_here("get_dask_client()")
        if not isinstance(runner, DaskTaskRunner):
            raise RuntimeError(
                f"get_dask_client() needs a flow on Dask; this one runs on {type(runner).__name__}: use "
                "@flow(task_runner=DaskTaskRunner()), or give `address`."
            )
        client = runner.client
        arguments = {**runner.client_kwargs, "address": client.scheduler.address, "security": client.security}
        arguments.pop("set_as_default", None)
    if timeout is not None:
        arguments["timeout"] = timeout
    return {**arguments, **given}


@contextmanager
def get_dask_client(timeout: float | str | timedelta | None = None, **client_kwargs: Any) -> Iterator[Any]:
    """A client for the block: in a task to the cluster of its worker, in a flow to that of its task runner.

    Args:
        timeout: of the connection.
        client_kwargs: further arguments of `distributed.Client`.

    Raises:
        RuntimeError: the flow's task runner is another one.
    """
    with distributed.Client(**{**_arguments(timeout, client_kwargs), "asynchronous": False}) as client:
        yield client


@asynccontextmanager
async def get_async_dask_client(
    timeout: float | str | timedelta | None = None, **client_kwargs: Any
) -> AsyncIterator[Any]:
    """`get_dask_client` for async code: what the client gives is awaited."""
    async with distributed.Client(**{**_arguments(timeout, client_kwargs), "asynchronous": True}) as client:
        yield client
