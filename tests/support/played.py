"""Rows of the contract played on a real API server: FlowRuns go to the real operator, and the test is their kubelet and their engine.

A row says what is applied, what the pod's last object looks like, what the engine has said, and what state must come of it. All rows of a
`Stage` are played side by side, step by step: apply, bind the pods, start and claim, then what the row is about. Pods are given as
the core's own values, because the rows come from the core's tables, and are written back as a kubelet writes them. Neighbours: `cases`
and the core's test tables, from which the rows come.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from penstock_operator.api import constants as k
from penstock_operator.api.times import rfc3339
from penstock_operator.core.facts import has_ended
from penstock_operator.core.observe import Container, ContainerState, Pod, PodEvent
from tests.support.builders import INSTANCE, RUN_UID
from tests.support.world import JSON_PATCH, MERGE, until

JSON = dict[str, Any]
NO_RETRIES = {"infrastructure": 0, "neverStarted": 0, "application": 0}
RUNS = "/apis/penstock.dev/v1alpha1/namespaces/{}/flowruns"


@dataclass(frozen=True)
class Row:
    """One FlowRun and its fate.

    Attributes:
        id: reads like a line of the contract.
        spec: of the FlowRun; `desiredState` is set after the claim.
        state: type/name that must come of it, of the run or, with a budget, of the attempt that was counted.
        pod: as it is last seen; None: nobody touches it.
        claims: whether the engine claims before anything else happens.
        report: the engine's last word; None: none but the claim.
        events: about the pod.
        gone: whether the pod's object is removed in the end.
        says: words of the message.
        degraded: the reason of the condition; None: it is not True.
        budget: of the attempt that was counted, where the run has something left of every budget.
    """

    id: str
    spec: JSON
    state: str
    pod: Pod | None = None
    claims: bool = False
    report: JSON | None = None
    events: tuple[PodEvent, ...] = ()
    gone: bool = False
    says: tuple[str, ...] = ()
    degraded: str | None = None
    budget: str | None = None

    def __str__(self) -> str:
        return self.id


def seen(status: JSON) -> JSON:
    """What a row's expectation is compared with."""
    state = status.get("state") or {}
    degraded: JSON = next((c for c in status.get("conditions") or () if c["type"] == "Degraded"), {})
    return {
        "state": f"{state.get('type')}/{state.get('name')}",
        "message": state.get("message", ""),
        "degraded": degraded.get("reason") if degraded.get("status") == "True" else None,
        "attempts": [
            (f"{a.get('state')}/{a.get('reason')}", a.get("budget")) for a in status.get("attempts") or ()
        ],
    }  # fmt: skip


def met(row: Row, status: JSON) -> bool:
    """Whether the status is what the row says."""
    shown = seen(status)
    if row.budget is not None:
        right = shown["state"] == "Scheduled/AwaitingRetry" and shown["attempts"] == [(row.state, row.budget)]
    else:
        right = shown["state"] == row.state
    return right and shown["degraded"] == row.degraded and all(words in shown["message"] for words in row.says)


