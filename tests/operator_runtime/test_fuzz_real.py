"""The fuzz of `test_fuzz` on a real API server, with the operator as a process: what it stores may differ from what we think it stores.

A small pass by default; `PENSTOCK_FUZZ=500` makes 500 Flows and 500 FlowRuns, `PENSTOCK_FUZZ_SEED` others.
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from penstock_operator.api.crd import crds
from tests.support.nasty import Nasty
from tests.support.operatorprocess import OperatorProcess
from tests.support.realserver import RealServer
from tests.support.world import World, until

pytestmark = pytest.mark.real

EACH = int(os.environ.get("PENSTOCK_FUZZ", "12"))
SEED = int(os.environ.get("PENSTOCK_FUZZ_SEED", "7"))
WRITES = 12
ENDED = ("Cancelled", "Completed", "Failed", "Crashed")


States = dict[str, dict[str, Any]]


def states(world: World, what: str, holds: Callable[[States], bool], seconds: float = 30) -> States:
    """Wait until something holds for the states of all runs, by name (empty where a run has none); return them."""
    found: States = {}

    def there() -> bool:
        answer = world.call("GET", world.runs)
        if answer.code != 200:  # a definition that was just changed is not served for a moment
            return False
        found.clear()
        found.update({r["metadata"]["name"]: (r.get("status") or {}).get("state") or {} for r in answer.body["items"]})
        return holds(found)

    until(what, there, seconds)
    return found


def told(found: States) -> bool:
    """Whether each has a clear state."""
    return all(state.get("message") for state in found.values())


def over(found: States) -> bool:
    """Whether each has ended."""
    return all(state.get("type") in ENDED for state in found.values())


def test_odd_flows_and_runs_on_a_real_server(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]
) -> None:
    one = OperatorProcess(server.kubeconfig, tmp_path, (f"--namespace={world.namespace}",))
    operators.append(one)
    one.ready()
    nasty = Nasty(SEED)
    taken = 0
    for number in range(EACH):
        flow = f"nasty-{number}"
        for path, body in (
            (world.flows, nasty.flow(flow)),
            (world.runs, nasty.run(f"run-{number}", flow if number % 2 else None)),
        ):
            answer = world.call("POST", path, body)
            # What we think that it stores, it stores, but for what only a real server knows about metadata.
            assert answer.code == 201 or "metadata." in answer.text, answer.text[:600]
            taken += answer.code == 201
    assert taken > EACH * 1.8
    states(world, "every run has a state", told, 60 + EACH)
    cancelled: set[str] = set()

    def ended(found: States) -> bool:
        # Flows begin runs of their changes by themselves, at any time.
        for name, state in found.items():
            if state.get("type") not in ENDED and name not in cancelled:
                answer = world.merge(name, {"spec": {"desiredState": "Cancelled"}})
                assert answer.code in (200, 404), answer.text
                cancelled.add(name)
        return over(found)

    states(world, "every run has ended", ended, 60 + EACH)
    log = [json.loads(line) for line in one.text().splitlines() if line.startswith("{")]
    assert [line for line in log if "Traceback" in json.dumps(line)] == []
    assert "Traceback" not in one.text()
    counted = one.metrics()
    sent = [n for name, n in counted.items() if re.match(r'penstock_api_requests_total\{.*"flowruns/status"', name)]
    assert sent, counted
    assert sum(map(float, sent)) <= WRITES * EACH


def stored(world: World, body: dict[str, Any]) -> bool:
    """Whether the server has taken a run."""
    return world.call("POST", world.runs, body).code in (201, 409)


def loosened(node: Any) -> Any:
    """A schema as an older CRD had it: without patterns, without bounds of numbers."""
    if isinstance(node, list):
        return [loosened(item) for item in node]
    if not isinstance(node, dict):
        return node
    dropped = (
        {"pattern"}
        if node.get("type") == "string"
        else {"minimum", "maximum"}
        if node.get("type") == "integer"
        else set()
    )
    return {name: loosened(value) for name, value in node.items() if name not in dropped}


OLD: dict[str, dict[str, Any]] = {
    "late": {"scheduledTime": "9999-12-31T23:59:59-14:00"},
    "year-0": {"scheduledTime": "0000-01-01T00:00:00Z"},
    "offset": {"scheduledTime": "2026-01-01T00:00:00+24:00"},
    "comma": {"scheduledTime": "2026-01-01T00:00:00,5Z"},
    "behind": {"scheduledTime": "2026-01-01T00:00:00Ztomorrow"},
    "nel": {"flowSpec": {"entrypoint": "a\x85b.py:f"}},
    "tab": {"flowSpec": {"entrypoint": "a\x0bb.py:f"}},
    "function": {"flowSpec": {"entrypoint": "a.py:f\x85"}},
    "deadline": {"runPolicy": {"activeDeadlineSeconds": 251_606_316_738, "pendingDeadlineSeconds": 2**63 - 1}},
    "retention": {"runPolicy": {"retention": {"podSeconds": 2**62, "runSeconds": 2**62}}},
    "retries": {
        "runPolicy": {"retries": {"application": -5}, "backoff": {"initialSeconds": -(2**62), "maximumSeconds": 2**62}}
    },
}


def test_what_an_older_crd_let_in_has_a_state_and_can_be_cancelled(
    server: RealServer, world: World, tmp_path: Path, operators: list[OperatorProcess]
) -> None:
    """No field of it makes the object invisible: it waits, or ends, with an Event, and the new CRD's refusal of the field is no obstacle."""
    older = [
        {**crd, "spec": {**crd["spec"], "versions": loosened(copy.deepcopy(crd["spec"]["versions"]))}} for crd in crds()
    ]
    try:
        world.apply(older)
        for name, spec in OLD.items():
            body = {"apiVersion": "penstock.dev/v1alpha1", "kind": "FlowRun", "metadata": {"name": name}}
            body["spec"] = {"flowSpec": {"entrypoint": "a:f"}, **spec}
            until(f"the older CRD takes {name}", partial(stored, world, body))
    finally:
        world.apply(crds())
    one = OperatorProcess(server.kubeconfig, tmp_path, (f"--namespace={world.namespace}",))
    operators.append(one)
    one.ready()
    shown = states(world, "every run has a state", told)
    assert shown["late"]["name"] == "Scheduled"
    assert {
        shown[name]["type"] for name in ("year-0", "offset", "comma", "behind", "deadline", "retention", "retries")
    } == {"Pending"}
    for name in ("tab", "function"):
        assert (shown[name]["name"], "entrypoint" in shown[name]["message"]) == ("AwaitingFlow", True)
    for name in OLD:
        assert world.merge(name, {"spec": {"desiredState": "Cancelled"}}).code == 200
    ended = states(world, "every run has ended", over, 60)
    assert {state["type"] for state in ended.values()} == {"Cancelled"}
    events = world.call("GET", f"/apis/events.k8s.io/v1/namespaces/{world.namespace}/events").body["items"]
    assert {event["regarding"]["name"] for event in events} >= set(OLD)
    assert "Traceback" not in one.text()
