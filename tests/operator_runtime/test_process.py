"""The operator as a process, on a real API server: start, end, outages, restarts, two of them, and its rights."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penstock_operator.api.crd import crds
from penstock_operator.runtime.lease import Terms
from penstock_operator.runtime.rights import lease_rules, operator_rules
from penstock_operator.runtime.sync import LONGEST_WAIT
from tests.support.operatorprocess import OperatorProcess
from tests.support.realserver import RealServer
from tests.support.world import World, until

pytestmark = pytest.mark.real

ENDS_WITHIN = 3.0  # a tenth of a second on a quiet machine, a second is promised; tests share theirs with others
SPEC = {"flowSpec": {"entrypoint": "a.py:f", "source": {"inline": "def f(): pass"}}}


def apply(world: World, name: str, spec: dict[str, Any] | None = None) -> None:
    body = {"apiVersion": "penstock.dev/v1alpha1", "kind": "FlowRun", "metadata": {"name": name}, "spec": spec or SPEC}
    world.make(world.runs, body)


def status(world: World, name: str) -> dict[str, Any]:
    return dict(world.call("GET", f"{world.runs}/{name}").body.get("status") or {})


def pods(world: World) -> list[dict[str, Any]]:
    return list(world.call("GET", f"/api/v1/namespaces/{world.namespace}/pods").body["items"])


def wait(world: World, name: str, state: str, seconds: float = 20) -> None:
    def there() -> bool:
        return bool((status(world, name).get("state") or {}).get("type") == state)

    until(f"{name} is {state}: {status(world, name)}", there, seconds)


def begin(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess], *more: str
) -> OperatorProcess:
    """Start an operator for the test's own namespace, with the administrator's rights."""
    one = OperatorProcess(server.kubeconfig, tmp_path, (f"--namespace={world.namespace}", *more))
    operators.append(one)
    return one


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess], number: signal.Signals
) -> None:
    one = begin(server, world, tmp_path, operators).ready()
    apply(world, "etl")
    wait(world, "etl", "Pending")
    code, seconds = one.stop(number)
    assert code == 0
    assert seconds < ENDS_WITHIN
    assert "Traceback" not in one.text()


def test_it_waits_for_the_crds(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]
) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/flows.penstock.dev"
    assert world.call("DELETE", path).code == 200
    until("the CRD is gone", lambda: world.call("GET", path).code == 404)
    one = begin(server, world, tmp_path, operators)
    one.says("are the CRDs of penstock.dev installed")
    world.apply(crds())
    one.ready()
    apply(world, "etl")
    wait(world, "etl", "Pending")


def test_an_outage_of_the_api_server(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]
) -> None:
    """Watches come back by themselves, nothing is restarted, and what is applied afterwards is seen at once."""
    one = begin(server, world, tmp_path, operators).ready()
    apply(world, "before")
    wait(world, "before", "Pending")
    server.stop_apiserver()
    time.sleep(3)  # the outage itself
    assert one.ask("/livez")[0] == 200
    server.start_apiserver()
    apply(world, "after")
    wait(world, "after", "Pending", 10)
    until("both have pods", lambda: len(pods(world)) == 2)
    assert one.process.poll() is None


def test_kill_and_restart_make_one_pod_each(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]
) -> None:
    """Killed at any point: whatever was under way is found again, and done once."""
    count = 30
    for number in range(count):
        apply(world, f"run-{number}")
    for pause in (0.0, 0.02, 0.05, 0.1, 0.15):
        one = begin(server, world, tmp_path, operators).ready()
        time.sleep(pause)  # where in its work the operator is killed
        one.kill()
    begin(server, world, tmp_path, operators).ready()
    for number in range(count):
        wait(world, f"run-{number}", "Pending")
    until("all have pods", lambda: len(pods(world)) >= count)
    names = [pod["metadata"]["labels"]["penstock.dev/flow-run"] for pod in pods(world)]
    assert sorted(names) == sorted(f"run-{n}" for n in range(count))


def test_a_deadline_outlives_the_operator(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]
) -> None:
    """It counts from the first one's observation, not from the second one's start."""
    first = begin(server, world, tmp_path, operators).ready()
    apply(world, "etl", {**SPEC, "runPolicy": {"pendingDeadlineSeconds": 6}})
    wait(world, "etl", "Pending")
    since = datetime.fromisoformat(status(world, "etl")["state"]["since"])
    until("four seconds are over", lambda: (datetime.now(UTC) - since).total_seconds() > 4)
    first.kill()
    killed = datetime.now(UTC)
    begin(server, world, tmp_path, operators).ready()
    wait(world, "etl", "Crashed")
    ended = datetime.fromisoformat(status(world, "etl")["completionTime"])
    assert (ended - since).total_seconds() >= 6, "too early"
    assert (ended - killed).total_seconds() < 6, "counted from the second operator's start"


def test_two_operators_and_one_lease(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]
) -> None:
    """The second stands by with full caches, and does not wait for the lease to run out: the first gave it back."""
    flags = ("--leader-elect", f"--lease-namespace={world.namespace}")
    first = begin(server, world, tmp_path, operators, *flags).ready("leading")
    second = begin(server, world, tmp_path, operators, *flags).ready("standing by")
    apply(world, "one")
    wait(world, "one", "Pending")
    assert first.stop()[0] == 0
    begun = time.monotonic()
    apply(world, "two")
    wait(world, "two", "Pending")
    assert time.monotonic() - begun < Terms().duration
    assert second.ask("/readyz") == (200, "ok: leading\n")
    until("both have pods", lambda: len(pods(world)) == 2)


def test_two_that_decide_at_once_make_one_pod_each(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]
) -> None:
    """As after a partition, when each takes itself for the leader: names and resourceVersions are enough, no lease is needed."""
    both = [begin(server, world, tmp_path, operators).ready() for _ in range(2)]
    names: list[str] = []
    # Whichever hears of a run first is done with it before the other looks: as many runs as it takes for both to have had their say.
    while len(names) < 20 or not all(_has_written(one) for one in both):
        assert len(names) < 400, "one of them never wrote anything"
        names += [f"run-{number:03}" for number in range(len(names), len(names) + 20)]
        for name in names[-20:]:
            apply(world, name)
        for name in names[-20:]:
            wait(world, name, "Pending")
    until("all have pods", lambda: len(pods(world)) >= len(names))
    for one in both:
        assert one.metrics()["penstock_leader"] == "1.0"
        assert one.stop()[0] == 0
    assert sorted(pod["metadata"]["labels"]["penstock.dev/flow-run"] for pod in pods(world)) == names
    assert {status(world, name)["attempt"]["number"] for name in names} == {1}


def _has_written(one: OperatorProcess) -> bool:
    return any(name.startswith("penstock_api_requests_total") and 'verb="patch"' in name for name in one.metrics())


def test_a_leader_that_lost_the_lease_ends(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]
) -> None:
    flags = ("--leader-elect", f"--lease-namespace={world.namespace}")
    one = begin(server, world, tmp_path, operators, *flags).ready("leading")
    path = f"/apis/coordination.k8s.io/v1/namespaces/{world.namespace}/leases/penstock-operator"
    taken = {"spec": {"holderIdentity": "somebody else"}}
    assert world.call("PATCH", path, taken, kind="application/merge-patch+json").code == 200
    assert one.process.wait(10) == 1
    assert "the lease is held by somebody else" in one.text()


def test_a_missing_right_is_named_and_waited_for(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]
) -> None:
    rules = [rule for rule in operator_rules() if rule["resources"] != ["flows"]]
    token = world.account("operator", rules)
    kubeconfig = server.write_kubeconfig("poor.kubeconfig", token, world.namespace)
    one = OperatorProcess(kubeconfig, tmp_path, (f"--namespace={world.namespace}",))
    operators.append(one)
    one.says('cannot list resource \\"flows\\"')
    assert one.process.poll() is None
    subject = {"kind": "ServiceAccount", "name": "operator", "namespace": world.namespace}
    world.role("more", operator_rules(), subject)
    one.ready()


def test_its_rights_are_enough_and_all_are_listed(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]
) -> None:
    """What the server's audit log says it asked for, with a token that has the table's rights and no other."""
    token = world.account("operator", [*operator_rules(), *lease_rules()])
    kubeconfig = server.write_kubeconfig("operator.kubeconfig", token, world.namespace)
    one = OperatorProcess(kubeconfig, tmp_path, (f"--namespace={world.namespace}", "--leader-elect"))
    operators.append(one)
    one.ready("leading")
    flow = {"entrypoint": "a.py:f", "source": {"inline": "def f(): pass"}}
    world.make(
        world.flows, {"apiVersion": "penstock.dev/v1alpha1", "kind": "Flow", "metadata": {"name": "f"}, "spec": flow}
    )
    apply(world, "etl", {"flowRef": {"name": "f"}})
    wait(world, "etl", "Pending")
    until("it has a pod", lambda: len(pods(world)) == 1)
    assert world.merge("etl", {"spec": {"desiredState": "Cancelled"}}).code == 200
    until("its pod is told to end", lambda: all("deletionTimestamp" in pod["metadata"] for pod in pods(world)))
    user = f"system:serviceaccount:{world.namespace}:operator"
    allowed = {
        (verb, rule["apiGroups"][0], rule["resources"][0])
        for rule in [*operator_rules(), *lease_rules()]
        for verb in rule["verbs"]
    }
    used = {
        ("list", "penstock.dev", "flowruns"),
        ("watch", "", "pods"),
        ("patch", "penstock.dev", "flowruns/status"),
        ("create", "", "pods"),
        ("create", "", "configmaps"),
        ("create", "events.k8s.io", "events"),
        ("update", "coordination.k8s.io", "leases"),
    }

    def asked() -> set[tuple[str, str, str]]:
        return {
            (r["verb"], r["objectRef"].get("apiGroup", ""), _resource(r["objectRef"]))
            for r in server.audit()
            if r["user"]["username"] == user and "objectRef" in r
        }

    until("all of it is in the audit log", lambda: used <= asked())
    assert asked() <= allowed
    assert "forbidden" not in one.text().lower()


def _resource(reference: dict[str, Any]) -> str:
    return "/".join(filter(None, (reference["resource"], reference.get("subresource"))))


# What an administrator's alerts and boards are written for.
METRICS = (
    "penstock_runs", "penstock_run_transitions_total", "penstock_attempts_judged_total", "penstock_queue_depth",
    "penstock_queue_wait_seconds", "penstock_reconcile_seconds", "penstock_api_requests_total", "penstock_api_request_seconds",
    "penstock_event_to_status_seconds", "penstock_leader", "penstock_watch_age_seconds", "penstock_status_conflicts_total",
)  # fmt: skip


def test_its_metrics(server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]) -> None:
    one = begin(server, world, tmp_path, operators).ready()
    apply(world, "etl")
    wait(world, "etl", "Pending")
    text = one.ask("/metrics")[1]
    families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    assert set(METRICS) <= families
    until("it has taken its time", lambda: float(one.metrics()["penstock_event_to_status_seconds_count"]) >= 1)
    until("it has counted the run", lambda: one.metrics()['penstock_runs{type="Pending"}'] == "1.0")
    values = one.metrics()
    assert values["penstock_leader"] == "1.0"
    assert any("flowruns" in name for name in values if name.startswith("penstock_watch_age_seconds"))


def test_an_idle_operator_asks_for_nothing(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]
) -> None:
    one = begin(server, world, tmp_path, operators).ready()
    apply(world, "etl")
    wait(world, "etl", "Pending")
    until("it has a pod", lambda: len(pods(world)) == 1)

    def asked() -> dict[str, str]:
        return {name: n for name, n in one.metrics().items() if name.startswith("penstock_api_requests_total")}

    def is_quiet() -> bool:
        before = asked()
        time.sleep(LONGEST_WAIT / 4 + 0.5)  # the quiet itself
        return asked() == before

    until("its Event is posted", lambda: "penstock_events_posted_total" in one.ask("/metrics")[1])
    # Where the server was still making its caches, what is listed beside the watches is listed again after LONGEST_WAIT / 4.
    until("it asks for nothing", is_quiet)
    rss = next(line for line in Path(f"/proc/{one.process.pid}/status").read_text().splitlines() if "VmRSS" in line)
    assert int(rss.split()[1]) < 80_000
