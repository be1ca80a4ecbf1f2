"""Objects as the API server shows them, and what the core is told of them: the one place where tests build runs, flows and pods.

Everything is built as JSON first and read by the same parsers as in the operator, so a test can't hold what a server could not show.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock_operator.api import constants as k
from penstock_operator.api.flow import Flow
from penstock_operator.api.flowrun import FlowRun
from penstock_operator.api.times import rfc3339
from penstock_operator.core.canonical import digest_text
from penstock_operator.core.model import ConfigMap, Observed
from penstock_operator.core.observe import Pod, PodEvent, parse_pod
from penstock_operator.core.revisions import of_flow, parse_config_map

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
RUN_UID = "7f3c2f0e-0000-4000-8000-000000000001"
POD_UID = "9d1c0a00-0000-4000-8000-00000000000a"
INSTANCE = "instance-1"
ENGINE_IMAGE = "registry.example/penstock:1"
SOURCE = "def main(day=None):\n    return day\n"

JSON = dict[str, Any]


def at(seconds: float = 0) -> str:
    """The time that many seconds after NOW, as the API writes it."""
    return rfc3339(NOW + timedelta(seconds=seconds))


def pod_name(attempt: int = 1, run: str = "etl", uid: str = RUN_UID) -> str:
    """The name of an attempt's pod, said here a second time on purpose."""
    return f"{run}-{digest_text(uid)[:5]}-{attempt}"


# --- runs and flows ---------------------------------------------------------------------------------------------------------------------


def run_json(spec: Mapping[str, Any] | None = None, status: Mapping[str, Any] | None = None, **metadata: Any) -> JSON:
    """A FlowRun; without a spec one with an inline flow."""
    return {
        "apiVersion": k.API_VERSION,
        "kind": "FlowRun",
        "metadata": {
            "name": "etl",
            "namespace": "default",
            "uid": RUN_UID,
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": at(),
            **metadata,
        },
        "spec": {"desiredState": "Running", **(spec if spec is not None else {"flowSpec": flow_spec()})},
        **({"status": dict(status)} if status is not None else {}),
    }


def run(spec: Mapping[str, Any] | None = None, status: Mapping[str, Any] | None = None, **metadata: Any) -> FlowRun:
    """The same, parsed."""
    return FlowRun.model_validate(run_json(spec, status, **metadata))


def flow_spec(**more: Any) -> JSON:
    """A flow with inline source."""
    return {"entrypoint": "etl.py:main", "source": {"inline": SOURCE}, **more}


def flow_json(spec: Mapping[str, Any] | None = None, **metadata: Any) -> JSON:
    """A Flow."""
    return {
        "apiVersion": k.API_VERSION,
        "kind": "Flow",
        "metadata": {"name": "etl", "namespace": "default", "uid": "flow-1", "resourceVersion": "1", **metadata},
        "spec": dict(spec) if spec is not None else flow_spec(),
    }


def flow(spec: Mapping[str, Any] | None = None, **metadata: Any) -> Flow:
    """The same, parsed."""
    return Flow.model_validate(flow_json(spec, **metadata))


def files(data: Mapping[str, str], binary: Mapping[str, str] | None = None) -> ConfigMap:
    """A ConfigMap of the user's, as a Flow names it for its source."""
    return ConfigMap("code", dict(data), dict(binary or {}))


def revision(made: Flow, source: ConfigMap | None = None) -> ConfigMap:
    """The ConfigMap of a Flow's revision, as the API server shows it."""
    manifest = of_flow(made, source).manifest
    assert manifest is not None
    return parse_config_map(manifest)


def recorded(made: Flow, source: ConfigMap | None = None) -> JSON:
    """`status.flow` of a run that has begun with a Flow as it is."""
    definition = of_flow(made, source)
    return {
        "name": made.metadata.name,
        "uid": made.metadata.uid,
        "revision": definition.revision,
        "revisionDigest": definition.digest,
    }


