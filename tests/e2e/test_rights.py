"""20. After all stories: what the operator asked the real API server for, against the rights that it was given; and what it logged.

The audit logs of the control planes that the stories shared tell, so this comes last. Its name keeps it there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest

from penstock_operator.api.constants import ADMINISTER_VERB
from penstock_operator.runtime.rights import lease_rules, operator_rules
from tests.support.cluster import Cluster, RealCluster
from tests.support.flows import run
from tests.support.played import open_stage, seen
from tests.support.world import until

OPERATOR = "system:serviceaccount:penstock-system:penstock"
Right = tuple[str, str, str]  # verb, group, resource

GRANTED: set[Right] = {
    (verb, rule["apiGroups"][0], rule["resources"][0])
    for rule in [*operator_rules(), *lease_rules()]
    for verb in rule["verbs"]
}
# What no story shows, and why it is needed all the same.
UNSEEN: dict[Right, str] = {
    (
        ADMINISTER_VERB,
        "penstock.dev",
        "flowruns",
    ): "no request: the admission policy asks whether the operator holds it",
    (
        "patch",
        "events.k8s.io",
        "events",
    ): "an Event that comes again within minutes is counted up; no story waits for that",
}
STORIES = {"test_played", "test_refusals", "test_answers"}

pytestmark = pytest.mark.real


def requests(cluster: RealCluster) -> list[dict[str, Any]]:
    return [line for line in cluster.own.audit() if line["user"]["username"] == OPERATOR]


def rights(lines: Iterable[dict[str, Any]]) -> set[Right]:
    """The rights that requests needed; what is open to everybody (discovery, health) needs none."""
    found = set()
    for line in lines:
        reference = line.get("objectRef")
        if reference is None:
            continue
        resource = "/".join(filter(None, (reference.get("resource"), reference.get("subresource"))))
        found.add((line["verb"], reference.get("apiGroup", ""), resource))
    return found


def check(cluster: RealCluster) -> set[Right]:
    """Every request was granted, by the table and by the server; return what was asked for."""
    lines = requests(cluster)
    refused = [line for line in lines if line.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"]
    assert refused == []
    used = rights(lines)
    assert ("patch", "penstock.dev", "flowruns/status") in used, "the operator is found at all"
    assert used - GRANTED == set()
    return used


@pytest.mark.parametrize("cluster", ["real"], indirect=True)
def test_every_request_is_granted(cluster: Cluster) -> None:
    """Of the stories with real processes."""
    assert isinstance(cluster, RealCluster)
    if not requests(cluster):  # alone, without the stories before
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(run("alone", "print()")))
        until("it is seen", lambda: ("patch", "penstock.dev", "flowruns/status") in rights(requests(cluster)))
    check(cluster)


def test_every_right_is_used(plane: RealCluster, request: pytest.FixtureRequest) -> None:
    """By the stories that play kubelet and engine; or it is listed with its reason."""
    used = check(plane)
    if not {item.path.stem for item in request.session.items} >= STORIES:
        pytest.skip("only after test_played, test_refusals and test_answers")
    assert GRANTED - used - set(UNSEEN) == set(), "granted, and asked for by no story"
    assert used & set(UNSEEN) == set(), "seen after all"


STATE = re.compile(r"^(Scheduled|Pending|Running|Paused|Cancelling|Cancelled|Completed|Failed|Crashed)/[A-Z]")
# What these say is said while a run is decided.
OF_RUNS = {f"penstock_operator.runtime.{name}" for name in ("controller", "status", "effects", "gather", "checker")}


def test_the_whole_log_says_which_run_and_which_attempt(plane: RealCluster) -> None:
    """Each line is JSON; one about a run has `run`, and `attempt` once the run has one."""
    assert plane.operator
    with plane.client() as admin:
        stage = open_stage(admin, "logged")
        stage.apply("etl", {"flowSpec": {"entrypoint": "a.py:f"}})
        stage.watch_for({"etl": lambda s: seen(s)["state"] == "Pending/Submitting"}, 20)
        names = {
            f"{item['metadata']['namespace']}/{item['metadata']['name']}": item.get("status") or {}
            for item in stage.send("GET", "/apis/penstock.dev/v1alpha1/flowruns")["items"]
        }
    lines = [json.loads(line) for line in plane.operator.log.read_text().splitlines()]
    about = [line for line in lines if line["logger"] in OF_RUNS or STATE.match(line["message"])]
    assert any(line.get("run") == "logged/etl" for line in about)
    assert [line for line in about if "run" not in line] == []
    # A run that has begun says of which attempt, from its first line as Pending on.
    begun = [line for line in about if re.match(r"(Pending|Running|Cancelling|Completed)/", line["message"])]
    assert [line for line in begun if "attempt" not in line] == []
    told = {line["run"] for line in about}
    transitions = {name for name, status in names.items() if status.get("state")}
    assert transitions <= told, "a run of whose states nothing is logged"
