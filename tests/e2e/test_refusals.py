"""17. What a real API server refuses by itself, and what needs no pod: quota, security, policies, webhooks, names, gates, retention.

Each namespace refuses pods for a reason of its own; the rows are applied to it at once. Neighbours: `test_played`, where pods have fates.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from penstock_operator.api import constants as k
from penstock_operator.core.canonical import digest_text
from tests.support.builders import flow_spec
from tests.support.played import NO_RETRIES, Row, Stage, met, open_stage, seen
from tests.support.world import MERGE, until

JSON = dict[str, Any]
SPEC: JSON = {"flowSpec": flow_spec()}
LONG = {"backoff": {"initialSeconds": 3600, "maximumSeconds": 3600}}

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

ENGINE = k.ENGINE_CONTAINER


def with_template(**spec: Any) -> JSON:
    return {"flowSpec": flow_spec(), "template": {"spec": spec}, "runPolicy": LONG}


def limited(**resources: Any) -> JSON:
    return with_template(containers=[{"name": ENGINE, "resources": resources}])


ACCOUNT = Row(
    "a missing ServiceAccount: Pending/ConfigError, the name",
    with_template(serviceAccountName="late"),
    "Pending/ConfigError",
    says=('serviceaccount "late" not found',),
    degraded="ConfigError",
)
GATED: JSON = {
    "flowSpec": flow_spec(),
    "template": {"spec": {"schedulingGates": [{"name": "example.com/wait"}]}},
    "runPolicy": {"pendingDeadlineSeconds": 4},
}


@pytest.fixture(scope="module")
def refusing(admin: httpx.Client) -> dict[str, Stage]:
    """Namespaces that refuse pods, each for a reason of its own."""
    stages = {
        name: open_stage(admin, name, **labels)
        for name, labels in {
            "quota": {},
            "security": {"pod-security.kubernetes.io/enforce": "restricted"},
            "limits": {},
            "policy": {},
            "webhook": {},
            "free": {},
        }.items()
    }
    quota = stages["quota"].core + "/resourcequotas"
    stages["quota"].send("POST", quota, {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}})
    until("the quota counts", lambda: "hard" in admin.get(f"{quota}/none").json().get("status", {}))
    limits = [{"type": "Container", "max": {"memory": "128Mi"}}]
    body: JSON = {"metadata": {"name": "small"}, "spec": {"limits": limits}}
    stages["limits"].send("POST", stages["limits"].core + "/limitranges", body)
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    group = "/apis/admissionregistration.k8s.io/v1"
    only = {"matchLabels": {"kubernetes.io/metadata.name": "policy"}}
    policy = {"matchConstraints": {"namespaceSelector": only, "resourceRules": rules}}
    policy |= {"validations": [{"expression": "false", "message": "no pods on Saturdays"}]}  # type: ignore[dict-item]
    stages["policy"].send("POST", f"{group}/validatingadmissionpolicies", {"metadata": {"name": "x"}, "spec": policy})
    binding = {"metadata": {"name": "x"}, "spec": {"policyName": "x", "validationActions": ["Deny"]}}
    stages["policy"].send("POST", f"{group}/validatingadmissionpolicybindings", binding)
    hook = {
        "name": "nobody.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": rules,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "webhook"}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    stages["webhook"].send(
        "POST", f"{group}/validatingwebhookconfigurations", {"metadata": {"name": "x"}, "webhooks": [hook]}
    )
    pod: JSON = {"metadata": {"generateName": "probe-"}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    for name in ("policy", "webhook"):  # what admits is read by the server from its caches
        path = f"{stages[name].core}/pods?dryRun=All"
        until(f"{name} refuses", lambda path=path: admin.post(path, json=pod).status_code >= 400)  # type: ignore[misc]
    # What takes long begins first; its tests come later.
    free = stages["free"]
    free.apply("account", ACCOUNT.spec)
    free.apply("gated", GATED)
    for name, rows in REFUSING.items():
        for row in rows:
            stages[name].apply(_name(row), row.spec)
    for name, rows in REFUSING.items():
        stages[name].watch_for({_name(row): lambda s, row=row: met(row, s) for row in rows}, 20)  # type: ignore[misc]
    free.watch_for({"account": lambda s: met(ACCOUNT, s)}, 15)
    free.send("POST", f"{free.core}/serviceaccounts", {"metadata": {"name": "late"}})
    return stages


def _name(row: Row) -> str:
    return "run-" + digest_text(row.id)[:8]


REFUSING: dict[str, tuple[Row, ...]] = {
    "quota": (
        Row(
            "quota: Pending/QuotaExceeded, the numbers",
            {"flowSpec": flow_spec()},
            "Pending/QuotaExceeded",
            says=("requested: pods=1, used: pods=0, limited: pods=0",),
        ),
        Row(
            "quota for longer than pendingDeadline: Crashed/QuotaExceeded",
            {"flowSpec": flow_spec(), "runPolicy": {"pendingDeadlineSeconds": 3}},
            "Crashed/QuotaExceeded",
            says=("pendingDeadlineSeconds (3 s)", "exceeded quota"),
        ),
    ),
    "security": (
        Row(
            "PodSecurity: Crashed/PodRejected, the API's message",
            with_template(hostNetwork=True),
            "Crashed/PodRejected",
            says=("violates PodSecurity", "host namespaces"),
        ),
    ),
    "limits": (
        Row(
            "LimitRange: Crashed/PodRejected",
            limited(limits={"memory": "1Gi"}),
            "Crashed/PodRejected",
            says=("maximum memory usage per Container is 128Mi, but limit is 1Gi",),
        ),
    ),
    "policy": (
        Row(
            "denied by an admission policy: Crashed/PodRejected",
            {"flowSpec": flow_spec()},
            "Crashed/PodRejected",
            says=("no pods on Saturdays",),
        ),
    ),
    "webhook": (
        Row(
            "webhook failed: Pending/Submitting, tried again",
            {"flowSpec": flow_spec()},
            "Pending/Submitting",
            says=("failed calling webhook",),
        ),
    ),
    "free": (
        Row(
            "422: Crashed/PodRejected",
            limited(requests={"cpu": "2"}, limits={"cpu": "1"}),
            "Crashed/PodRejected",
            says=("must be less than or equal to cpu limit",),
        ),
        Row(
            "nobody schedules it for longer than pendingDeadline: Crashed/Submitting",
            {"flowSpec": flow_spec(), "runPolicy": {"pendingDeadlineSeconds": 3}},
            "Crashed/Submitting",
            says=("pendingDeadlineSeconds (3 s)",),
        ),
        Row(
            "scheduledTime ahead: Scheduled/Scheduled",
            {"flowSpec": flow_spec(), "scheduledTime": "2099-01-01T00:00:00Z"},
            "Scheduled/Scheduled",
            says=("2099-01-01T00:00:00Z",),
        ),
        Row(
            "flowRef finds no Flow: Scheduled/AwaitingFlow",
            {"flowRef": {"name": "nowhere"}},
            "Scheduled/AwaitingFlow",
            says=("no Flow 'nowhere'",),
        ),
        Row(
            "rerunOf names no run: Scheduled/AwaitingFlow, Degraded",
            {"flowSpec": flow_spec(), "rerunOf": {"name": "before"}},
            "Scheduled/AwaitingFlow",
            says=("'before'",),
            degraded="AwaitingFlow",
        ),
        Row(
            "flowSpec unusable: Failed/InvalidFlow",
            {"flowSpec": flow_spec(parametersSchema={"type": "nonsense"})},
            "Failed/InvalidFlow",
            says=("parametersSchema",),
        ),
        Row(
            "a pattern that backtracks for ever: Failed/InvalidFlow, and the operator goes on",
            {
                "flowSpec": flow_spec(parametersSchema={"properties": {"a": {"pattern": "^(a+)+$"}}}),
                "parameters": {"a": "a" * 60 + "!"},
            },
            "Failed/InvalidFlow",
            says=("takes more than a second of CPU time to check",),
        ),
        Row(
            "parameters fail the schema: Failed/InvalidParameters, path of the value",
            {
                "flowSpec": flow_spec(parametersSchema={"properties": {"a": {"minimum": 3}}}),
                "parameters": {"a": 1},
            },
            "Failed/InvalidParameters",
            says=("parameters.a", "1 is less than the minimum of 3"),
        ),
        *(
            Row(
                f"{desired} before there is a pod: Paused/{desired}",
                {"flowSpec": flow_spec(), "desiredState": desired},
                f"Paused/{desired}",
            )
            for desired in ("Paused", "Suspended")
        ),
        Row(
            "Cancelled before there is a pod: Cancelled/Cancelled",
            {"flowSpec": flow_spec(), "scheduledTime": "2099-01-01T00:00:00Z", "desiredState": "Cancelled"},
            "Cancelled/Cancelled",
        ),
    ),
}


@pytest.mark.parametrize(("name", "row"), [(name, row) for name, rows in REFUSING.items() for row in rows], ids=str)
def test_refused(refusing: dict[str, Stage], name: str, row: Row) -> None:
    status = refusing[name].statuses.get(_name(row), {})
    assert met(row, status), f"{row.state} {row.says} became {json.dumps(seen(status))}"


@pytest.fixture
def deep() -> Iterator[None]:
    """A test writes and reads what is nested deep; an operator must do with the usual limit."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(before)