@dataclass
class Stage:
    """A namespace in which rows are played.

    Attributes:
        client: an administrator's.
        namespace: where.
        statuses: of the runs as they were last looked at; of a run that met its row, as it was then.
        failures: what the server refused to the test, by run.
    """

    client: httpx.Client
    namespace: str
    statuses: dict[str, JSON] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    _pods: dict[str, JSON] = field(default_factory=dict)
    _runs: dict[str, JSON] = field(default_factory=dict)

    # --- requests -------------------------------------------------------------------------------------------------------------------
    @property
    def core(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}"

    @property
    def runs(self) -> str:
        return RUNS.format(self.namespace)

    def send(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> JSON:
        """One request that must succeed; asked again while the server says "later", as it does when a definition has changed."""
        content, headers = json.dumps(body) if body is not None else None, {"Content-Type": kind}
        answer = self.client.request(method, path, content=content, headers=headers)
        for _ in range(30):
            if answer.status_code != 429:
                break
            time.sleep(float(answer.headers.get("Retry-After", 1)))
            answer = self.client.request(method, path, content=content, headers=headers)
        assert answer.status_code < 300, f"{method} {path} {content}: {answer.status_code} {answer.text}"
        return dict(answer.json())

    def apply(self, name: str, spec: JSON, **labels: str) -> None:
        """Create a FlowRun."""
        metadata = {"name": name, "labels": labels}
        body = {"apiVersion": k.API_VERSION, "kind": "FlowRun", "metadata": metadata, "spec": spec}
        self._runs[name] = self.send("POST", self.runs, body)

    def adopt(self, run: JSON) -> str:
        """Play a FlowRun that somebody else made; returns its name."""
        name = str(run["metadata"]["name"])
        self._runs[name] = run
        return name

    def pod(self, name: str) -> JSON:
        """Wait for the pod of a run's first attempt."""
        if name not in self._pods:
            self.await_pods([name])
        return self._pods[name]

    def await_pods(self, names: Iterable[str]) -> None:
        """Wait until each of the runs has its pod."""
        wanted = set(names)

        def there() -> bool:
            for item in self.send("GET", f"{self.core}/pods")["items"]:
                labels = item["metadata"].get("labels", {})
                name = labels.get(k.LABEL_FLOW_RUN, "")
                # Of a run that had the name before a pod may still be there.
                if name in self._runs and labels[k.LABEL_FLOW_RUN_UID] == self._runs[name]["metadata"]["uid"]:
                    self._pods[name] = item
            return wanted <= set(self._pods)

        until(f"pods of {len(wanted)} runs", there)

    def look(self) -> dict[str, JSON]:
        """The statuses of all runs."""
        items = self.send("GET", self.runs)["items"]
        return {item["metadata"]["name"]: item.get("status") or {} for item in items}

    def watch_for(self, wanted: dict[str, Callable[[JSON], bool]], seconds: float) -> None:
        """Look until every run has met its condition, or the time is up; `statuses` tells."""
        missing, deadline = dict(wanted), time.monotonic() + seconds
        while missing and time.monotonic() < deadline:
            for name, status in self.look().items():
                if name in missing:
                    self.statuses[name] = status
                    if missing[name](status):
                        del missing[name]
            if missing:
                time.sleep(0.2)  # between two looks at something that tells nobody when it changes

    # --- the kubelet ----------------------------------------------------------------------------------------------------------------
    def bind(self, name: str, node: str) -> None:
        """What a scheduler does."""
        pod = self.pod(name)["metadata"]["name"]
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod}, "target": target}
        self.send("POST", f"{self.core}/pods/{pod}/binding", body)

    def patch_pod_status(self, name: str, status: JSON) -> None:
        """What a kubelet does."""
        pod = self.pod(name)["metadata"]["name"]
        self.send("PATCH", f"{self.core}/pods/{pod}/status", {"status": status}, MERGE)

    def patch_pod(self, name: str, patch: JSON) -> None:
        """What an administrator does."""
        self.send("PATCH", f"{self.core}/pods/{self.pod(name)['metadata']['name']}", patch, MERGE)

    def delete_pod(self, name: str, grace: int) -> None:
        """Ask for the pod's end; 0: its object goes at once."""
        self.send("DELETE", f"{self.core}/pods/{self.pod(name)['metadata']['name']}", {"gracePeriodSeconds": grace})

    def emit(self, name: str, events: Iterable[PodEvent]) -> None:
        """Write Events about the pod, a second apart, the last one now."""
        pod, told = self.pod(name)["metadata"], list(events)
        for number, event in enumerate(told):
            when = rfc3339((datetime.now(UTC) - timedelta(seconds=len(told) - number)).replace(microsecond=0))
            about = {"apiVersion": "v1", "kind": "Pod", "namespace": self.namespace}
            about |= {"name": pod["name"], "uid": pod["uid"]}
            if event.container:
                about["fieldPath"] = f"spec.containers{{{event.container}}}"
            body = {
                "metadata": {"name": f"{pod['name']}.{number}"},
                "involvedObject": about,
                "type": event.type,
                "reason": event.reason,
                "message": event.message,
                "firstTimestamp": when,
                "lastTimestamp": when,
                "count": event.count,
                "source": {"component": "kubelet"},
            }
            self.send("POST", f"{self.core}/events", body)

    # --- the engine -----------------------------------------------------------------------------------------------------------------
    def claim(self, name: str) -> None:
        """The engine's first report, with the tests that fence it."""
        pod, uid = self.pod(name)["metadata"], self._runs[name]["metadata"]["uid"]
        said = {"attempt": 1, "instance": INSTANCE, "type": "Running", "time": _now()}
        tests = {
            "/metadata/uid": uid,
            "/status/attempt/number": 1,
            "/status/attempt/podName": pod["name"],
            "/status/completionTime": None,
            "/status/report": None,
        }
        operations: list[JSON] = [{"op": "test", "path": path, "value": value} for path, value in tests.items()]
        self.send(
            "PATCH",
            f"{self.runs}/{name}/status",
            [*operations, {"op": "add", "path": "/status/report", "value": said}],
            JSON_PATCH,
        )

    def report(self, name: str, said: JSON) -> None:
        """A later report of the process that has claimed."""
        operations = [
            {"op": "test", "path": "/status/report/instance", "value": INSTANCE},
            {"op": "replace", "path": "/status/report", "value": {**said, "time": _now()}},
        ]
        self.send("PATCH", f"{self.runs}/{name}/status", operations, JSON_PATCH)

    # --- rows -----------------------------------------------------------------------------------------------------------------------
    def play(self, rows: dict[str, Row], seconds: float = 40) -> None:
        """Play all rows, each under its name, and look until each has met its expectation or the time is up."""
        with ThreadPoolExecutor(6) as pool:

            def each(step: Callable[[str, Row], None], among: dict[str, Row]) -> None:
                for name, failure in zip(among, pool.map(lambda item: _tried(step, *item), among.items()), strict=True):
                    if failure:
                        self.failures[name] = failure

            each(lambda name, row: self.apply(name, _spec(row)), rows)
            played = {name: row for name, row in rows.items() if row.pod is not None}
            self.await_pods(played)
            each(self._start, played)
            claimed = {name: row for name, row in played.items() if row.claims}
            self.watch_for({name: lambda s: seen(s)["state"] == "Running/Running" for name in claimed}, 30)
            each(self._act, played)
        wanted = {name: row for name, row in rows.items() if name not in self.failures}
        self.watch_for({name: lambda s, row=row: met(row, s) for name, row in wanted.items()}, seconds)  # type: ignore[misc]

    def _start(self, name: str, row: Row) -> None:
        assert row.pod is not None
        if row.pod.node_name:
            self.bind(name, row.pod.node_name)
        if row.claims:
            self.patch_pod_status(name, _running(row.pod))
            self.claim(name)

    def _act(self, name: str, row: Row) -> None:
        pod = row.pod
        assert pod is not None
        if desired := row.spec.get("desiredState"):
            self.send("PATCH", f"{self.runs}/{name}", {"spec": {"desiredState": desired}}, MERGE)
        if pod.active_deadline_seconds is not None:
            self.patch_pod(name, {"spec": {"activeDeadlineSeconds": pod.active_deadline_seconds}})
        if (intent := pod.annotations.get(k.ANNOTATION_INTENT, "Running")) != "Running":
            self.patch_pod(name, {"metadata": {"annotations": {k.ANNOTATION_INTENT: intent}}})
        self.emit(name, row.events)
        # An engine that still runs reports when its pod has been marked; one that has ended, before the kubelet tells.
        late = row.report if not has_ended(pod) else None
        if row.report is not None and late is None:
            self.report(name, row.report)
        status = _status(pod, str(self._runs[name]["metadata"]["uid"]))
        if pod.deletion_timestamp is None or not pod.node_name:
            self.patch_pod_status(name, status)
        if pod.deletion_timestamp is not None:
            # What has ended, or has no node, is removed at once: whoever deletes a pod on a node, deletes it while it lives.
            self.delete_pod(name, 30)
        if pod.deletion_timestamp is not None and pod.node_name:
            self.patch_pod_status(name, status)
        if late is not None:
            self.report(name, late)
        if row.gone and not (pod.deletion_timestamp is not None and not pod.node_name):
            self.delete_pod(name, 0)


