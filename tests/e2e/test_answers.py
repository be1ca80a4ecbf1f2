"""18. A real API server that refuses, throttles or changes its mind, and a node that goes and comes back: what the run says, and how often
the operator asks.

What the server counted is read from its audit log. Neighbours: `test_refusals` for refusals that end a run or wait for a person.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.support.audit import requests
from tests.support.audit import resource as resource_of
from tests.support.builders import flow_spec
from tests.support.cluster import RealCluster
from tests.support.flows import API
from tests.support.played import Stage, open_stage, seen
from tests.support.webhook import Webhook
from tests.support.world import MERGE, until

JSON = dict[str, Any]
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
FLOW_CONTROL = "/apis/flowcontrol.apiserver.k8s.io/v1"
SPEC: JSON = {"flowSpec": flow_spec()}

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def asked(plane: RealCluster, verb: str, resource: str, namespace: str) -> list[JSON]:
    """The operator's requests about a namespace, as the server logged them."""
    return [
        line
        for line in requests(plane.own)
        if line["verb"] == verb and resource_of(line) == resource and line["objectRef"].get("namespace") == namespace
    ]


def answers(lines: list[JSON]) -> list[int]:
    return [line["responseStatus"]["code"] for line in lines]


def quiet(what: str, count: Callable[[], int], seconds: float = 1.5) -> None:
    """Nothing more comes for a while."""
    last, since = count(), datetime.now()

    def still() -> bool:
        nonlocal last, since
        now = count()
        if now != last:
            last, since = now, datetime.now()
        return (datetime.now() - since).total_seconds() > seconds

    until(f"{what} has come to rest", still, 30)


# --- the status is refused ---------------------------------------------------------------------------------------------------------------


def policy(stage: Stage, reason: str, expression: str) -> None:
    """An admission policy on the status of runs; it is there when the server refuses by it."""
    rule = {
        "apiGroups": ["penstock.dev"],
        "apiVersions": ["*"],
        "operations": ["UPDATE"],
        "resources": ["flowruns/status"],
    }
    only = {"matchLabels": {"kubernetes.io/metadata.name": stage.namespace}}
    spec = {
        "matchConstraints": {"namespaceSelector": only, "resourceRules": [rule]},
        "validations": [{"expression": expression, "message": "not such a status", "reason": reason}],
    }
    name = {"name": stage.namespace}
    stage.send("POST", f"{ADMISSION}/validatingadmissionpolicies", {"metadata": name, "spec": spec})
    binding = {"policyName": stage.namespace, "validationActions": ["Deny"]}
    stage.send("POST", f"{ADMISSION}/validatingadmissionpolicybindings", {"metadata": name, "spec": binding})
    run = {"apiVersion": API, "kind": "FlowRun", "metadata": {"name": "probe"}}
    stage.send("POST", stage.runs, {**run, "spec": {**SPEC, "managedBy": "nobody"}})
    probe = {"status": {"state": {"type": "Pending", "name": "Submitting", "message": "x" * 900}}}
    path, headers = f"{stage.runs}/probe/status?dryRun=All", {"Content-Type": MERGE}
    until("the policy refuses", lambda: stage.client.patch(path, json=probe, headers=headers).status_code >= 400)


@pytest.mark.parametrize(("reason", "code"), [("Invalid", 422), ("RequestEntityTooLarge", 413)])
def test_a_status_that_is_refused_is_written_with_less(
    plane: RealCluster, admin: httpx.Client, reason: str, code: int
) -> None:
    """The state is true, the message short, a person is told; and the operator comes to rest."""
    stage = open_stage(admin, f"status-{code}")
    policy(stage, reason, "!has(object.status.state.message) || size(object.status.state.message) <= 300")
    words = " ".join(["a value that is not among those that are wanted"] * 9)
    schema = {"properties": {"a": {"enum": [words]}}}
    stage.apply("ends", {"flowSpec": flow_spec(parametersSchema=schema), "parameters": {"a": words + "!"}})
    stage.watch_for({"ends": lambda s: seen(s)["state"] == "Failed/InvalidParameters"}, 20)
    status = stage.statuses["ends"]
    assert seen(status)["state"] == "Failed/InvalidParameters", status
    assert status["completionTime"]
    assert len(status["state"]["message"]) <= 200
    quiet("the operator", lambda: len(asked(plane, "patch", "flowruns/status", stage.namespace)))
    codes = answers(asked(plane, "patch", "flowruns/status", stage.namespace))
    assert code in codes, "it was refused at all"
    assert len(codes) <= 6, codes


