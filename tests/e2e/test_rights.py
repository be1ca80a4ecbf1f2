"""20. After the stories: that each right was needed, and what the operator logged.

The audit log and the operator's log of the control plane that the stories shared tell, so this comes last: its name keeps it there. That each
request was granted is checked at the end of every shared control plane, by its fixture.
"""

from __future__ import annotations

import json
import re

import pytest

from penstock_operator.api.constants import ADMINISTER_VERB
from tests.support.audit import GRANTED, Right, check_all_granted
from tests.support.cluster import RealCluster
from tests.support.played import open_stage, seen
from tests.support.world import until

# What no story shows, and why it is needed all the same.
UNSEEN: dict[Right, str] = {
    (ADMINISTER_VERB, "penstock.dev", "flowruns"): "no request: an admission policy asks whether the operator has it",
    ("patch", "events.k8s.io", "events"): "for an Event that comes again within minutes; no story waits for that",
}
TYPE = {"apiVersion": "penstock.dev/v1alpha1", "kind": "Flow"}
STORIES = {"test_played", "test_refusals", "test_answers"}

pytestmark = pytest.mark.real


def test_a_flow_starts_a_run(plane: RealCluster) -> None:
    """The one thing that no other of these stories has the operator do."""
    with plane.client() as admin:
        stage = open_stage(admin, "starting")
        flows = "/apis/penstock.dev/v1alpha1/namespaces/starting/flows"
        spec = {"entrypoint": "a.py:f", "runOnChange": "Always"}
        stage.send("POST", flows, {**TYPE, "metadata": {"name": "etl"}, "spec": spec})
        until("its run is there", lambda: bool(stage.send("GET", stage.runs)["items"]))


def test_every_right_is_used(plane: RealCluster, request: pytest.FixtureRequest) -> None:
    """By the stories that play kubelet and engine; or it is listed with its reason."""
    used = check_all_granted(plane.own)
    if not {item.path.stem for item in request.session.items} >= STORIES:
        pytest.skip("only after test_played, test_refusals and test_answers")
    assert GRANTED - used - set(UNSEEN) == set(), "granted, and asked for by no story"


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
