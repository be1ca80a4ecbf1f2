"""Prefect 1's tasks for flow runs, over the functions of `penstock.flow_runs`.

A flow of Prefect 1 that starts, renames, cancels or awaits other runs does so here by the same names and arguments: a project is a
namespace, a run config the template of the pod, the id of a run the UID of its FlowRun.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from penstock.base.current import current_run
from penstock.base.exceptions import MissingResult, ObjectNotFound
from penstock.clusterruns import changing, reading, results, waiting
from penstock.clusterruns.arguments import inherited, pairs
from penstock.clusterruns.functions import create_steps
from penstock.clusterruns.steps import perform
from penstock.clusterruns.stored import NotKept
from penstock.clusterruns.surroundings import is_own, own_run_name, parent
from penstock.clusterruns.view import FlowRunView
from penstock.core.state import State
from penstock.definitions.task import Task, task

__all__ = [
    "CancelFlowRun",
    "RenameFlowRun",
    "StartFlowRun",
    "create_flow_run",
    "get_task_run_result",
    "wait_for_flow_run",
]

SHORTEST_POLL = timedelta(seconds=3)
_SLUG = re.compile(r"(?P<name>.+)-(?P<number>[1-9]\d*)(-copy)?\Z")


class _Remembering(Task[..., Any]):
    """A task whose constructor takes what its calls leave out."""

    def __init__(self, given: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self._given = dict(given)
        super().__init__(self.run, **{"name": type(self).__name__, **options})

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Do what the task is for; given by each class."""
        raise NotImplementedError  # pragma: no cover

    def _chosen(self, **given: Any) -> dict[str, Any]:
        """What the call says, else what the constructor said."""
        return {name: value if value is not None else self._given.get(name) for name, value in given.items()}


class StartFlowRun(_Remembering):
    """Start a run of a Flow; with `wait`, take its state. The task is called `Flow NAME` unless it is given a name.

    Args:
        flow_name: The name of the Flow.
        project_name: Its namespace; default: this pod's, or the kubeconfig's.
        parameters: Over those of the Flow.
        run_config: The template of the pod, as `spec.template` of a FlowRun.
        wait: Wait for its end; the task's state is the run's.
        new_flow_context: `spec.context` of the run.
        run_name: A name for people.
        scheduled_start_time: Not to begin before.
        poll_interval: At least 3 s; a watch tells, so that it is not needed.
        task_options: As for `@task`. `create_link_artifact` is taken, and there is nothing to link.

    Raises:
        ValueError: The poll interval is shorter than 3 s.
        TypeError: A task stands among the parameters: only a call can give it what the task returns.
    """

    def __init__(
        self,
        flow_name: str | None = None,
        project_name: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        run_config: Mapping[str, Any] | None = None,
        wait: bool = False,
        new_flow_context: Mapping[str, Any] | None = None,
        run_name: str | None = None,
        scheduled_start_time: datetime | None = None,
        poll_interval: timedelta = timedelta(seconds=10),
        **task_options: Any,
    ) -> None:
        for name, value in (parameters or {}).items():
            if isinstance(value, Task):
                raise TypeError(
                    f"StartFlowRun was given the task {value.name} as the parameter {name!r}: give what it returns when you call "
                    "the instance, as in `start(parameters={...})`."
                )
        task_options.pop("create_link_artifact", None)
        if flow_name:
            task_options.setdefault("name", f"Flow {flow_name}")
        given = {
            "flow_name": flow_name, "project_name": project_name, "parameters": parameters, "run_config": run_config,
            "wait": wait, "new_flow_context": new_flow_context, "run_name": run_name,
            "scheduled_start_time": scheduled_start_time, "poll_interval": _checked(poll_interval),
        }  # fmt: skip
        super().__init__(given, task_options)

    def run(
        self,
        flow_name: str | None = None,
        project_name: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        run_config: Mapping[str, Any] | None = None,
        new_flow_context: Mapping[str, Any] | None = None,
        run_name: str | None = None,
        idempotency_key: str | None = None,
        scheduled_start_time: datetime | None = None,
        *,
        wait: bool | None = None,
        poll_interval: timedelta | None = None,
    ) -> Any:
        """Start the run; each argument goes before the constructor's.

        Args:
            flow_name: See the class.
            project_name: See the class.
            parameters: See the class.
            run_config: See the class.
            new_flow_context: See the class.
            run_name: See the class.
            idempotency_key: The same key gives the same run; default: the active task run.
            scheduled_start_time: See the class.
            wait: See the class.
            poll_interval: See the class.

        Returns:
            The name of the run; with `wait` its state, which the task takes.

        Raises:
            ValueError: No Flow is named, or there is none of that name.
        """
        chosen = self._chosen(
            flow_name=flow_name, project_name=project_name, parameters=parameters, run_config=run_config, wait=wait,
            new_flow_context=new_flow_context, run_name=run_name, scheduled_start_time=scheduled_start_time,
            poll_interval=poll_interval,
        )  # fmt: skip
        _checked(chosen["poll_interval"])
        if not chosen["flow_name"]:
            raise ValueError("StartFlowRun needs flow_name: the name of a Flow.")
        run = _started(
            chosen["flow_name"], chosen["project_name"], chosen["parameters"], idempotency_key=idempotency_key,
            scheduled_time=chosen["scheduled_start_time"], display_name=chosen["run_name"],
            template=chosen["run_config"], context=chosen["new_flow_context"],
        )  # fmt: skip
        if not chosen["wait"]:
            return run.name
        return _as_own(perform(waiting.wait_for_flow_run(run)))


