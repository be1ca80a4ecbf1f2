"""Whose report is believed: the run's own pod's. And names that no object can have, which an older CRD let in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from penstock_operator.api.names import CONTROLLER, FLOW, KEY, LABEL, SUBDOMAIN, Naming
from penstock_operator.core.model import MISSING, UNKNOWN, Look
from penstock_operator.core.observe import Pod
from penstock_operator.core.reconcile import reconcile
from tests.support.builders import flow, flow_spec, observed, pod, report, run, running, status_json
from tests.support.cases import decide, state_of

FINAL = report("Completed", "Completed", result={"json": "3", "type": "int"})


def submitted(said: dict[str, Any], the_pod: Pod | None, spec: dict[str, Any] | None = None, **more: Any) -> Any:
    """A run whose attempt was written down, and whose pod nobody has recorded."""
    status = status_json("Pending", "Submitting", report=said)
    seen = observed(run({"flowSpec": flow_spec(), **(spec or {})}, status), **more)
    return replace(seen, pod=the_pod if the_pod is not None else UNKNOWN)


@pytest.mark.parametrize(
    "said", [FINAL, report(), report("Failed"), report("Paused"), report("Completed", ending=True)]
)
@pytest.mark.parametrize("live", [False, True])
def test_what_another_owners_pod_reported_counts_for_nothing(said: dict[str, Any], live: bool) -> None:
    """Whatever it said: the name is taken, and nothing of the report stays."""
    decision = decide(replace(submitted(said, pod(running(), owner="other")), pod_is_live=live))
    assert state_of(decision) == "Crashed/PodNameConflict"
    assert decision.drop_report
    status = decision.status
    assert status is not None
    assert (status.report, status.result, status.error, status.start_time) == (None, None, None, None)
    assert status.attempt is not None
    assert (status.attempt.pod_uid, status.attempt.start_time) == (None, None)


@pytest.mark.parametrize("said", [FINAL, report()])
def test_the_pod_is_looked_at_before_its_report_is_believed(said: dict[str, Any]) -> None:
    """A pod that the store does not know may be anybody's."""
    assert reconcile(submitted(said, None)).looks == {Look.POD}


def test_its_own_pods_report_is_believed() -> None:
    assert state_of(decide(submitted(FINAL, pod(running())))) == "Completed/Completed"


def test_a_cancellation_goes_over_the_conflict() -> None:
    """And still nothing of what the other pod said stays."""
    decision = decide(submitted(FINAL, pod(running(), owner="other"), {"desiredState": "Cancelled"}))
    assert state_of(decision) == "Cancelled/Cancelled"
    assert decision.drop_report
    assert decision.status is not None
    assert decision.status.report is None


def test_a_report_of_a_pod_that_is_gone_is_believed() -> None:
    """The fence let it in, and whose the pod was nobody can say any more: a flow that has run is not run again for that."""
    seen = replace(submitted(FINAL, None), pod=MISSING, pod_is_live=True, run_is_live=True)
    assert state_of(decide(seen)) == "Completed/Completed"


# --- names ------------------------------------------------------------------------------------------------------------------------------

BAD = ["../../other/configmaps/x", "a/b", "a?watch=true", "a#b", "A", "a_b", "-a", "a b", "a\n", "", "ä", "x" * 254]


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (lambda name: {"flowRef": {"name": name}}, "flowRef.name"),
        (lambda name: {"flowSpec": flow_spec(), "rerunOf": {"name": name}}, "rerunOf.name"),
        (
            lambda name: {"flowSpec": {"entrypoint": "a.py:f", "source": {"configMap": {"name": name}}}},
            "flowSpec.source.configMap.name",
        ),
    ],
)
def test_a_run_whose_spec_names_no_object_says_so(name: str, spec: Any, field: str) -> None:
    """It never heals, and nothing is asked for under such a name."""
    if len(name) > 200:
        name = "a/b"  # longer ones are no object of these kinds to begin with
    seen = observed(run(spec(name)))
    first = reconcile(seen)
    assert first.looks == frozenset()
    assert state_of(first) == "Failed/InvalidFlow"
    assert first.status is not None
    assert first.status.state is not None
    assert (first.status.state.message or "").startswith(f"{field} {name!r} is no name")
    # The CRD would refuse the whole status for a name that it can't have.
    shown = first.status.flow.name if first.status.flow is not None else None
    assert shown is None or FLOW.fault(shown) is None
    assert first.effects == () or all(type(e).__name__ == "Emit" for e in first.effects)


@pytest.mark.parametrize("name", BAD[:9])
def test_a_flow_whose_source_names_no_configmap_says_so(name: str) -> None:
    """It may heal: its run waits, and looks nowhere."""
    definition = {"entrypoint": "a.py:f", "source": {"configMap": {"name": name}}}
    decision = reconcile(observed(run({"flowRef": {"name": "etl"}}), flow=flow(definition)))
    assert decision.looks == frozenset()
    assert state_of(decision) == "Scheduled/AwaitingFlow"
    assert decision.status is not None
    assert decision.status.state is not None
    assert "source.configMap.name" in (decision.status.state.message or "")


@pytest.mark.parametrize(
    ("naming", "good", "bad"),
    [
        (LABEL, ["a", "a-b", "0", "x" * 63], ["", "a.b", "A", "-a", "a-", "a_b", "x" * 64, "a\n", "a/b"]),
        (
            SUBDOMAIN,
            ["a", "a.b", "a-b.c-d", "kube-root-ca.crt"],
            ["", ".a", "a.", "a..b", "A", "a_b", "..", "a/b", "a%2fb"],
        ),
        (KEY, ["a", "A_b.c-d", ".a", "-", "x" * 253], ["", ".", "..", "..a", "a/b", "a b", "x" * 254, "a\n"]),
        (CONTROLLER, ["x", "kueue.x-k8s.io/multikueue", "a.b/C_d/e"], ["", "/", "a/", "/a", "a//b", "a/../b", "a?b"]),
    ],
)
def test_what_a_name_looks_like(naming: Naming, good: list[str], bad: list[str]) -> None:
    assert [name for name in good if naming.fault(name) is not None] == []
    assert [name for name in bad if naming.fault(name) is None] == []
