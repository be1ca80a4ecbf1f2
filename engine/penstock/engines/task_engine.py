"""Running tasks as a whole, by functions. Neighbours: `engines` runs them step by step; `drivers.calls` does the same for calls."""

from __future__ import annotations

from typing import Any


def run_task(
    task: Any,
    task_run_id: Any = None,
    task_run: Any = None,
    parameters: dict[str, Any] | None = None,
    wait_for: Any = None,
    return_type: str = "result",
    dependencies: Any = None,
    context: dict[str, Any] | None = None,
) -> Any:
    """Run a task here: its value, or its state; a coroutine or a generator where the task is one.

    Args:
        task: the task.
        task_run_id: id for the run.
        task_run: a record to use.
        parameters: values by name.
        wait_for: upstreams that must be completed first.
        return_type: "result" or "state".
        dependencies: accepted; they are found in the parameters.
        context: serialized context to run in.
    """
    from penstock.inside.transfer import hydrated_context

    kwargs = {"task": task, "task_run_id": task_run_id, "task_run": task_run, "parameters": parameters,
              "wait_for": wait_for, "return_type": return_type}  # fmt: skip
    with hydrated_context(context):
        if task.isgenerator:
            return (run_generator_task_async if task.isasync else run_generator_task_sync)(**kwargs)
        return run_task_async(**kwargs) if task.isasync else run_task_sync(**kwargs)


def _made(task: Any, task_run_id: Any, task_run: Any, parameters: Any, wait_for: Any) -> Any:
    from penstock.base.current import current_run
    from penstock.core.runs import TaskRun
    from penstock.drivers.entry import new_task_run

    bound = task.binder.bind_mapping(parameters or {})
    args, kwargs = task.binder.call_form(bound)
    if task_run is None and task_run_id is not None:
        task_run = TaskRun(id=task_run_id)
    return new_task_run(task, args, kwargs, bound, current_run.get(), wait_for, task_run=task_run)


def run_task_sync(
    task: Any, task_run_id: Any = None, task_run: Any = None, parameters: dict[str, Any] | None = None,
    wait_for: Any = None, return_type: str = "result", dependencies: Any = None, context: Any = None,
) -> Any:  # fmt: skip
    """Run a sync task; see `run_task`."""
    from penstock.drivers.entry import Failure, conclude
    from penstock.drivers.sync import execute

    run = _made(task, task_run_id, task_run, parameters, wait_for)
    value = conclude(run, execute(run), return_type == "state")
    if value.__class__ is Failure:
        raise value.exc
    return value


async def run_task_async(
    task: Any, task_run_id: Any = None, task_run: Any = None, parameters: dict[str, Any] | None = None,
    wait_for: Any = None, return_type: str = "result", dependencies: Any = None, context: Any = None,
) -> Any:  # fmt: skip
    """Run an async task; see `run_task`."""
    from penstock.drivers.aio import execute_async
    from penstock.drivers.entry import Failure, conclude

    run = _made(task, task_run_id, task_run, parameters, wait_for)
    value = conclude(run, await execute_async(run), return_type == "state")
    if value.__class__ is Failure:
        raise value.exc
    return value


def run_generator_task_sync(
    task: Any, task_run_id: Any = None, task_run: Any = None, parameters: dict[str, Any] | None = None,
    wait_for: Any = None, return_type: str = "result", dependencies: Any = None, context: Any = None,
) -> Any:  # fmt: skip
    """Run a generator task: the generator."""
    from penstock.base.current import current_run
    from penstock.drivers import calls

    bound = task.binder.bind_mapping(parameters or {})
    args, kwargs = task.binder.call_form(bound)
    return calls.generate_task(task, args, kwargs, bound, current_run.get(), return_type == "state", wait_for)


def run_generator_task_async(
    task: Any, task_run_id: Any = None, task_run: Any = None, parameters: dict[str, Any] | None = None,
    wait_for: Any = None, return_type: str = "result", dependencies: Any = None, context: Any = None,
) -> Any:  # fmt: skip
    """Run an async generator task: the async generator."""
    return run_generator_task_sync(task, task_run_id, task_run, parameters, wait_for, return_type)
