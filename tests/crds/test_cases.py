"""Every rule of the CRDs and of the two admission policies, on real API servers: one of our own, the oldest that we serve, and the newest.

Each case is one request by one actor, with the answer that the API's description promises. They run in order on one namespace: what
an earlier case stored, a later one tries to change.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.world import Answer, World

pytestmark = pytest.mark.real
STRICT = "?fieldValidation=Strict"
FULL = ["create", "patch", "update", "get", "delete"]
END = "2026-01-01T00:00:00Z"
Case = Callable[..., Answer]


@pytest.fixture
def case(subtests: pytest.Subtests) -> Case:
    """Check one case: the code, and a word that the answer must hold."""

    def check(name: str, want: int, got: Answer, contains: str = "") -> Answer:
        with subtests.test(msg=name):
            assert got.code == want, got.text
            assert contains in got.text
        return got

    return check


def run(name: str, /, **spec: Any) -> dict[str, Any]:
    """A FlowRun by reference, unless a flowSpec or nothing is given."""
    spec = {"flowRef": {"name": "f"}, **spec}
    spec = {k: v for k, v in spec.items() if v is not None}
    return {"apiVersion": "penstock.dev/v1alpha1", "kind": "FlowRun", "metadata": {"name": name}, "spec": spec}


def inline(name: str, /, **execution: Any) -> dict[str, Any]:
    """A FlowRun with its flow inline."""
    return run(name, flowRef=None, flowSpec={"entrypoint": "a.py:f", **execution})


def flow(name: str, /, **spec: Any) -> dict[str, Any]:
    """A Flow."""
    spec = {"entrypoint": "a.py:f", **spec}
    return {"apiVersion": "penstock.dev/v1alpha1", "kind": "Flow", "metadata": {"name": name}, "spec": spec}


def status(kind: str, name: str = "", **rest: Any) -> dict[str, Any]:
    """A status with this state."""
    return {"status": {"state": {"type": kind, "name": name or kind}, **rest}}


def test_schema_and_rules_of_flowrun(world: World, case: Case) -> None:
    """What a FlowRun may be, and what of it may change."""

    def post(body: dict[str, Any], query: str = "") -> Answer:
        return world.call("POST", world.runs + query, body)

    two = {"inline": "x", "configMap": {"name": "c"}}
    case("create", 201, post(run("a", parameters={"x": [1, {"y": None}]}), STRICT))
    case("both refs", 422, post(run("b", flowSpec={"entrypoint": "a.py:f"})), "exactly one")
    case("no ref", 422, post(run("b", flowRef=None)), "exactly one")
    case("inline flow", 201, post(inline("inline", source={"inline": "x"}), STRICT))
    case("two sources", 422, post(inline("b", source=two)), "exactly one")
    case("inline source of a module", 422, post(inline("b", entrypoint="a:f", source={"inline": "x"})), "NAME.py")
    case("bad entrypoint", 422, post(inline("b", entrypoint="a.py")), "entrypoint")
    case("unknown field", 400, post(run("b", flowref={"name": "x"}), STRICT), "unknown field")
    case("long name", 422, post(run("x" * 53)), "52")
    case("dotted name", 422, post(run("a.b")), "DNS label")
    case("bad desiredState", 422, post(run("b", desiredState="Stop")), "desiredState")
    case("defaults", 201, post(run("d")), '"desiredState": "Running"')
    case("negative deadline", 422, post(run("b", runPolicy={"activeDeadlineSeconds": 0})), "activeDeadlineSeconds")

    def spec(name: str, **fields: Any) -> Answer:
        return world.merge(name, {"spec": fields})

    case("flowRef immutable", 422, spec("a", flowRef={"name": "g"}), "immutable")
    case("flowRef to flowSpec", 422, spec("a", flowRef=None, flowSpec={"entrypoint": "a.py:f"}), "immutable")
    case("flowSpec immutable", 422, spec("inline", flowSpec={"entrypoint": "b.py:f"}), "immutable")
    case("pause", 200, spec("a", desiredState="Paused"))
    case("inputs", 200, spec("a", inputs={"approve": True}))
    case("priority", 200, spec("a", priority=5))
    case("rename", 200, spec("a", displayName="new"))
    case("retention may change", 200, spec("a", runPolicy={"retention": {"podSeconds": 5}}))
    case("cancel", 200, spec("a", desiredState="Cancelled"))
    case("no way back", 422, spec("a", desiredState="Running"), "withdrawn")
    case("no way back by removal", 422, spec("a", desiredState=None), "withdrawn")
    case("managedBy added later", 422, spec("d", managedBy="x"), "immutable")
    case("rerunOf added later", 422, spec("d", rerunOf={"name": "x"}), "immutable")


def test_rules_of_the_status(world: World, case: Case) -> None:
    """Terminal is terminal, attempts only rise, unknown fields vanish."""
    world.make(world.runs, run("d"))

    def patch(body: dict[str, Any]) -> Answer:
        return world.merge("d", body, "/status")

    def attempt(number: int) -> dict[str, Any]:
        return {"number": number, "podName": f"d-aaaaa-{number}"}

    case("status by admin", 200, patch(status("Pending", attempt=attempt(1))))
    case("main write keeps status", 200, world.merge("d", status("Failed")), '"type": "Pending"')
    case("attempt up", 200, patch(status("Running", attempt=attempt(2))))
    case("attempt down", 422, patch(status("Running", attempt={"number": 1})), "never decreases")
    case("attempt removed", 422, patch({"status": {"attempt": None}}), "never decreases")
    case("unknown type", 422, patch(status("Done")), "state.type")
    case("state removed", 422, patch({"status": {"state": None}}), "may not be removed")
    case("status removed", 422, patch({"status": None}), "may not be removed")
    case("stale resourceVersion", 409, patch({"metadata": {"resourceVersion": "1"}, **status("Failed")}))
    case("terminal", 200, patch(status("Completed", completionTime=END)))
    case("terminal is final", 422, patch(status("Crashed")), "final")
    case("terminal name is final", 422, patch(status("Completed", "Cached")), "final")
    case("terminal message is final", 422, patch({"status": {"state": {"message": "x"}}}), "final")
    case("completionTime is final", 422, patch({"status": {"completionTime": None}}), "final")
    condition = {
        "type": "Finished",
        "status": "True",
        "reason": "Completed",
        "message": "",
        "lastTransitionTime": END,
    }
    case("conditions after the end", 200, patch({"status": {"conditions": [condition]}}))
    bad = {**condition, "type": "X", "reason": "not ok"}
    case("bad condition reason", 422, patch({"status": {"conditions": [bad]}}), "reason")
    pruned = case("pruned", 200, patch({"status": {"nosuch": 1}}))
    assert "nosuch" not in pruned.text
    if world.call("GET", "/version").body["minor"] >= "31":  # selectable fields are alpha before
        query = f"{world.runs}?fieldSelector=status.state.type%3DCompleted"
        case("selectable", 200, world.call("GET", query), '"name": "d"')


def test_schema_and_rules_of_flow(world: World, case: Case) -> None:
    """What a Flow may be."""

    def post(body: dict[str, Any], query: str = "") -> Answer:
        return world.call("POST", world.flows + query, body)

    def scheduled(*schedules: dict[str, Any]) -> dict[str, Any]:
        return flow("g", schedules=list(schedules))

    cron = {"name": "n", "cron": "0 6 * * *"}
    made = case("flow", 201, post(flow("f", schedules=[cron], concurrency={"limit": 3}), STRICT), '"limit": 3')
    # What the server adds inside a list shows as drift at each client-side apply.
    assert json.loads(made.text)["spec"]["schedules"] == [cron]
    case("flow defaults", 200, world.call("GET", f"{world.flows}/f"), '"completed": 100')
    case("cron and interval", 422, post(scheduled({**cron, "intervalSeconds": 60})), "exactly one")
    case("neither", 422, post(scheduled({"name": "n"})), "exactly one")
    for text in (" 0\t6 *  * * ", "*/15 0-6,22 ? JAN-mar Mon,7", "99 99 * * *", "@daily", " @hourly"):
        case(f"cron {text!r}", 201, post(scheduled({**cron, "cron": text}), STRICT + "&dryRun=All"))
    for text in (
        "0 6 * *",
        "* * * * * *",
        "@every 5m",
        "@every -1h",
        "@reboot",
        "@Daily",
        "daily",
        " ",
        "0 0 * * 5#2",
        "+5 * * * *",
    ):
        case(f"cron {text!r}", 422, post(scheduled({**cron, "cron": text})), "five fields")
    case("cron with a zone", 422, post(scheduled({**cron, "cron": "CRON_TZ=UTC 0 6 * * *"})), "into timeZone")
    for zone in (
        "Europe/Berlin",
        "UTC",
        "Etc/GMT+5",
        "America/Argentina/Buenos_Aires",
        "America/Port-au-Prince",
        "EST5EDT",
        "Mars/Base",
    ):
        case(f"zone {zone}", 201, post(scheduled({**cron, "timeZone": zone}), STRICT + "&dryRun=All"))
    for zone in (
        "",
        "Local",
        "local",
        "../etc/passwd",
        "/etc/localtime",
        "Europe/../UTC",
        "Europe/",
        "New York",
        ":UTC",
        "UTC\n",
    ):
        case(f"zone {zone!r}", 422, post(scheduled({**cron, "timeZone": zone})), "tz database")
    case(
        "interval with a zone",
        422,
        post(scheduled({"name": "n", "intervalSeconds": 60, "timeZone": "UTC"})),
        "timeZone is for cron",
    )
    anchored = {"name": "n", "intervalSeconds": 60, "anchorTime": END}
    case("anchored interval", 201, post(scheduled(anchored), STRICT + "&dryRun=All"))
    case("anchored cron", 422, post(scheduled({**cron, "anchorTime": END})), "anchorTime is for intervalSeconds")
    case("same schedule name", 422, post(scheduled(cron, cron)), "Duplicate")
    case("limit 0", 422, post(flow("g", concurrency={"limit": 0})), "limit")
    case("no entrypoint", 422, post({**flow("g"), "spec": {}}), "entrypoint")
    case("flow name", 422, post(flow("x" * 42)), "41")
    case(
        "flow parameters may change",
        200,
        world.call(
            "PATCH", f"{world.flows}/f", {"spec": {"parameters": {"x": 1}}}, kind="application/merge-patch+json"
        ),
    )


@dataclass(frozen=True, slots=True)
class Claims:
    """The engine's two patches."""

    uid: str

    def claim(
        self, instance: str, *, attempt: int = 1, pod: str = "r-aaaaa-1", uid: str = "", again: bool = False
    ) -> Any:
        path = "/status/report/instance" if again else "/status/report"
        return [
            {"op": "test", "path": "/metadata/uid", "value": uid or self.uid},
            {"op": "test", "path": "/status/attempt/number", "value": attempt},
            {"op": "test", "path": "/status/attempt/podName", "value": pod},
            {"op": "test", "path": "/status/completionTime", "value": None},
            {"op": "test", "path": path, "value": instance if again else None},
            {
                "op": "add",
                "path": "/status/report",
                "value": {"attempt": attempt, "instance": instance, "type": "Running"},
            },
        ]

    def report(self, instance: str, **fields: Any) -> Any:
        return [
            {"op": "test", "path": "/status/report/instance", "value": instance},
            {"op": "replace", "path": "/status/report", "value": {"attempt": 1, "instance": instance, **fields}},
        ]


