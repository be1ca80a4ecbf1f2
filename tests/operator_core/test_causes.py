"""The cause of an interruption that is told after its judgement: the attempt's entry is amended once, while the run goes on."""

from __future__ import annotations

from typing import Any

import pytest

from penstock_operator.core.reconcile import reconcile
from tests.support.builders import (
    POD_UID,
    condition,
    flow_spec,
    observed,
    pod,
    pod_name,
    report,
    run,
    running,
    status_json,
    terminated,
)
from tests.support.cases import decide, state_of
from tests.support.stage import Stage, World

LOW = "The node was low on resource: memory."
INTERRUPTED = {
    "number": 1,
    "podName": pod_name(1),
    "state": "Crashed",
    "reason": "Interrupted",
    "message": "interrupted by SIGTERM",
    "budget": "infrastructure",
}
SAID = "The node was low on resource: memory"  # a sentence goes on without its full stop
TAKEN_BACK = pod(
    terminated(143),
    phase="Failed",
    deleted=9,
    conditions=(
        condition("TerminationTarget", "True", "WorkloadEvictedDueToPreempted", "Preempted to accommodate a workload"),
    ),
)
EVICTED = pod(terminated(143), phase="Failed", reason="Evicted", message=LOW)
WAITS = "Interrupted: interrupted by SIGTERM; attempt 2 of 4 at 2026-11-21T12:00:20Z"


def waits(type_: str = "Scheduled", name: str = "AwaitingRetry", message: str = WAITS, **more: Any) -> dict[str, Any]:
    due = {"scheduledTime": "2026-11-21T12:00:20Z"} if name == "AwaitingRetry" else {}
    return status_json(type_, name, attempt=2, message=message, **{"attempts": [INTERRUPTED], **due, **more})


def told(status: dict[str, Any], previous: Any) -> tuple[str | None, str | None]:
    """What the first attempt's entry says after a decision."""
    decided = decide(observed(run({"flowSpec": flow_spec()}, status), previous_pod=previous)).status
    assert decided is not None
    (attempt,) = decided.attempts or ()
    return attempt.reason, attempt.message


def test_an_eviction_that_is_told_later() -> None:
    """Entry and message say so; type, budget, counters and times are those of the judgement."""
    seen = observed(run({"flowSpec": flow_spec()}, waits()), previous_pod=EVICTED)
    decision = reconcile(seen)
    status = decision.status
    assert status is not None
    assert status.state is not None
    (attempt,) = status.attempts or ()
    assert (attempt.reason, attempt.state, attempt.budget) == ("Evicted", "Crashed", "infrastructure")
    assert attempt.message == f"evicted on node node-1: {SAID}; interrupted by SIGTERM"
    assert status.state.message == f"Evicted: {attempt.message}; attempt 2 of 4 at 2026-11-21T12:00:20Z"
    assert (status.state.time, status.state.since) == (seen.run.status.state.time, seen.run.status.state.since)  # type: ignore[union-attr]
    assert status.retries == seen.run.status.retries
    assert not decision.drop_report
    again = reconcile(observed(seen.run.model_copy(update={"status": status}), previous_pod=EVICTED))
    assert again.status is None, "once"


def test_a_queue_that_is_told_later_gives_the_retry_back() -> None:
    """What a queue takes back is counted in nothing, also where the report was judged before its doing was seen."""
    seen = observed(run({"flowSpec": flow_spec()}, waits(retries={"infrastructure": 1})), previous_pod=TAKEN_BACK)
    status = reconcile(seen).status
    assert status is not None
    assert status.state is not None
    assert status.retries is not None
    (attempt,) = status.attempts or ()
    assert (attempt.reason, attempt.budget, status.retries.infrastructure) == ("Preempted", None, 0)
    assert (status.state.message or "").startswith(
        "Preempted: taken back by its queue: WorkloadEvictedDueToPreempted: "
    )
    assert (status.state.message or "").endswith("; interrupted by SIGTERM; attempt 2 at 2026-11-21T12:00:20Z")
    again = reconcile(observed(seen.run.model_copy(update={"status": status}), previous_pod=TAKEN_BACK))
    assert again.status is None, "once"