class RenameFlowRun(_Remembering):
    """Give a flow run another name for people.

    Args:
        flow_run_id: Its name or id; default: the current run.
        flow_run_name: The new name.
        task_options: As for `@task`.
    """

    def __init__(self, flow_run_id: str | None = None, flow_run_name: str | None = None, **task_options: Any) -> None:
        super().__init__({"flow_run_id": flow_run_id, "flow_run_name": flow_run_name}, task_options)

    def run(self, flow_run_id: str | None = None, flow_run_name: str | None = None) -> bool:
        """Rename; each argument goes before the constructor's.

        Returns:
            Whether the run has the name now.

        Raises:
            ValueError: No name is given, or no run, and there is none around.
        """
        chosen = self._chosen(flow_run_id=flow_run_id, flow_run_name=flow_run_name)
        name = chosen["flow_run_name"]
        if not name:
            raise ValueError("RenameFlowRun needs flow_run_name: the new name.")
        if _given_or_current(chosen["flow_run_id"], "RenameFlowRun"):
            current_run.get().root.name = name
            above = parent()
            if above is None:
                return True
            chosen["flow_run_id"] = f"{above.namespace}/{above.name}"
        return bool(perform(changing.rename_flow_run(chosen["flow_run_id"], name)).display_name == name)


class CancelFlowRun(_Remembering):
    """Ask for the end of a flow run.

    Args:
        flow_run_id: Its name or id; default: the current run.
        task_options: As for `@task`.
    """

    def __init__(self, flow_run_id: str | None = None, **task_options: Any) -> None:
        super().__init__({"flow_run_id": flow_run_id}, task_options)

    def run(self, flow_run_id: str | None = None) -> bool:
        """Ask; the argument goes before the constructor's.

        Returns:
            Whether the run is asked to end, or has been cancelled.

        Raises:
            ValueError: No run is given, and there is none around.
        """
        chosen = self._chosen(flow_run_id=flow_run_id)["flow_run_id"]
        if _given_or_current(chosen, "CancelFlowRun"):
            above = parent()
            if above is None:
                from penstock.engines.flow_engine import request_cancellation

                return request_cancellation(current_run.get().root.id)
            chosen = f"{above.namespace}/{above.name}"
        view = perform(changing.cancel_flow_run(chosen))
        return bool(view.desired_state == "Cancelled" or view.state.is_cancelled())


def _create_flow_run(
    flow_id: str | None = None,
    flow_name: str | None = None,
    project_name: str = "",
    parameters: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | Iterable[str] | None = None,
    run_name: str | None = None,
    run_config: Mapping[str, Any] | None = None,
    scheduled_start_time: datetime | timedelta | None = None,
    *,
    idempotency_key: str | None = None,
) -> str:
    """Start a run of a Flow.

    Args:
        flow_id: The UID of the Flow; exactly one of id and name.
        flow_name: Its name.
        project_name: Its namespace; default: this pod's, or the kubeconfig's.
        parameters: Over those of the Flow.
        context: `spec.context` of the run.
        labels: Of the FlowRun, as a mapping or as texts `name=value`; default: those of the Flow.
        run_name: A name for people; default: `{current run}-{flow}`.
        run_config: The template of the pod, as `spec.template` of a FlowRun.
        scheduled_start_time: Not to begin before; a timedelta counts from now.
        idempotency_key: The same key gives the same run; default: the active task run.

    Returns:
        The id of the run.

    Raises:
        ValueError: Not exactly one of id and name is given, or there is no such Flow.
    """
    if bool(flow_id) == bool(flow_name):
        raise ValueError("create_flow_run needs exactly one of flow_id and flow_name.")
    flow = perform(reading.read_flow(flow_name, uid=flow_id, namespace=project_name or None))
    if flow is None:
        raise ValueError(
            f"there is no Flow {flow_name or flow_id}{f' in the project {project_name}' if project_name else ''}."
        )
    meta = flow["metadata"]
    name = str(meta["name"])
    chosen = pairs(labels) if labels is not None else inherited(meta.get("labels") or {})
    above = own_run_name()
    shown = run_name or (f"{above}-{name}" if above else None)
    run = _started(
        name, str(meta["namespace"]), parameters, scheduled_time=scheduled_start_time, display_name=shown, template=run_config,
        context=context, labels=chosen, idempotency_key=idempotency_key,
    )  # fmt: skip
    return str(run.id)