def status_json(
    type_: str,
    name: str | None = None,
    *,
    attempt: int | None = 1,
    since: float = 0,
    time: float | None = None,
    message: str = "",
    pod_uid: str | None = None,
    report: Mapping[str, Any] | None = None,
    started: float | None = None,
    **more: Any,
) -> JSON:
    """A status that the operator has written.

    Args:
        type_: of the state.
        name: of the state, the type's by default.
        attempt: the attempt's number, None before the first.
        since: seconds from NOW at which the type was entered.
        time: likewise the name; `since` by default.
        message: of the state.
        pod_uid: `attempt.podUID`.
        report: the engine's.
        started: seconds from NOW at which the claim was seen.
        more: other fields of the status.
    """
    state = {"type": type_, "name": name or type_, "message": message, "since": at(since)}
    state["time"] = at(since if time is None else time)
    status: JSON = {"state": state, "observedGeneration": 1, "lineage": RUN_UID, "flow": {"name": "main"}}
    if attempt is not None:
        status["attempt"] = {"number": attempt, "podName": pod_name(attempt)}
        if pod_uid is not None:
            status["attempt"]["podUID"] = pod_uid
        if started is not None:
            status["attempt"]["startTime"] = at(started)
            status["startTime"] = at(started)
    if report is not None:
        status["report"] = dict(report)
    return {**status, **more}


def report(type_: str = "Running", name: str | None = None, *, attempt: int = 1, **more: Any) -> JSON:
    """A report of the engine's."""
    said: JSON = {"attempt": attempt, "instance": INSTANCE, "type": type_, "time": at()}
    if name is not None:
        said["name"] = name
    return {**said, **more}


def termination_message(type_: str, name: str | None = None, *, attempt: int = 1, **more: Any) -> str:
    """What the engine leaves in /dev/termination-log."""
    return json.dumps({"uid": RUN_UID, "delivered": False, **report(type_, name, attempt=attempt), **more})


# --- pods -------------------------------------------------------------------------------------------------------------------------------


def waiting(reason: str = "ContainerCreating", message: str = "") -> JSON:
    """A container's state: waiting."""
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def running(since: float = 1) -> JSON:
    """A container's state: running."""
    return {"running": {"startedAt": at(since)}}


def terminated(code: int, reason: str | None = None, message: str = "", started: float | None = 1) -> JSON:
    """A container's state: terminated. `started` None: it never ran."""
    return {
        "terminated": {
            "exitCode": code,
            "reason": reason or ("Completed" if code == 0 else "Error"),
            "startedAt": at(started) if started is not None else None,
            "finishedAt": at(9),
            **({"message": message} if message else {}),
        }
    }


def condition(type_: str, value: str = "True", reason: str = "", message: str = "") -> JSON:
    """A pod's condition."""
    return {"type": type_, "status": value, "lastTransitionTime": at(), "reason": reason, "message": message}


