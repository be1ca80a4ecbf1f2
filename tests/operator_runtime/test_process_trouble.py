"""The operator as a process, on a real API server that has forgotten, refuses, or takes a namespace away."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock_operator.runtime.rights import operator_rules
from tests.operator_runtime.test_process import SPEC, apply, begin, pods, status, wait
from tests.support.operatorprocess import OperatorProcess
from tests.support.realserver import RealServer
from tests.support.world import World, until

pytestmark = pytest.mark.real


def compact(server: RealServer) -> None:
    """Let etcd forget everything but what is there now."""
    with httpx.Client(base_url=server.etcd_url, trust_env=False) as etcd:
        now = etcd.post("/v3/kv/range", json={"key": "AA=="}).json()["header"]["revision"]
        etcd.post("/v3/kv/compaction", json={"revision": now, "physical": True}).raise_for_status()


def test_a_watch_that_is_behind_what_etcd_remembers(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]
) -> None:
    """410: it lists anew, by itself, and finds what came and what went meanwhile."""
    one = begin(server, world, tmp_path, operators).ready()
    for name in ("stays", "goes"):
        apply(world, name)
        wait(world, name, "Pending")

    def lists() -> int:
        about = {"resource": "flowruns", "namespace": world.namespace}
        told = (r.get("objectRef") or {} for r in server.audit() if r["verb"] == "list")
        return sum(about.items() <= reference.items() for reference in told)

    before = lists()
    one.process.send_signal(signal.SIGSTOP)
    server.stop_apiserver()
    server.start_apiserver()  # with an empty cache: it knows nothing older than now
    assert world.call("DELETE", f"{world.runs}/goes").code == 200
    for number in range(5):
        apply(world, f"came-{number}")
    compact(server)
    server.stop_apiserver()
    server.start_apiserver()
    one.process.send_signal(signal.SIGCONT)
    for number in range(5):
        wait(world, f"came-{number}", "Pending", 30)
    assert lists() > before, "it listed anew"
    assert one.process.poll() is None
    until("what went is forgotten", lambda: one.metrics()['penstock_runs{type="Pending"}'] == "6.0")


def test_a_missing_right_to_create_pods(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]
) -> None:
    """Pending/Forbidden, Degraded, the missing rule by its name; with the right the pod is made."""
    rules = operator_rules()
    poor: list[dict[str, Any]] = [
        {**rule, "verbs": [verb for verb in rule["verbs"] if verb != "create"]}
        if rule["resources"] == ["pods"]
        else rule
        for rule in rules
    ]
    token = world.account("operator", poor)
    kubeconfig = server.write_kubeconfig("no-pods.kubeconfig", token, world.namespace)
    one = OperatorProcess(kubeconfig, tmp_path, (f"--namespace={world.namespace}",))
    operators.append(one)
    one.ready()
    apply(world, "etl")
    until("it is told", lambda: (status(world, "etl").get("state") or {}).get("name") == "Forbidden")
    told = status(world, "etl")
    assert 'cannot create resource "pods" in API group ""' in told["state"]["message"]
    degraded = next(c for c in told["conditions"] if c["type"] == "Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "Forbidden")
    subject = {"kind": "ServiceAccount", "name": "operator", "namespace": world.namespace}
    world.role("more", rules, subject)
    one.stop()  # it would try again after a minute; a new one tries at once
    again = OperatorProcess(kubeconfig, tmp_path, (f"--namespace={world.namespace}",))
    operators.append(again)
    until("it has a pod", lambda: len(pods(world)) == 1)
    until("it is well", lambda: (status(world, "etl").get("state") or {}).get("name") == "Submitting")


def test_a_namespace_that_is_being_terminated(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]
) -> None:
    """Pending/Submitting with the server's words, tried less and less often. No controller takes the namespace away here."""
    apply(world, "etl", {**SPEC, "desiredState": "Paused"})
    begin(server, world, tmp_path, operators).ready()
    wait(world, "etl", "Paused")
    assert world.call("DELETE", f"/api/v1/namespaces/{world.namespace}").code == 200
    assert world.merge("etl", {"spec": {"desiredState": "Running"}}).code == 200
    until("it is told", lambda: "being terminated" in (status(world, "etl").get("state") or {}).get("message", ""))
    state = status(world, "etl")["state"]
    assert (state["type"], state["name"]) == ("Pending", "Submitting")
    assert pods(world) == []


def test_two_operators_share_slots(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]
) -> None:
    """Each takes itself for the leader: nobody is doubled or forgotten, and both give the slots away in the same order."""
    begin(server, world, tmp_path, operators).ready()
    spec = {**SPEC["flowSpec"], "concurrency": {"limit": 2}}
    body = {"apiVersion": "penstock.dev/v1alpha1", "kind": "Flow", "metadata": {"name": "shared"}, "spec": spec}
    world.make(world.flows, body)
    names = [f"run-{number}" for number in range(8)]
    for name in names:
        apply(world, name, {"flowRef": {"name": "shared"}})

    def shown() -> dict[str, str]:
        items = world.call("GET", world.runs).body["items"]
        return {i["metadata"]["name"]: (i.get("status", {}).get("state") or {}).get("name", "") for i in items}

    def wait_for_waiting(number: int) -> None:
        until(f"{number} wait", lambda: list(shown().values()).count("AwaitingConcurrencySlot") == number)

    # The order is that of runs that wait: of new ones, two that lead may each begin as many as there are slots.
    wait_for_waiting(6)
    begin(server, world, tmp_path, operators).ready()
    for left in range(8, 0, -2):
        wait_for_waiting(max(0, left - 2))
        holding = [name for name, state in shown().items() if state == "Submitting"]
        assert len(holding) == 2, shown()
        for name in holding:
            until("it has a pod", lambda name=name: name in labels(world))  # type: ignore[misc]
            assert world.merge(name, {"spec": {"desiredState": "Cancelled"}}).code == 200
        for name in holding:
            wait(world, name, "Cancelled")
    assert set(shown().values()) == {"Cancelled"}
    assert {status(world, name)["attempt"]["number"] for name in names} == {1}


def labels(world: World) -> list[str]:
    return [pod["metadata"]["labels"]["penstock.dev/flow-run"] for pod in pods(world)]
