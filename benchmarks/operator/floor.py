"""The least that a run can cost the API server: pods alone, and a custom resource that is written as often as a FlowRun by nobody in particular.

    python -m benchmarks operator floor

In turns on one control plane, each adding something to the one before: a pod as small as a Job's, which is created, bound, and said to run
and to have succeeded; a FlowRun's pod, likewise; a custom resource without schema, rules and policies that gets a FlowRun's five writes from
this process, with the small pod; the same of the FlowRun's own schema and rules; FlowRuns by the operator; Jobs by the Job controller.
What the operator adds is what lies between the last two of ours. Neighbours: `standing` lets the operator make the models.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Mapping
from typing import Any

import yaml

from tests.support.cluster import ROOT

from ..measure import Figure, wait_for
from .kinds import JOB, PENSTOCK, Kind
from .load import MERGE, Load
from .plane import TUNED, TUNED_OPERATOR, Plane, plane
from .standing import model_runs
from .throughput import Side, all_at_once, compete

LABEL = "bench.example.com/run"
GROUP = "bench.example.com"
SUCCEEDED = b'"phase":"Succeeded"'
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# What the operator's first write of a status does not have yet, and what its last one brings.
LATER = frozenset({"report", "startTime", "completionTime", "duration", "result"})
LAST = frozenset({"state", "conditions", "startTime", "completionTime", "duration", "result"})
# The status is owned as a whole, as a FlowRun's is: else the server would keep an owner of each of its fields.
_ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
FREE = {**_ANYTHING, "properties": {"status": {**_ANYTHING, "x-kubernetes-map-type": "atomic"}}}
SUBMITTING = {"type": "Pending", "name": "Submitting", "message": "the pod of attempt 1 is being created"}


def _small_pod() -> dict[str, Any]:
    container = {"name": "engine", "image": "penstock/engine:test", "command": ["python", "-c", "pass"]}
    return {"restartPolicy": "Never", "containers": [container]}


def _own_pod(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec of a FlowRun's pod as the operator sends it: without what admission and the scheduler have added."""
    spec = copy.deepcopy(pod["spec"])
    for name in ("nodeName", "tolerations", "serviceAccount", "priority", "preemptionPolicy", "schedulerName"):
        spec.pop(name, None)
    spec["volumes"] = [v for v in spec["volumes"] if "projected" not in v]
    kept = {v["name"] for v in spec["volumes"]}
    for container in spec["containers"]:
        container["volumeMounts"] = [m for m in container["volumeMounts"] if m["name"] in kept]
    return dict(spec)


def pods(spec: Mapping[str, Any]) -> Kind:
    """Pods alone: each is its own run, and nobody controls it."""

    def document(name: str) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {LABEL: name}},
            "spec": dict(spec),
        }

    return Kind("pod", "v1", "pods", LABEL, engine=False, document=document, ended=SUCCEEDED)


def scripted(group: str, model: Mapping[str, Any], spec: Mapping[str, Any]) -> Kind:
    """Make a kind that is written as a FlowRun is, by this process: a first status, a pod, claim and outcome, a last status.

    Args:
        group: of the custom resource.
        model: a FlowRun that has completed, whose status is written.
        spec: of the pods.
    """
    version, status = f"{group}/v1alpha1", model["status"]
    first = {name: value for name, value in status.items() if name not in LATER}
    first["state"] = {**SUBMITTING, "since": status["state"]["since"], "time": status["state"]["time"]}
    last = {name: value for name, value in status.items() if name in LAST}

    def document(name: str) -> dict[str, Any]:
        return {"apiVersion": version, "kind": "FlowRun", "metadata": {"name": name}, "spec": model["spec"]}

    async def write(load: Load, run: str, what: Mapping[str, Any]) -> None:
        query = {"fieldManager": "penstock-operator"}
        await load.send("PATCH", f"{load.kind.path(load.namespace)}/{run}/status", {"status": what}, MERGE, query)

    async def begun(load: Load, run: str, answer: dict[str, Any]) -> None:
        uid, pod = answer["metadata"]["uid"], f"{run}-pod"
        await write(load, run, {**first, "attempt": {**first["attempt"], "number": 1, "podName": pod}})
        labels = {LABEL: run, "penstock.dev/attempt": "1", "penstock.dev/flow-run-uid": uid}
        owner = {"apiVersion": version, "kind": "FlowRun", "name": run, "uid": uid, "controller": True}
        metadata = {"name": pod, "labels": labels, "ownerReferences": [owner]}
        made = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": dict(spec)}
        await load.send("POST", f"/api/v1/namespaces/{load.namespace}/pods", made)

    async def known(load: Load, run: str) -> None:
        await write(load, run, last)

    return Kind("flowrun", version, "flowruns", LABEL, engine=True, document=document, begun=begun, known=known)


def _install(on: Plane, group: str, *, free: bool) -> None:
    """Install the FlowRun's CRD in another group, where no operator looks; free: without schema, rules and columns."""
    crd = yaml.safe_load((ROOT / "crds/flowruns.penstock.dev.yaml").read_text())
    names = {"plural": "flowruns", "singular": "flowrun", "kind": "FlowRun", "listKind": "FlowRunList"}
    crd["metadata"] = {"name": f"flowruns.{group}"}
    crd["spec"] |= {"group": group, "names": names}
    (version,) = crd["spec"]["versions"]
    if free:
        version["schema"]["openAPIV3Schema"] = FREE
        version.pop("selectableFields", None)
        version.pop("additionalPrinterColumns", None)
    with on.cluster.client() as client:
        client.post(CRDS, json=crd).raise_for_status()
        path = f"/apis/{group}/v1alpha1/flowruns"
        wait_for(f"{group} is served", lambda: client.get(path).status_code == 200, 30)


def floor(count: int = 300, rounds: int = 3) -> list[Figure]:
    """So many at once of each, in turns."""
    with plane(*TUNED_OPERATOR) as on:
        on.tune(*TUNED)
        model, pod = asyncio.run(model_runs(on, on.namespace("models", *PENSTOCK.needs)))["completed"]
        small, own = _small_pod(), _own_pod(pod)
        bare, full = f"bare.{GROUP}", f"full.{GROUP}"
        _install(on, bare, free=True)
        _install(on, full, free=False)
        sides = [
            Side("small pod", pods(small)),
            Side("FlowRun pod", pods(own)),
            Side("bare resource and small pod", scripted(bare, model, small)),
            Side("FlowRun without operator", scripted(full, model, own)),
            Side("FlowRun", PENSTOCK),
            Side("Job tuned", JOB),
        ]
        compete(on, sides, all_at_once(count), rounds)
    found: list[Figure] = []
    for side in sides:
        found += side.figures(f"{count} at once")
    return found