def test_who_writes_the_status(world: World, case: Case) -> None:
    """The operator by its virtual verb; a run's own pod its report; nobody else anything."""
    engine = [{"apiGroups": ["penstock.dev"], "resources": ["flowruns/status"], "verbs": ["patch"]}]
    group = {
        "kind": "Group",
        "apiGroup": "rbac.authorization.k8s.io",
        "name": f"system:serviceaccounts:{world.namespace}",
    }
    world.role("engine", engine, group)
    operator = world.account(
        "operator",
        [{"apiGroups": ["penstock.dev"], "resources": ["flowruns"], "verbs": ["get", "administer"]}, *engine],
    )
    plain = world.account("plain", [{"apiGroups": ["penstock.dev"], "resources": ["flowruns", "flows"], "verbs": FULL}])
    unbound = world.account("runner")
    own = world.token("runner", world.pod("r-aaaaa-1", "runner"))
    other = world.token("runner", world.pod("s-bbbbb-1", "runner"))
    own_uid = world.call("GET", f"/api/v1/namespaces/{world.namespace}/pods/r-aaaaa-1").body["metadata"]["uid"]
    claims = Claims(str(world.make(world.runs, run("r", parameters={"day": "x"}))["metadata"]["uid"]))

    def state(body: dict[str, Any]) -> Answer:
        return world.merge("r", body, "/status", operator)

    def engine_says(operations: Any, token: str = own) -> Answer:
        return world.json_patch("r", operations, token)

    def op(kind: str, path: str, value: Any) -> Any:
        return [{"op": kind, "path": path, "value": value}]

    only = "status.report only"
    case("operator writes status", 200, state(status("Pending", attempt={"number": 1, "podName": "r-aaaaa-1"})))
    case("no claim for another uid", 422, engine_says(claims.claim("i1", uid="0")))
    case("no claim for another attempt", 422, engine_says(claims.claim("i1", attempt=2)))
    case("other pod's token", 422, engine_says(claims.claim("i1"), other), "not the current attempt")
    case("unbound token", 422, engine_says(claims.claim("i1"), unbound), "pod-bound")
    case("claim", 200, engine_says(claims.claim("i1")), '"day": "x"')
    case("claimed once", 422, engine_says(claims.claim("i2")))
    case("second process is not us", 422, engine_says(claims.claim("i2", again=True)))
    case("lost answer", 200, engine_says(claims.claim("i1", again=True)))
    case("progress", 200, engine_says(claims.report("i1", type="Running", progress={"total": 4})))
    case("report of another instance", 422, engine_says(claims.report("i2", type="Completed")))
    done = {"type": "Completed", "name": "Completed"}
    case("engine may not write state", 422, engine_says(op("replace", "/status/state", done)), only)
    case("engine may not raise the attempt", 422, engine_says(op("replace", "/status/attempt/number", 2)), only)
    case("engine may not add conditions", 422, engine_says(op("add", "/status/conditions", [])), only)
    case("engine may not write a result", 422, engine_says(op("add", "/status/result", {"json": "1"})), only)
    case("engine may not write spec", 403, world.merge("r", {"spec": {"priority": 1}}, "", own))
    case("engine may not read", 403, world.call("GET", f"{world.runs}/r", token=own))
    case("engine may not delete", 403, world.call("DELETE", f"{world.runs}/r", token=own))
    case("engine may not create", 403, world.call("POST", world.runs, run("z"), token=own))
    case("engine may not touch pods", 403, world.call("GET", f"/api/v1/namespaces/{world.namespace}/pods", token=own))
    case("unknown report type", 422, engine_says(claims.report("i1", type="Done")), "report.type")
    case("too long message", 422, engine_says(claims.report("i1", type="Failed", message="x" * 1025)), "message")
    case("uid is recorded", 200, state(status("Running", attempt={"podUID": own_uid})))
    case("outcome", 200, engine_says(claims.report("i1", type="Completed", result={"json": "3", "type": "int"})))
    following = {"number": 2, "podName": "r-aaaaa-2", "podUID": None}
    case("next attempt clears the report", 200, state(status("Pending", attempt=following, report=None)))
    case("old pod is refused", 422, engine_says(claims.report("i1", type="Completed")))
    case("old pod's claim is refused", 422, engine_says(claims.claim("i1")))
    completed = status("Completed")
    case("user may not write status", 422, world.merge("r", completed, "/status", world.token("runner")), "pod-bound")
    case("plain user may not write status", 422, world.merge("r", completed, "/status", plain), "pod-bound")
    case("the run ends", 200, state(status("Cancelled", completionTime=END, report=None)))
    second = world.token("runner", world.pod("r-aaaaa-2", "runner"))
    late = claims.claim("i3", attempt=2, pod="r-aaaaa-2")
    case("no claim on a finished run", 422, engine_says(late, second))


