"""Submitting task runs to the runner that holds here, and expanding maps.

Neighbours: `task_runners` execute; `mapping` says what is mapped; `drivers.entry` makes the records in the caller, so that
addresses follow the order of calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run, current_runner
from penstock.core.address import quote_name
from penstock.drivers.entry import new_task_run
from penstock.interruption.section import current_section
from penstock.runners.future_sets import PrefectFutureIterator, PrefectFutureList, states_of
from penstock.runners.futures import PrefectConcurrentFuture
from penstock.runners.mapping import children_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["map_run", "map_task", "runner_here", "states_of", "submit", "submit_run"]


def runner_here(what: str) -> Any:
    """The started task runner that holds here: an entered one, else that of the nearest flow run, started now.

    Raises:
        RuntimeError: there is none; says what to do.
    """
    entered = current_runner.get()
    parent = current_run.get()
    flow = parent.flow if parent is not None else None
    if entered is not None and (flow is None or entered[1] is flow):
        entered[0]._check_started()
        return entered[0]
    if flow is None:
        raise RuntimeError(
            f"{what} needs a flow run or a started task runner: call it inside a flow, or inside "
            "`with ThreadPoolTaskRunner():`; a direct call of the task needs neither."
        )
    if flow.runner is None:
        runner = flow.definition.task_runner.duplicate()
        runner.owned = True
        runner.__enter__(register=False)
        flow.runner = runner
    elif not flow.runner._started:  # `cancel_all`
        flow.runner._check_started()
    return flow.runner


def submit(task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any) -> Any:
    """Submit one run of the task."""
    section = current_section()
    was_open, section.open = section.open, False
    try:
        parameters = task.binder.bind(args, kwargs)
        runner = runner_here(f"Task {task.name!r}.submit()")
        if runner.overrides_submit:
            return runner.submit(task, parameters, wait_for)
        return submit_run(runner, task, args, kwargs, parameters, wait_for)
    finally:
        if was_open:
            section.reopen(True)


def submit_run(
    runner: Any, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], parameters: dict[str, Any], wait_for: Any,
    place: tuple[str, int] | None = None, map_index: int | None = None,
) -> Any:  # fmt: skip
    """Make a run and its future, and hand it to the runner."""
    parent = current_run.get()
    run = new_task_run(task, args, kwargs, parameters, parent, wait_for, place=place, map_index=map_index)
    run.submitted = True
    future: PrefectConcurrentFuture[Any] = (runner.future_class or PrefectConcurrentFuture)(run=run)
    run.future = future
    flow = run.flow
    if flow is not None:
        flow.children[future] = None
    runner.start_run(run, future)
    return future


def map_task(task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any, window: int | None) -> Any:
    """Submit one run for each element of the iterable arguments."""
    section = current_section()
    was_open, section.open = section.open, False
    try:
        parameters = task.binder.bind(args, kwargs)
        runner = runner_here(f"Task {task.name!r}.map()")
        if runner.overrides_submit and window is None:
            return runner.map(task, parameters, wait_for)
        return map_run(runner, task, parameters, wait_for, window)
    finally:
        if was_open:
            section.reopen(True)


def map_run(runner: Any, task: Any, parameters: dict[str, Any], wait_for: Any, window: int | None = None) -> Any:
    """Expand a map on a runner."""
    defaults = task.binder.by_names(parameters).defaults
    explicit = {name for name, value in parameters.items() if value is not defaults.get(name, _NOTHING)}
    explicit -= task.binder.own
    children = children_of(task, parameters, explicit, lazy=window is not None)
    parent = current_run.get()
    place = (quote_name(task.name), 0) if parent is None else parent.counter.take(task.count_key, task.name)
    if wait_for is not None and not hasattr(wait_for, "state"):
        wait_for = list(wait_for)

    def submissions() -> Iterator[Any]:
        for index, values in enumerate(children):
            args, kwargs = task.binder.call_form(values)
            if runner.overrides_submit:
                yield runner.submit(task, values, wait_for)
            else:
                yield submit_run(runner, task, args, kwargs, values, wait_for, place, index)

    if window is not None:
        return PrefectFutureIterator(submissions(), window)
    futures = PrefectFutureList(submissions())
    if parent is not None and parent.root.flow is not None and futures and not runner.overrides_submit:
        above = parent.address
        parent.root.flow.progress.expanded(
            f"{above}/{place[0]}:{place[1]}" if above else f"{place[0]}:{place[1]}", len(futures)
        )
    return futures


_NOTHING = object()