def test_a_thousand_levels(deep: None, admin: httpx.Client) -> None:
    """Of parameters: Failed/InvalidParameters; of a schema: Failed/InvalidFlow. The operator reads on."""
    stage = open_stage(admin, "deep")
    value: JSON = {}
    for _ in range(1_000):
        value = {"x": value}
    stage.apply("parameters", {"flowSpec": flow_spec(), "parameters": value})
    stage.apply("schema", {"flowSpec": flow_spec(parametersSchema={"default": value})})
    stage.apply("simple", SPEC)
    states = {
        "parameters": "Failed/InvalidParameters",
        "schema": "Failed/InvalidFlow",
        "simple": "Pending/Submitting",
    }
    stage.watch_for({n: lambda s, state=state: seen(s)["state"] == state for n, state in states.items()}, 20)  # type: ignore[misc]
    assert {name: seen(status)["state"] for name, status in stage.statuses.items()} == states
    for name in ("parameters", "schema"):
        assert "nested deeper than 100 levels" in seen(stage.statuses[name])["message"]
        stage.send("DELETE", f"{stage.runs}/{name}")


def test_a_missing_service_account_heals(refusing: dict[str, Stage]) -> None:
    """Pending/ConfigError, Degraded, with the name; when the account is there, the pod is made."""
    free = refusing["free"]
    assert met(ACCOUNT, free.statuses["account"]), seen(free.statuses["account"])
    free.await_pods(["account"])
    free.watch_for({"account": lambda s: seen(s)["state"] == "Pending/Submitting"}, 15)
    assert seen(free.statuses["account"])["degraded"] is None


