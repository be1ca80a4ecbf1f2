"""Children end with their parent, and not before what becomes of it is decided."""

from __future__ import annotations

from typing import Any

import pytest

from penstock_operator.api.flowrun import FlowRun
from penstock_operator.core.family import ends_children, parent_of
from penstock_operator.core.model import UNKNOWN, Observed
from tests.support.builders import POD_UID, at, flow_spec, observed, pod, report, run, running, status_json
from tests.support.cases import Case, check, decide

PARENT_UID = "00000000-0000-4000-8000-0000000000aa"
OWNER = {
    "apiVersion": "penstock.dev/v1alpha1",
    "kind": "FlowRun",
    "name": "parent",
    "uid": PARENT_UID,
    "controller": True,
}


def parent(
    desired: str = "Cancelled", status: dict[str, Any] | None = None, uid: str = PARENT_UID, **more: Any
) -> FlowRun:
    return run({"flowSpec": flow_spec(), "desiredState": desired}, status, name="parent", uid=uid, **more)


def live(said: dict[str, Any] | None = None) -> dict[str, Any]:
    """The status of a parent whose pod lives."""
    return status_json("Running", started=2, pod_uid=POD_UID, report=said if said is not None else report())


def child(above: Any, status: dict[str, Any] | None = None, **more: Any) -> Observed:
    owned = run({"flowSpec": flow_spec()}, status, ownerReferences=[OWNER])
    return observed(owned, parent=above, **more)


ENDED = status_json("Cancelled", started=2)
ROWS = [
    Case("the parent has ended Cancelled: a child that waits ends at once", child(parent(status=ENDED)), "Cancelled/Cancelled",
         says=("cancelled with its parent, the run parent", "before it ran")),
    Case("a child that runs is told as any cancelled run is",
         child(parent(status=ENDED), live(), pod=pod(running())), "Cancelling/Cancelling", ("patch-pod",),
         says=("cancelled with its parent",)),
    Case("a child whose engine has reported Cancelled since ends so",
         child(parent(status=ENDED), live(report("Cancelled", "Cancelled", message="hooks ran")), pod=pod(running())),
         "Cancelled/Cancelled", None, says=("cancelled with its parent, the run parent; ",)),
    Case("a child that completed before stays Completed",
         child(parent(status=ENDED), live(report("Completed", "Completed")), pod=pod(running())), "Completed/Completed", None),
    Case("begun is carried out, also when the parent is gone by then",
         child(UNKNOWN, status_json("Cancelling", started=2, pod_uid=POD_UID, report=report()), pod=pod(running())),
         None, ("patch-pod",)),
]  # fmt: skip


@pytest.mark.parametrize("case", ROWS, ids=str)
def test_a_child_ends_with_its_parent(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(
    ("above", "ends"),
    [
        (parent("Running", live()), False),
        (parent("Cancelled", live()), False),
        (parent("Cancelled", live(report("Cancelled", "Cancelled", ending=True))), True),
        (parent("Cancelled", live(report("Completed", "Completed", ending=True))), True),
        (parent("Cancelled", status_json("Cancelling", started=2, pod_uid=POD_UID, report=report())), False),
        (parent("Cancelled", status_json("Scheduled", attempt=None)), True),
        (parent("Cancelled", status_json("Cancelled")), True),
        (parent("Cancelled", status_json("Completed")), True),
        (parent("Running", status_json("Completed")), False),
        (parent("Running", status_json("Failed", "TimedOut")), False),
        (parent("Running", status_json("Crashed", "Evicted")), False),
        (parent("Running", status_json("Scheduled", "AwaitingRetry")), False),
        (parent("Running", status_json("Cancelled", "Replaced")), True),
        (parent("Running", live(), deletionTimestamp=at(9)), False),
        (parent("Running", live(report("Cancelled", ending=True)), deletionTimestamp=at(9)), True),
    ],
)
def test_when_a_parent_ends_its_children(above: FlowRun, ends: bool) -> None:
    assert ends_children(above) is ends


@pytest.mark.parametrize(
    "seen",
    [
        child(UNKNOWN, live(), pod=pod(running())),
        child(parent("Running", live()), live(), pod=pod(running())),
        child(parent("Cancelled", live()), live(), pod=pod(running())),
        child(parent(status=ENDED, uid="another"), live(), pod=pod(running())),
        observed(run({"flowSpec": flow_spec()}, live()), parent=parent(status=ENDED), pod=pod(running())),
    ],
    ids=["unknown", "runs on", "not decided yet", "another of its name", "no child of it"],
)
def test_otherwise_a_child_goes_on(seen: Observed) -> None:
    status = decide(seen).status
    assert status is None or (status.state is not None and status.state.type.value == "Running")


def test_whose_child_a_run_is() -> None:
    assert parent_of(run(ownerReferences=[OWNER])) == "parent"
    assert parent_of(run(ownerReferences=[{**OWNER, "kind": "Flow"}])) is None
    assert parent_of(run(ownerReferences=[{**OWNER, "controller": False}])) is None
    assert parent_of(run()) is None