def open_stage(client: httpx.Client, namespace: str, **labels: str) -> Stage:
    """Make a namespace with its ServiceAccount."""
    made = Stage(client, namespace)
    made.send("POST", "/api/v1/namespaces", {"metadata": {"name": namespace, "labels": labels}})
    path = f"{made.core}/serviceaccounts/default"
    until("the namespace has its account", lambda: client.get(path).status_code == 200)
    return made


def _tried(step: Callable[[str, Row], None], name: str, row: Row) -> str:
    try:
        step(name, row)
    except AssertionError as error:
        return str(error)
    return ""


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _spec(row: Row) -> JSON:
    """The row's spec, with a template that has the pod's containers."""
    spec = {key: value for key, value in row.spec.items() if key != "desiredState" or row.pod is None}
    if row.pod is None:
        return spec
    template: JSON = {"containers": [], "initContainers": []}
    for container in row.pod.containers:
        made: JSON = {"name": container.name}
        if container.name != k.ENGINE_CONTAINER or container.image:
            made["image"] = container.image
        if container.memory_limit:
            made["resources"] = {"limits": {"memory": container.memory_limit}}
        if container.sidecar:
            made["restartPolicy"] = "Always"
        template["initContainers" if container.init else "containers"].append(made)
    if row.pod.memory_limit:
        template["resources"] = {"limits": {"memory": row.pod.memory_limit}}
    if row.pod.image_volumes:
        template["volumes"] = [{"name": name, "image": {"reference": image}} for name, image in row.pod.image_volumes]
    return {**spec, "template": {"spec": {key: value for key, value in template.items() if value}}}