def test_a_foreign_pod_under_our_name(refusing: dict[str, Stage]) -> None:
    """Crashed/PodNameConflict; the other's pod is left alone."""
    free = refusing["free"]
    free.apply("taken", {"flowSpec": flow_spec(), "desiredState": "Paused"})
    uid = free.send("GET", f"{free.runs}/taken")["metadata"]["uid"]
    name = f"taken-{digest_text(uid)[:5]}-1"
    pod = {"metadata": {"name": name}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    theirs = free.send("POST", f"{free.core}/pods", pod)["metadata"]["uid"]
    free.send("PATCH", f"{free.runs}/taken", {"spec": {"desiredState": "Running"}}, MERGE)
    free.watch_for({"taken": lambda s: bool(s.get("completionTime"))}, 15)
    assert seen(free.statuses["taken"])["state"] == "Crashed/PodNameConflict"
    left = free.send("GET", f"{free.core}/pods/{name}")["metadata"]
    assert left["uid"] == theirs
    assert "deletionTimestamp" not in left


def test_a_gate_that_opens(refusing: dict[str, Stage]) -> None:
    """Gated for longer than pendingDeadline it waits; the deadline counts from the moment at which the gate opens."""
    free = refusing["free"]
    pod = free.pod("gated")["metadata"]["name"]
    free.watch_for({"gated": lambda s: seen(s)["state"] == "Pending/SchedulingGated"}, 15)
    began = datetime.fromisoformat(free.statuses["gated"]["state"]["since"])
    until("six seconds behind the gate", lambda: (datetime.now(UTC) - began).total_seconds() > 6)
    assert seen(free.look()["gated"])["state"] == "Pending/SchedulingGated"
    free.send("PATCH", f"{free.core}/pods/{pod}", {"spec": {"schedulingGates": None}}, MERGE)
    # The word of the gate stays until the scheduler has looked at the pod.
    false = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes: 1 Insufficient cpu.",
    }
    free.patch_pod_status("gated", {"conditions": [false]})
    opened = datetime.now(UTC)
    free.watch_for({"gated": lambda s: bool(s.get("completionTime"))}, 20)
    status = free.statuses["gated"]
    assert seen(status)["state"] == "Crashed/Unschedulable"
    assert "pendingDeadlineSeconds (4 s)" in seen(status)["message"]
    assert (datetime.fromisoformat(status["completionTime"]) - opened).total_seconds() > 3


def test_retention(refusing: dict[str, Stage]) -> None:
    """The pod goes after `podSeconds`, the run after `runSeconds`; one that Helm tracks stays, and says so while it lives."""
    free = refusing["free"]
    ended = {"flowSpec": flow_spec(parametersSchema={"required": ["a"]})}  # ends before there is a pod
    soon = {"runPolicy": {"retries": NO_RETRIES, "retention": {"runSeconds": 2}}}
    free.apply("short", {**ended, **soon})
    free.apply("tracked", {**ended, **soon}, **{"app.kubernetes.io/managed-by": "Helm"})
    free.apply("living", {**SPEC, **soon}, **{"app.kubernetes.io/managed-by": "Helm"})
    free.apply("logs", {**SPEC, "runPolicy": {"retries": NO_RETRIES, "retention": {"podSeconds": 2}}})
    free.patch_pod_status("logs", {"phase": "Failed", "reason": "OutOfcpu"})
    free.watch_for({"logs": lambda s: seen(s)["state"] == "Crashed/NodeRejected"}, 15)
    pod = free.pod("logs")["metadata"]["name"]
    until("the pod is gone", lambda: free.client.get(f"{free.core}/pods/{pod}").status_code == 404, 20)
    until("the run is gone", lambda: "short" not in free.look(), 20)
    status = free.look()
    assert seen(status["logs"])["state"] == "Crashed/NodeRejected"
    assert seen(status["tracked"])["state"] == "Failed/InvalidParameters"
    assert seen(status["living"])["state"] == "Pending/Submitting"
    assert seen(status["living"])["degraded"] == "RetentionIgnored"
