"""`run_engine` of flows and tasks: runs that start from given states, and states that are kept for the caller.

Neighbours: `core.given` says what a given state means; `core.address_patterns` reads what the user wrote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.asyncutils import is_async_fn
from penstock.base.current import current_run
from penstock.base.exceptions import ParameterBindError
from penstock.core.address import quote_name
from penstock.core.address_patterns import Pattern, parse, parse_segment
from penstock.core.outcome import aggregate
from penstock.core.runs import FlowRun, TaskRun
from penstock.core.state import State
from penstock.core.state_parts import COMPLETED
from penstock.drivers.calls import live_flow, live_flow_async
from penstock.drivers.entry import new_flow_run, new_task_run
from penstock.drivers.sync import execute
from penstock.drivers.world import WORLD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def address_of(key: Any) -> str:
    """The address that a key of `task_states` names: its text, or index 0 of a task or a name.

    Raises:
        ValueError: it cannot be parsed.
    """
    if isinstance(key, str):
        pattern = parse(key)
        if pattern.any_depth or any(segment.map_index == -1 for segment in pattern.segments):
            raise ValueError(f"{key!r} is a pattern; `task_states` and `task_contexts` take addresses.")
        head, _, last = key.rpartition("/")
        if parse_segment(last).number is None:
            last += ":0"
        return f"{head}/{last}" if head else last
    name = getattr(key, "name", None)
    if name is None:
        raise ValueError(f"{key!r} is no address: give a text such as 'load:0', or a task.")
    return f"{quote_name(name)}:0"


def _addressed(given: Mapping[Any, Any] | None, what: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in (given or {}).items():
        address = address_of(key)
        if address in found:
            raise ValueError(f"{address!r} is given twice in `{what}`.")
        found[address] = value
    return found


def _patterns(return_tasks: Any) -> Any:
    if return_tasks is None:
        return None
    if isinstance(return_tasks, str):
        return "*" if return_tasks == "*" else [parse(return_tasks)]
    patterns: list[Pattern] = []
    for item in return_tasks:
        if item == "*":
            return "*"
        patterns.append(parse(item if isinstance(item, str) else quote_name(item.name)))
    return patterns


def _check_handlers(definition: Any, handlers: tuple[Callable[..., Any], ...]) -> None:
    if definition.isasync:
        return
    for handler in handlers:
        if is_async_fn(handler):
            raise ValueError(
                f"State handler {getattr(handler, '__name__', handler)!r} is async, but {definition.kind} {definition.name!r} is not."
            )


def run_flow_engine(
    flow: Any, *, parameters: Mapping[str, Any] | None, state: State | None, task_states: Mapping[Any, Any] | None,
    return_tasks: Any, state_handlers: tuple[Callable[..., Any], ...], task_state_handlers: tuple[Callable[..., Any], ...],
    task_runner: Any, context: Mapping[str, Any] | None, task_contexts: Mapping[Any, Mapping[str, Any]] | None,
    wait_for: Any, flow_run: FlowRun | None, retry_wait_limit: Any,
) -> Any:  # fmt: skip
    """`Flow.run_engine`."""
    if flow.isgenerator:
        raise ValueError(f"run_engine cannot run the generator flow {flow.name!r}; call it.")
    _check_handlers(flow, state_handlers + task_state_handlers)
    bound = flow.binder.bind_mapping(parameters or {})
    states = {
        address: value if isinstance(value, State) else State(COMPLETED, data=value)
        for address, value in _addressed(task_states, "task_states").items()
    }
    contexts = _addressed(task_contexts, "task_contexts")
    wanted = _patterns(return_tasks)

    def make() -> FlowRun:
        run = flow_run if flow_run is not None else FlowRun()
        run.given_states = states
        run.task_contexts = contexts
        run.keep = wanted
        run.handlers = state_handlers
        run.task_handlers = task_state_handlers
        run.retry_wait_limit = retry_wait_limit
        new_flow_run(flow, bound, current_run.get(), wait_for, flow_run=run, state=state, context=context)
        if task_runner is not None:
            _use_runner(run, task_runner)
        return run

    if flow.isasync:
        return _run_flow_async(make, states, contexts)
    run = make()
    return _returned(run, live_flow(run), states, contexts)


async def _run_flow_async(make: Callable[[], FlowRun], states: Any, contexts: Any) -> State:
    run = make()
    return _returned(run, await live_flow_async(run), states, contexts)


def _use_runner(run: FlowRun, runner: Any) -> None:
    if isinstance(runner, type):
        runner = runner()
    if runner._started:
        run.runner = runner
        return
    copy = runner.duplicate()
    copy.owned = True
    copy.__enter__(register=False)
    run.runner = copy


def _returned(run: FlowRun, state: State, states: Any, contexts: Any) -> State:
    unused = tuple(address for address in {**states, **contexts} if address not in run.used)
    if unused:
        WORLD.log(run, 30, "Given states or contexts that no call reached: %s.", ", ".join(unused))
    state._set_extra(task_states=run.kept, flow_run=run, unused=unused)
    run.kept = {}
    run.given_states = None
    return state


def run_task_engine(
    task: Any, *, parameters: Mapping[str, Any] | None, state: State | None, upstream_states: Mapping[str, Any] | None,
    wait_for: Any, is_mapped_parent: bool, check_cached: bool, state_handlers: tuple[Callable[..., Any], ...],
    context: Mapping[str, Any] | None, task_run: TaskRun | None, retry_wait_limit: Any,
) -> Any:  # fmt: skip
    """`Task.run_engine`."""
    if task.isgenerator:
        raise ValueError(f"run_engine cannot run the generator task {task.name!r}; call it.")
    _check_handlers(task, state_handlers)
    values = dict(parameters or {})
    for name, upstream in (upstream_states or {}).items():
        if name not in task.binder.keywords:
            exc = TypeError(f"upstream_states names {name!r}, which is no parameter")
            raise ParameterBindError.from_bind_failure(task.fn, exc, (), dict(upstream_states or {}))
        values[name] = upstream
    bound = task.binder.bind_mapping(values)
    if is_mapped_parent:
        return _run_mapped(task, bound, wait_for)

    def make() -> TaskRun:
        args, kwargs = task.binder.call_form(bound)
        run = new_task_run(
            task, args, kwargs, bound, current_run.get(), wait_for, task_run=task_run,
            state=_fresh(state),
        )  # fmt: skip
        run.handlers = run.handlers + state_handlers
        run.retry_wait_limit = retry_wait_limit if retry_wait_limit is not None else (lambda _: False)
        if context is not None:
            run.context = {**(run.context or {}), **context}
        run.check_cached = check_cached
        return run

    if task.isasync:
        return _run_task_async(make)
    return execute(make())


def _fresh(state: State | None) -> State | None:
    if state is None:
        return None
    copy = state.fresh_copy()
    copy.ended = True
    return copy


async def _run_task_async(make: Callable[[], TaskRun]) -> State:
    from penstock.drivers.aio import execute_async

    return await execute_async(make())


def _run_mapped(task: Any, bound: dict[str, Any], wait_for: Any) -> State:
    from contextlib import nullcontext

    from penstock.runners.submitting import map_run, runner_here
    from penstock.runners.task_runners import ThreadPoolTaskRunner

    inside = current_run.get() is not None and current_run.get().flow is not None
    with nullcontext() if inside else ThreadPoolTaskRunner():
        futures = map_run(runner_here("is_mapped_parent"), task, bound, wait_for)
        states = []
        for future in futures:
            future.wait()
            states.append(future.state)
    if all(state.type is COMPLETED for state in states):
        final = State(COMPLETED, "Mapped", message="All states completed.", data=[state.data for state in states])
        final.ended = True
    else:
        final = aggregate(states, states)
    final._set_extra(map_states=states)
    return final