class ChildRun(FlowRunView):
    """A run that has ended: a view with the results of its tasks."""

    def get_task_result(self, task_slug: str, map_index: int = -1) -> Any:
        """Give what a task run of it returned, from the results' store; see `get_task_run_result`."""
        return _task_result(self, task_slug, map_index)


def _wait_for_flow_run(
    flow_run_id: str,
    stream_states: bool = True,
    stream_logs: bool = False,
    *,
    raise_final_state: bool = False,
    max_duration: timedelta | None = None,
) -> ChildRun | State:
    """Wait until a flow run has ended.

    Args:
        flow_run_id: Its id or name.
        stream_states: Log its states; False silences its log lines too.
        stream_logs: Log the lines of its pods.
        raise_final_state: Unless the run completed, the task's state is the run's.
        max_duration: How long to wait at most; None: as long as it takes.

    Returns:
        A view of it: `state`, `states`, `parameters`, `get_task_result`.

    Raises:
        ObjectNotFound: There is no such run.
        FlowRunWaitTimeout: It did not end in time; it runs on.
    """
    view = perform(
        waiting.wait_for_flow_run(
            flow_run_id, max_duration, stream_states=stream_states, stream_logs=stream_logs and stream_states
        )
    )
    if raise_final_state and not view.state.is_completed():
        return _as_own(view)
    return ChildRun(view.body, view.history)


def _get_task_run_result(flow_run_id: str, task_slug: str, map_index: int = -1, poll_time: int = 5) -> Any:
    """Give what a task run of another flow run returned; waits for that run's end.

    Args:
        flow_run_id: The flow run's id or name.
        task_slug: The task's name, its address (`load:0`), or Prefect 1's slug (`load-1`).
        map_index: Which child of a map; -1: the task run itself, or the list of all children's results.
        poll_time: Taken, and not needed: a watch tells.

    Raises:
        ValueError: The run is the one that asks, or no task is named.
        MissingResult: Nothing is stored for that task run.
    """
    del poll_time
    if not task_slug:
        raise ValueError("get_task_run_result needs task_slug: the task's name, or its address.")
    return _task_result(perform(waiting.wait_for_flow_run(flow_run_id)), task_slug, map_index)


create_flow_run = task(_create_flow_run, name="create_flow_run")
wait_for_flow_run = task(_wait_for_flow_run, name="wait_for_flow_run")
get_task_run_result = task(_get_task_run_result, name="get_task_run_result")


def _started(flow: str, project: str | None, parameters: Any, **more: Any) -> FlowRunView:
    try:
        run: FlowRunView = perform(create_steps(flow, parameters, namespace=project or None, **more))
    except ObjectNotFound as error:
        raise ValueError(str(error)) from None
    return run


def _as_own(view: FlowRunView) -> State:
    """The state of a run as the task's own: with its name, message and data, and no run that it is another's."""
    state = view.state
    # Of a value that is not kept the task gives nothing, as Prefect 1's did: what counts is the state.
    data = None if isinstance(state.data, NotKept) else state.data
    own = State(state.type, state.name, message=state.message, data=data)
    own.ended = state.ended
    if not isinstance(view.id, str):
        own.state_details.child_flow_run_id = view.id
    return own


def _task_result(view: FlowRunView, slug: str, map_index: int) -> Any:
    index = None if map_index == -1 else map_index
    old = _SLUG.match(slug)
    try:
        return perform(results.get_task_result(view, slug, index))
    except MissingResult:
        if old is None:
            raise
    # Prefect 1 counts a task's copies from 1, in its slug.
    return perform(results.get_task_result(view, f"{old['name']}:{int(old['number']) - 1}", index))


def _given_or_current(flow_run_id: Any, who: str) -> bool:
    """Whether the current run is meant.

    Raises:
        ValueError: No run is given, and there is none around.
    """
    if flow_run_id and not is_own(flow_run_id):
        return False
    run = current_run.get()
    if run is None or not run.root.is_flow:
        raise ValueError(f"{who} needs flow_run_id: there is no flow run around this call.")
    return True


def _checked(interval: Any) -> timedelta:
    given = interval if isinstance(interval, timedelta) else timedelta(seconds=interval)
    if given < SHORTEST_POLL:
        raise ValueError(f"poll_interval must be at least 3 seconds; {given.total_seconds():g} s were given.")
    return given


def __getattr__(name: str) -> Any:
    from penstock.base.absent import absent_name

    return absent_name("penstock.tasks.flow_runs", name)