def test_a_status_of_which_nothing_is_wanted(plane: RealCluster, admin: httpx.Client) -> None:
    """Tried less and less often; when the policy is gone, the run goes on by itself."""
    stage = open_stage(admin, "status-never")
    policy(stage, "Invalid", "false")
    stage.apply("patient", SPEC)
    began = datetime.now()
    until("some tries", lambda: len(asked(plane, "patch", "flowruns/status", stage.namespace)) >= 6)
    until("three seconds", lambda: (datetime.now() - began).total_seconds() > 3)
    codes = answers(asked(plane, "patch", "flowruns/status", stage.namespace))
    assert set(codes) == {422}
    assert len(codes) <= 30, "a loop"
    for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
        stage.send("DELETE", f"{ADMISSION}/{kind}/{stage.namespace}")
    stage.await_pods(["patient"])


# --- pods are throttled, denied, not answered for ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    made = Webhook(tmp_path_factory.mktemp("webhook"))
    yield made
    made.stop()


def hooked(
    admin: httpx.Client, webhook: Webhook, namespace: str, answer: str | threading.Event, seconds: int = 1
) -> Stage:
    """A namespace whose pods the webhook is asked about."""
    stage = open_stage(admin, namespace)
    webhook.answers[f"/{namespace}"] = answer
    stage.send(
        "POST", f"{ADMISSION}/validatingwebhookconfigurations", webhook.configuration(f"/{namespace}", namespace)
    )
    pod: JSON = {"metadata": {"generateName": "probe-"}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    until("the webhook is asked", lambda: admin.post(f"{stage.core}/pods?dryRun=All", json=pod).status_code >= 400)
    return stage


def test_priority_and_fairness(plane: RealCluster, admin: httpx.Client, webhook: Webhook) -> None:
    """A level whose only seat is taken rejects: 429 with Retry-After. It is waited for, told, and healed."""
    stage = hooked(admin, webhook, "throttled", "not yet", 25)
    limited = {"nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0}
    spec = {"type": "Limited", "limited": {**limited, "limitResponse": {"type": "Reject"}}}
    name = {"name": "none"}
    stage.send("POST", f"{FLOW_CONTROL}/prioritylevelconfigurations", {"metadata": name, "spec": spec})
    account = {"kind": "ServiceAccount", "serviceAccount": {"namespace": "penstock-system", "name": "penstock"}}
    rule = {"verbs": ["create"], "apiGroups": [""], "resources": ["pods"], "namespaces": [stage.namespace]}
    rules = [{"subjects": [account], "resourceRules": [rule]}]
    schema = {"priorityLevelConfiguration": name, "matchingPrecedence": 2, "rules": rules}
    stage.send("POST", f"{FLOW_CONTROL}/flowschemas", {"metadata": name, "spec": schema})

    def in_force() -> bool:
        conditions = stage.send("GET", f"{FLOW_CONTROL}/flowschemas/none").get("status", {}).get("conditions", ())
        return any(c["type"] == "Dangling" and c["status"] == "False" for c in conditions)

    until("the schema is in force", in_force)
    # The seat is taken by a pod that the webhook thinks about.
    thinks = webhook.answers["/throttled"] = threading.Event()
    stage.apply("first", SPEC)
    until("the webhook is asked", lambda: thinks in webhook.asked)
    stage.apply("second", SPEC)
    stage.watch_for({"second": lambda s: "(429" in seen(s)["message"]}, 15)
    told = seen(stage.statuses["second"])
    assert "(429" in told["message"], told
    assert (told["state"], told["degraded"]) == ("Pending/Submitting", None)

    def throttled() -> list[JSON]:
        return [
            line for line in asked(plane, "create", "pods", stage.namespace) if line["responseStatus"]["code"] == 429
        ]

    until("it is tried again", lambda: len(throttled()) >= 2, 20)
    times = [datetime.fromisoformat(line["requestReceivedTimestamp"]) for line in throttled()]
    gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(times)]
    assert min(gaps) >= 0.95, f"Retry-After says a second: {gaps}"
    thinks.set()
    stage.await_pods(["first", "second"])


def test_a_webhook_that_denies(admin: httpx.Client, webhook: Webhook) -> None:
    """Crashed/PodRejected with its words."""
    stage = hooked(admin, webhook, "denied", "no pods on Sundays")
    stage.apply("run", SPEC)
    stage.watch_for({"run": lambda s: bool(s.get("completionTime"))}, 20)
    shown = seen(stage.statuses["run"])
    assert shown["state"] == "Crashed/PodRejected", shown
    assert 'admission webhook "denied.example.com" denied the request: no pods on Sundays' in shown["message"]


def test_a_webhook_that_does_not_answer(admin: httpx.Client, webhook: Webhook) -> None:
    """Pending/Submitting, tried again; when it answers, the run goes on."""
    silence = threading.Event()
    stage = hooked(admin, webhook, "silent", silence)
    stage.apply("run", SPEC)
    stage.watch_for({"run": lambda s: "failed calling webhook" in seen(s)["message"]}, 20)
    assert seen(stage.statuses["run"])["state"] == "Pending/Submitting"
    webhook.answers["/silent"] = None
    silence.set()
    stage.await_pods(["run"])


# --- what was there goes -----------------------------------------------------------------------------------------------------------------


def test_a_revision_goes_with_its_flow(admin: httpx.Client) -> None:
    """The garbage collector takes it; an attempt that would need it again ends Crashed/FlowDeleted, and says so."""
    stage = open_stage(admin, "flow-gone")
    flows = stage.runs.replace("flowruns", "flows")
    body = {"apiVersion": API, "kind": "Flow", "metadata": {"name": "etl"}, "spec": flow_spec()}
    stage.send("POST", flows, body)
    policy_ = {"backoff": {"initialSeconds": 0, "maximumSeconds": 1}}
    stage.apply("again", {"flowRef": {"name": "etl"}, "runPolicy": policy_})
    stage.await_pods(["again"])
    revision = stage.look()["again"]["flow"]["revision"]
    assert stage.client.get(f"{stage.core}/configmaps/{revision}").status_code == 200
    stage.send("DELETE", f"{flows}/etl")
    until("the revision is gone", lambda: stage.client.get(f"{stage.core}/configmaps/{revision}").status_code == 404)
    stage.patch_pod_status("again", {"phase": "Failed", "reason": "OutOfcpu"})
    stage.watch_for({"again": lambda s: bool(s.get("completionTime"))}, 20)
    shown = seen(stage.statuses["again"])
    assert shown["state"] == "Crashed/FlowDeleted"
    assert f"Flow 'etl' was deleted, and its revision {revision}" in shown["message"]


def test_old_revisions_go(admin: httpx.Client) -> None:
    """The newest ten of a Flow stay, and those that live runs use."""
    stage = open_stage(admin, "revisions")
    flows = stage.runs.replace("flowruns", "flows")
    body = {"apiVersion": API, "kind": "Flow", "metadata": {"name": "etl"}, "spec": flow_spec(resources={})}
    stage.send("POST", flows, body)
    made = []
    for number in range(12):
        change = {"spec": {"resources": {"limits": {"memory": f"{number + 1}Mi"}}}}
        stage.send("PATCH", f"{flows}/etl", change, "application/merge-patch+json")
        stage.apply(f"run-{number}", {"flowRef": {"name": "etl"}})
        stage.await_pods([f"run-{number}"])
        made.append(stage.look()[f"run-{number}"]["flow"]["revision"])
        if number:  # the first one's stays in use
            cancel = {"spec": {"desiredState": "Cancelled"}}
            stage.send("PATCH", f"{stage.runs}/run-{number}", cancel, "application/merge-patch+json")
            stage.watch_for({f"run-{number}": lambda s: bool(s.get("completionTime"))}, 20)

    def stored() -> list[str]:
        found = stage.send("GET", f"{stage.core}/configmaps?labelSelector=penstock.dev/flow%3Detl")["items"]
        return [item["metadata"]["name"] for item in found]

    # Which are the newest a server says to the second only.
    until("the others are gone", lambda: len(stored()) in (10, 11))
    assert {made[0], made[-1]} <= set(stored())


def test_a_node_that_is_not_heard_of_and_comes_back(admin: httpx.Client) -> None:
    """Running/NodeUnreachable, Degraded, no second pod; and back, in the same attempt."""
    stage = open_stage(admin, "unreachable")
    stage.send("POST", "/api/v1/nodes", {"metadata": {"name": "node-lost"}, "spec": {}})
    stage.apply("run", SPEC)
    stage.await_pods(["run"])
    stage.bind("run", "node-lost")
    running = {"name": "engine", "image": "x", "imageID": "x", "ready": True, "restartCount": 0}
    running |= {"state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}

    def node(ready: str, reason: str | None = None) -> None:
        conditions = [
            {"type": "Ready", "status": ready, **({"reason": reason} if reason else {})},
            {"type": "ContainersReady", "status": "True"},
            {"type": "PodScheduled", "status": "True"},
        ]
        stage.patch_pod_status("run", {"phase": "Running", "conditions": conditions, "containerStatuses": [running]})

    node("True")
    stage.claim("run")
    for ready, name in (("True", "Running"), ("False", "NodeUnreachable"), ("True", "Running")):
        node(ready)
        stage.watch_for({"run": lambda s, name=name: seen(s)["state"] == f"Running/{name}"}, 15)  # type: ignore[misc]
        shown = seen(stage.statuses["run"])
        assert shown["state"] == f"Running/{name}"
        assert shown["degraded"] == ("NodeUnreachable" if name == "NodeUnreachable" else None)
    assert len(stage.send("GET", f"{stage.core}/pods")["items"]) == 1