def pod_json(
    state: Mapping[str, Any] | None = None,
    *,
    phase: str | None = None,
    attempt: int = 1,
    uid: str = POD_UID,
    owner: str = RUN_UID,
    name: str | None = None,
    last_state: Mapping[str, Any] | None = None,
    others: Mapping[str, Mapping[str, Any]] | None = None,
    init: Mapping[str, Mapping[str, Any]] | None = None,
    sidecars: Mapping[str, Mapping[str, Any]] | None = None,
    conditions: tuple[JSON, ...] = (),
    reason: str = "",
    message: str = "",
    node: str | None = "node-1",
    start_time: float | None = 0,
    deleted: float | None = None,
    deadline: int | None = None,
    grace: int = 30,
    intent: str = "Running",
    memory: str = "",
    pod_memory: str = "",
    images: Mapping[str, str] | None = None,
    restarts: Mapping[str, int] | None = None,
    rules: tuple[str, ...] = (),
    last_states: Mapping[str, Mapping[str, Any]] | None = None,
    container: str = k.ENGINE_CONTAINER,
) -> JSON:
    """A pod.

    Args:
        state: of the engine's container; None: no container status yet.
        phase: by default what a kubelet would say of that state.
        attempt: its label and its name's end.
        uid: of the pod.
        owner: UID of the FlowRun that owns it.
        name: another name than the attempt's.
        last_state: of the engine's container.
        others: other containers, name to state.
        init: init containers, name to state.
        sidecars: init containers with restartPolicy Always.
        conditions: besides PodScheduled, which follows from `node`.
        reason: `status.reason`.
        message: `status.message`.
        node: where it is bound to; None: not yet.
        start_time: seconds from NOW at which the kubelet saw it; None: it has not.
        deleted: seconds from NOW of the deletionTimestamp.
        deadline: `activeDeadlineSeconds`.
        grace: `terminationGracePeriodSeconds`.
        intent: the annotation.
        memory: the engine's limit.
        pod_memory: the limit of the pod as a whole.
        images: volumes of type image, name to reference.
        restarts: how often containers were restarted, by name; by default once where there is a last state.
        rules: names of containers with a rule that restarts all containers.
        last_states: of other containers than the engine's.
        container: the engine's container's name.
    """
    kind = next(iter(state), None) if state else None
    if phase is None:
        phase = {"running": "Running", "terminated": "Running"}.get(kind or "", "Pending")
    spec: JSON = {"containers": [_container(container, memory)], "terminationGracePeriodSeconds": grace}
    status: JSON = {"phase": phase, "conditions": list(conditions)}
    if node is not None:
        spec["nodeName"] = node
    if not any(c["type"] == "PodScheduled" for c in conditions) and node is not None:
        status["conditions"].append(condition("PodScheduled"))
    if start_time is not None and node is not None:
        status["startTime"] = at(start_time)
    if deadline is not None:
        spec["activeDeadlineSeconds"] = deadline
    if reason:
        status["reason"] = reason
    if message:
        status["message"] = message
    if state is not None:
        status["containerStatuses"] = [_container_status(container, state, last_state)]
    for other, its in (others or {}).items():
        spec["containers"].append(_container(other))
        status.setdefault("containerStatuses", []).append(_container_status(other, its))
    for early, restart in ((init, None), (sidecars, "Always")):
        for other, its in (early or {}).items():
            policy = {"restartPolicy": restart} if restart else {}
            spec.setdefault("initContainers", []).append({**_container(other), **policy})
            status.setdefault("initContainerStatuses", []).append(_container_status(other, its))
    if pod_memory:
        spec["resources"] = {"limits": {"memory": pod_memory}}
    if images:
        spec["volumes"] = [{"name": n, "image": {"reference": reference}} for n, reference in images.items()]
    for made in (*spec["containers"], *spec.get("initContainers", ())):
        if made["name"] in rules:
            made["restartPolicyRules"] = [{"action": "RestartAllContainers"}]
    for its_status in (*status.get("containerStatuses", ()), *status.get("initContainerStatuses", ())):
        if its_status["name"] in (last_states or {}):
            its_status |= {"lastState": dict((last_states or {})[its_status["name"]]), "restartCount": 1}
        its_status["restartCount"] = (restarts or {}).get(its_status["name"], its_status["restartCount"])
    metadata: JSON = {
        "name": name or pod_name(attempt),
        "namespace": "default",
        "uid": uid,
        "resourceVersion": "1",
        "labels": {k.LABEL_ATTEMPT: str(attempt), k.LABEL_FLOW_RUN_UID: owner},
        "annotations": {k.ANNOTATION_INTENT: intent},
        "ownerReferences": [
            {"apiVersion": k.API_VERSION, "kind": "FlowRun", "name": "etl", "uid": owner, "controller": True}
        ],
    }
    if deleted is not None:
        metadata["deletionTimestamp"] = at(deleted)
        metadata["deletionGracePeriodSeconds"] = grace
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


def pod(state: Mapping[str, Any] | None = None, **more: Any) -> Pod:
    """The same, parsed."""
    return parse_pod(pod_json(state, **more))


def _container(name: str, memory: str = "") -> JSON:
    limits = {"resources": {"limits": {"memory": memory}}} if memory else {}
    return {"name": name, "image": f"registry.example/{name}:1", **limits}


def _container_status(name: str, state: Mapping[str, Any], last: Mapping[str, Any] | None = None) -> JSON:
    return {"name": name, "state": dict(state), "lastState": dict(last or {}), "restartCount": 1 if last else 0}


def event(reason: str, message: str = "", type_: str = "Warning") -> PodEvent:
    """An Event about the pod."""
    return PodEvent(type=type_, reason=reason, message=message, time=NOW)


def observed(flowrun: FlowRun | None = None, *, seconds: float = 10, **more: Any) -> Observed:
    """What the core is told, `seconds` after NOW."""
    return Observed(
        run=flowrun if flowrun is not None else run(),
        now=NOW + timedelta(seconds=seconds),
        engine_image=ENGINE_IMAGE,
        **more,
    )
