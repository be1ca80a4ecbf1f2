"""The functions that users call, each for sync and async code.

A plain name gives its value in sync code and an awaitable in async runs; a name with an `a` before it is always a coroutine
function. Neighbours: the modules beside, which hold the steps; the face `penstock.flow_runs` hands these on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from penstock.clusterruns import arguments, changing, reading, results, waiting
from penstock.clusterruns.creating import order, placed
from penstock.clusterruns.steps import Steps, dual
from penstock.clusterruns.view import FlowRunView


def create_steps(
    flow: Any,
    parameters: Mapping[str, Any] | None = None,
    name: str | None = None,
    idempotency_key: str | None = None,
    scheduled_time: datetime | timedelta | None = None,
    display_name: str | None = None,
    template: Mapping[str, Any] | None = None,
    run_policy: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    context: Mapping[str, Any] | None = None,
    *,
    as_subflow: bool = True,
    namespace: str | None = None,
) -> Steps[FlowRunView]:
    """Start a run of a Flow in the cluster, and go on.

    Args:
        flow: The name of the Flow, or a flow in code whose Flow has its name.
        parameters: Over those of the Flow; any value that pydantic writes as JSON.
        name: Of the FlowRun in the cluster; default: the Flow's with a hash of the key.
        idempotency_key: The same key gives the same run, also when an answer was lost. Default: inside a run the place of the
            call in it, so that a retried task, or a new attempt, finds the run that it has started; outside random.
        scheduled_time: Not to begin before; a timedelta counts from now.
        display_name: A name for people.
        template: Over the pod, as `spec.template`.
        run_policy: As `spec.runPolicy`.
        labels: Of the FlowRun.
        context: As `spec.context`: `penstock.runtime.flow_run.context` in the run.
        as_subflow: In a pod: be owned by its FlowRun, and end with it. False: be nobody's.
        namespace: Default: this pod's, or the kubeconfig's.

    Returns:
        A view of the run.

    Raises:
        ObjectNotFound: There is no such Flow.
        ObjectAlreadyExists: The key, or the name, stands for another request.
        NotJsonError: A parameter would arrive as something else than it is; nothing was sent.
        ClusterError: The cluster cannot be asked, or refuses; a missing right is named.
    """
    what = order(
        flow, parameters, name, idempotency_key, scheduled_time, display_name, template, run_policy, labels, context,
        as_subflow=as_subflow, namespace=namespace,
    )  # fmt: skip
    return (yield from placed(what))


def deployment_steps(
    name: Any,
    client: Any = None,
    parameters: Mapping[str, Any] | None = None,
    scheduled_time: datetime | timedelta | None = None,
    flow_run_name: str | None = None,
    timeout: float | timedelta | None = None,
    poll_interval: float | None = 5,
    tags: Any = None,
    idempotency_key: str | None = None,
    work_queue_name: str | None = None,
    as_subflow: bool = True,
    job_variables: Mapping[str, Any] | None = None,
    *,
    stream_states: bool = False,
    stream_logs: bool = False,
    namespace: str | None = None,
) -> Steps[FlowRunView]:
    """Start a run of a Flow and wait for its end, with Prefect's arguments.

    Args:
        name: The name of the Flow.
        client: Must be None: the cluster is the only server.
        parameters: Over those of the Flow.
        scheduled_time: Not to begin before.
        flow_run_name: A name for people (`display_name`).
        timeout: Seconds to wait, or a timedelta; None: as long as it takes; 0: do not wait.
        poll_interval: Taken, and not needed: a watch tells.
        tags: Become labels `penstock.dev/tag-NAME`; a text is one tag.
        idempotency_key: As for `create_flow_run`.
        work_queue_name: Must be None: a Flow's concurrency groups take its place.
        as_subflow: In a pod: be owned by its FlowRun, and end with it.
        job_variables: Must be empty: `create_flow_run(template=...)` takes their place.
        stream_states: Log each of its states.
        stream_logs: Log the lines of its pods.
        namespace: Default: this pod's, or the kubeconfig's.

    Returns:
        A view of the run, with its state: final, or what it was when time was up.

    Raises:
        ValueError: An argument has no meaning here; says what to use instead.
        ObjectNotFound, ObjectAlreadyExists, ClusterError: As for `create_flow_run`.
    """
    del poll_interval
    for argument, given, instead in (
        ("client", client, "the API server is found by KUBECONFIG, or by the pod's ServiceAccount"),
        ("work_queue_name", work_queue_name, "use the concurrencyGroups of the Flow"),
        ("job_variables", job_variables, "use create_flow_run(template={...}), or the Flow's template"),
    ):
        if given:
            raise ValueError(f"run_deployment has no use for {argument}: {instead}.")
    timeout = arguments.seconds(timeout)
    began = time.monotonic()
    labels = {f"penstock.dev/tag-{tag}": "true" for tag in arguments.tags(tags)}
    what = order(
        name, parameters, None, idempotency_key, scheduled_time, flow_run_name, None, None, labels, None,
        as_subflow=as_subflow, namespace=namespace,
    )  # fmt: skip
    return (yield from waiting.started_and_ended(what, timeout, began, stream_states, stream_logs))


create_steps.__name__ = "create_flow_run"
deployment_steps.__name__ = "run_deployment"

create_flow_run, acreate_flow_run = dual(create_steps)
run_deployment, arun_deployment = dual(deployment_steps)
run_flow_run, arun_flow_run = dual(waiting.run_flow_run)
wait_for_flow_run, await_for_flow_run = dual(waiting.wait_for_flow_run)
read_flow_run, aread_flow_run = dual(reading.read_flow_run)
read_flow, aread_flow = dual(reading.read_flow)
list_flow_runs, alist_flow_runs = dual(reading.list_flow_runs)
cancel_flow_run, acancel_flow_run = dual(changing.cancel_flow_run)
rename_flow_run, arename_flow_run = dual(changing.rename_flow_run)
pause_other, apause_other = dual(changing.pause_other)
suspend_other, asuspend_other = dual(changing.suspend_other)
resume_other, aresume_other = dual(changing.resume_other)
get_result, aget_result = dual(results.get_result)
get_task_result, aget_task_result = dual(results.get_task_result)