def test_who_writes_the_spec(world: World, case: Case) -> None:
    """Free-form fields are immutable; a template is for those who may create pods."""
    both = {"apiGroups": ["penstock.dev"], "resources": ["flowruns", "flows"], "verbs": FULL}
    plain = world.account("plain", [both])
    author = world.account("author", [both, {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}])

    def post(body: dict[str, Any], token: str = plain) -> Answer:
        path = world.runs if body["kind"] == "FlowRun" else world.flows
        return world.call("POST", path, body, token)

    def spec(name: str, **fields: Any) -> Answer:
        return world.merge(name, {"spec": fields}, "", plain)

    def flow_spec(name: str, **fields: Any) -> Answer:
        kind = "application/merge-patch+json"
        return world.call("PATCH", f"{world.flows}/{name}", {"spec": fields}, plain, kind)

    case("plain creates", 201, post(run("p", parameters={"x": 1}, context={"c": 1})))
    case("parameters immutable", 422, spec("p", parameters={"x": 2}), "spec.parameters is immutable")
    case("parameters immutable, removal", 422, spec("p", parameters=None), "spec.parameters is immutable")
    case("context immutable", 422, spec("p", context={"c": 2}), "immutable")
    case("env immutable", 422, spec("p", env=[{"name": "A", "value": "1"}]), "immutable")
    case("image immutable", 422, spec("p", image="x"), "immutable")
    case("runPolicy immutable", 422, spec("p", runPolicy={"gracePeriodSeconds": 1}), "only retention")
    case("retention mutable", 200, spec("p", runPolicy={"retention": {"podSeconds": 1}}))
    case("reschedule while Scheduled", 200, spec("p", scheduledTime="2030-01-01T00:00:00Z"))
    assert world.merge("p", status("Pending"), "/status").code == 200
    case("no reschedule later", 422, spec("p", scheduledTime="2031-01-01T00:00:00Z"), "only while")
    case("cancel by plain user", 200, spec("p", desiredState="Cancelled"))
    template = {"spec": {"serviceAccountName": "cluster-admin"}}
    pods = "may create pods"
    case("template by plain user", 422, post(run("t", template=template)), pods)
    case("template in flowSpec by plain user", 422, post(inline("t", template=template)), pods)
    case("template in Flow by plain user", 422, post(flow("t", template=template)), pods)
    secret = [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]
    case("env from a Secret by plain user", 422, post(run("t", env=secret)), pods)
    case("env from a Secret in flowSpec by plain user", 422, post(inline("t", env=secret)), pods)
    case("env from a Secret in Flow by plain user", 422, post(flow("t", env=secret)), pods)
    plain_env = [{"name": "A", "value": "1"}]
    case("plain env by plain user", 201, post(inline("e", env=plain_env)))
    case("plain env over somebody's Flow by plain user", 422, post(run("e2", env=plain_env)), pods)
    case("plain env over somebody's Flow by author", 201, post(run("e2", env=plain_env), author))
    case("env from a Secret by author", 201, post(run("s", env=secret), author))
    case("template by author", 201, post(run("t", template=template), author))
    case("flow with template by author", 201, post(flow("t", template=template), author))
    case("plain edits that flow, not its template", 200, flow_spec("t", suspend=True))
    case("plain edits its template", 422, flow_spec("t", template={"spec": {"serviceAccountName": "y"}}), pods)
    case("plain labels a run with a template", 200, world.merge("t", {"metadata": {"labels": {"a": "b"}}}, "", plain))
    held = {"metadata": {"finalizers": ["x.y/z"]}}
    case("finalizer added", 200, world.merge("t", held, "", author))
    assert world.call("DELETE", f"{world.runs}/t").code == 200
    free = {"metadata": {"finalizers": None}}
    case("finalizer removed while deleting", 200, world.merge("t", free, "", author))