# --- a pod's status, as a kubelet writes it -----------------------------------------------------------------------------------------


def _status(pod: Pod, run_uid: str) -> JSON:
    """The status in full, so that a merge patch leaves nothing of the one before."""
    return {
        "phase": pod.phase,
        "reason": pod.reason or None,
        "message": pod.message or None,
        "startTime": rfc3339(pod.start_time) if pod.start_time else None,
        "conditions": [
            {
                "type": c.type,
                "status": c.status,
                "reason": c.reason,
                "message": c.message,
                "lastTransitionTime": rfc3339(c.last_transition_time) if c.last_transition_time else _now(),
            }
            for c in pod.conditions
        ],
        "initContainerStatuses": [_container(c, run_uid) for c in pod.containers if c.init and c.state] or None,
        "containerStatuses": [_container(c, run_uid) for c in pod.containers if not c.init and c.state] or None,
    }


def _running(pod: Pod) -> JSON:
    """The status while the engine runs."""
    started = {"running": {"startedAt": rfc3339(pod.start_time) if pod.start_time else _now()}}
    return {
        "phase": "Running",
        "startTime": rfc3339(pod.start_time) if pod.start_time else None,
        "containerStatuses": [
            {**_head(c), "ready": True, "started": True, "state": started} for c in pod.containers if not c.init
        ],
    }


def _head(container: Container) -> JSON:
    return {"name": container.name, "image": container.image or "engine", "imageID": "", "restartCount": 0}


def _container(container: Container, run_uid: str) -> JSON:
    status = {**_head(container), "ready": False, "restartCount": container.restart_count}
    for key, state in (("state", container.state), ("lastState", container.last_state)):
        if state is not None:
            status[key] = _state(state, run_uid)
    return status


def _state(state: ContainerState, run_uid: str) -> JSON:
    # A termination message names the run that the row was written for.
    detail: JSON = {"reason": state.reason, "message": state.message.replace(RUN_UID, run_uid)}
    if state.kind == "running":
        detail = {}
    if state.kind != "waiting":
        detail["startedAt"] = rfc3339(state.started_at) if state.started_at else None
    if state.kind == "terminated":
        detail["finishedAt"] = rfc3339(state.finished_at) if state.finished_at else None
        detail["exitCode"] = state.exit_code
    return {state.kind: detail}