def test_the_retry_is_given_back_before_the_next_loss_is_counted() -> None:
    """The budget of one is not used up by what its queue did."""
    status = status_json("Running", attempt=2, pod_uid="other", started=1, report=report("Interrupted", attempt=2))
    status |= {"attempts": [INTERRUPTED], "retries": {"infrastructure": 1}}
    gone = {"infrastructure": 1}
    spec = {"flowSpec": flow_spec(), "runPolicy": {"retries": gone}}
    drained = pod(terminated(143), attempt=2, uid="other", phase="Failed", reason="Evicted", message=LOW)
    for previous, name, reasons in (
        (TAKEN_BACK, "Scheduled/AwaitingRetry", ["Preempted", "Evicted"]),
        (EVICTED, "Crashed/Evicted", ["Evicted"]),
    ):
        decision = decide(observed(run(spec, status), pod=drained, previous_pod=previous))
        assert state_of(decision) == name
        assert decision.status is not None
        assert decision.status.retries is not None
        assert ([a.reason for a in decision.status.attempts or ()], decision.status.retries.infrastructure) == (
            reasons,
            1,
        )


def test_an_older_attempt_stands_as_what_it_was_counted_as() -> None:
    """The counters may have begun anew since."""
    later = {**INTERRUPTED, "number": 2, "podName": pod_name(2), "reason": "Killed"}
    status = waits(attempts=[INTERRUPTED, later], retries={"infrastructure": 1})
    status["attempt"] = {**status["attempt"], "number": 3, "podName": pod_name(3)}
    decided = decide(observed(run({"flowSpec": flow_spec()}, status), previous_pod=TAKEN_BACK)).status
    assert decided is not None
    assert decided.retries is not None
    assert [(a.reason, a.budget) for a in decided.attempts or ()] == [
        ("Preempted", "infrastructure"),
        ("Killed", "infrastructure"),
    ]
    assert decided.retries.infrastructure == 1


def test_the_next_attempt_tells_it_too() -> None:
    status = waits("Pending", "Submitting", "", report=report(attempt=2))
    seen = observed(
        run({"flowSpec": flow_spec()}, status), pod=pod(running(), attempt=2, uid="other"), previous_pod=EVICTED
    )
    decision = decide(seen)
    assert state_of(decision) == "Running/Retrying"
    assert decision.status is not None
    assert decision.status.state is not None
    assert "attempt 1: Evicted: evicted on node node-1" in (decision.status.state.message or "")
    assert [a.reason for a in decision.status.attempts or ()] == ["Evicted"]


@pytest.mark.parametrize(
    ("what", "previous"),
    [
        ("nothing is told", pod(terminated(143))),
        ("retention deletes it", pod(terminated(143), phase="Failed", deleted=9)),
        ("our own deadline for what is left of it", pod(terminated(143), phase="Failed", reason="DeadlineExceeded")),
        ("the mark is taken back", pod(running(), conditions=(condition("DisruptionTarget", "False", "x"),))),
    ],
)
def test_what_is_no_cause(what: str, previous: Any) -> None:
    assert told(waits(), previous) == ("Interrupted", "interrupted by SIGTERM"), what


def test_other_reasons_stay_what_they_are() -> None:
    killed = {**INTERRUPTED, "reason": "Killed"}
    assert told(waits(attempts=[killed]), EVICTED) == ("Killed", "interrupted by SIGTERM")


def test_nothing_is_amended_when_the_run_has_ended() -> None:
    status = waits("Completed", "Completed", "done", completionTime="2026-11-21T12:00:09Z")
    assert reconcile(observed(run({"flowSpec": flow_spec()}, status), previous_pod=EVICTED)).status is None


def test_the_numbers_stand_behind_a_long_cause() -> None:
    said = report("Interrupted", message="x" * 1024)
    status = status_json("Running", attempt=1, pod_uid=POD_UID, started=1, report=said)
    decision = decide(observed(run({"flowSpec": flow_spec()}, status), pod=pod(running())))
    assert decision.status is not None
    assert decision.status.state is not None
    assert "attempt 2 of 4 at" in (decision.status.state.message or "")


def test_a_story() -> None:
    """Reported within milliseconds; the kubelet tells afterwards; one write more."""
    play = Stage(World(run={"apiVersion": "penstock.dev/v1alpha1", **_raw()}))
    play.settle()
    play.kubelet(running())
    play.engine(report())
    play.settle()
    play.engine(report("Interrupted", message="interrupted by SIGTERM"))
    play.settle()
    assert [a["reason"] for a in play.status["attempts"]] == ["Interrupted"]
    count = len(play.writes)
    play.kubelet(terminated(143), "Failed", pod_name(1), reason="Evicted", message=LOW)
    play.settle()
    assert [a["reason"] for a in play.status["attempts"]] == ["Evicted"]
    assert [verb for verb, _ in play.writes[count:]] == ["status"]


def _raw() -> dict[str, Any]:
    made = run({"flowSpec": flow_spec()}).to_json()
    return {"metadata": made["metadata"], "spec": made["spec"]}
