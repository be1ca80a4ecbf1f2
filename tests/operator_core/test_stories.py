"""The life of a run, from its application to its end, as one operator sees it: the ways that most runs go."""

from __future__ import annotations

import copy
from typing import Any

from penstock_operator.core.model import Emit
from tests.support.builders import (
    flow_json,
    flow_spec,
    pod_name,
    report,
    run_json,
    running,
    terminated,
    termination_message,
    waiting,
)
from tests.support.stage import Stage, World


def stage(spec: dict[str, Any] | None = None, flow: dict[str, Any] | None = None, **metadata: Any) -> Stage:
    return Stage(World(run_json(spec, **metadata), flow=flow))


def started(spec: dict[str, Any] | None = None, flow: dict[str, Any] | None = None) -> Stage:
    """A run whose engine has claimed."""
    play = stage(spec, flow)
    play.settle()
    play.kubelet(waiting())
    play.settle()
    play.wait(1)
    play.kubelet(running())
    play.settle()
    play.engine(report())
    play.settle()
    assert play.state == "Running/Running"
    return play


def verbs(play: Stage) -> list[str]:
    return [verb for verb, _ in play.writes]


def test_a_healthy_run_costs_four_writes_of_the_operator() -> None:
    play = started()
    play.wait(2)
    play.engine(report("Completed", result={"json": "1", "type": "int"}))
    play.settle()
    play.kubelet(terminated(0))
    play.settle()
    play.kubelet(terminated(0), "Succeeded")
    play.settle()
    assert verbs(play) == ["status", "create-pod", "status", "status"]
    assert play.states == ["Pending/Submitting", "Running/Running", "Completed/Completed"]
    first, running_, completed = (what for verb, what in play.writes if verb == "status")
    assert first["attempt"] == {"number": 1, "podName": pod_name()}
    assert first["flow"] == {"name": "main"}
    assert first["lineage"] == play.run["metadata"]["uid"]
    assert len(first["specHash"]) == 64
    assert {c["type"] for c in first["conditions"]} == {
        "Finished",
        "Succeeded",
        "Reconciling",
        "Stalled",
        "Ready",
        "Degraded",
    }
    assert running_["attempt"]["podUID"]
    assert running_["attempt"]["nodeName"] == "node-1"
    assert running_["attempt"]["startTime"] == running_["startTime"] == "2026-11-21T12:00:01Z"
    assert completed["completionTime"] == "2026-11-21T12:00:03Z"
    assert completed["result"] == {"json": "1", "type": "int"}
    assert [e.reason for e in play.emitted] == ["Submitting", "Running", "Completed"]


def test_a_flow_ref_runs_by_a_revision_that_is_made_once() -> None:
    play = started({"flowRef": {"name": "etl"}}, flow_json())
    assert verbs(play) == ["status", "revision", "create-pod", "status"]
    revision = play.status["flow"]["revision"]
    digest = play.status["flow"]["revisionDigest"]
    assert revision == f"etl-{digest[:10]}"
    assert play.status["flow"] == {"name": "etl", "uid": "flow-1", "revision": revision, "revisionDigest": digest}
    pod = play.pod
    assert pod is not None
    assert {"name": "penstock-flow", "configMap": {"name": revision}} in pod["spec"]["volumes"]
    assert set(play.world.revisions[revision].data) == {"flow.json", "etl.py"}


def test_a_changed_flow_does_not_change_a_run_between_attempts() -> None:
    play = started({"flowRef": {"name": "etl"}}, flow_json())
    revision = play.status["flow"]["revision"]
    play.world.flow = flow_json(flow_spec(image="other:2"))
    play.kubelet(terminated(137))
    play.settle()
    play.wait(20)
    play.settle()
    assert play.state == "Pending/Submitting"
    assert play.status["flow"]["revision"] == revision
    pod = play.pod
    assert pod is not None
    assert {"name": "penstock-flow", "configMap": {"name": revision}} in pod["spec"]["volumes"]
    assert pod["spec"]["containers"][0]["image"] != "other:2"


def test_a_run_without_its_flow_waits_and_starts_when_it_appears() -> None:
    play = stage({"flowRef": {"name": "etl"}})
    play.settle()
    assert play.state == "Scheduled/AwaitingFlow"
    assert "no Flow 'etl' in namespace 'default'" in play.status["state"]["message"]
    play.world.flow = flow_json()
    play.settle()
    assert play.state == "Pending/Submitting"


def test_a_flow_that_raises_is_failed_with_its_exception() -> None:
    play = started()
    error = {"type": "ValueError", "message": "no rows", "traceback": "Traceback …"}
    play.engine(report("Failed", message="ValueError: no rows", error=error))
    play.settle()
    assert play.state == "Failed/Failed"
    assert play.status["error"] == error
    assert play.status["state"]["message"] == "ValueError: no rows"


def test_a_wrong_parameter_fails_before_a_pod_exists() -> None:
    schema = {"type": "object", "properties": {"rows": {"type": "array", "items": {"type": "integer"}}}}
    play = stage({"flowSpec": flow_spec(parametersSchema=schema), "parameters": {"rows": [1, "two"]}})
    play.settle()
    assert play.state == "Failed/InvalidParameters"
    assert "parameters.rows[1]: 'two' is not of type 'integer'" in play.status["state"]["message"]
    assert verbs(play) == ["status"]
    assert play.status["completionTime"]


def test_a_killed_attempt_is_repeated_by_budget_and_then_crashes() -> None:
    play = started({"flowSpec": flow_spec(), "runPolicy": {"retries": {"infrastructure": 1}}})
    play.kubelet(terminated(137))
    play.settle()
    assert play.state == "Scheduled/AwaitingRetry"
    assert play.status["attempts"][0]["reason"] == "Killed"
    assert play.status["attempts"][0]["exitCode"] == 137
    assert play.status["attempts"][0]["budget"] == "infrastructure"
    assert play.status["retries"] == {"infrastructure": 1, "neverStarted": 0, "application": 0}
    assert play.status["attempt"] == {"number": 2, "podName": pod_name(2)}
    assert "report" not in play.status
    assert "attempt 2 of 2" in play.status["state"]["message"]
    play.wait(9.9)
    play.settle()
    assert play.state == "Scheduled/AwaitingRetry"
    play.wait(0.1)
    play.settle()
    assert play.state == "Pending/Submitting"
    play.kubelet(running())
    play.engine(report(attempt=2))
    play.settle()
    assert play.state == "Running/Retrying"
    play.kubelet(terminated(137))
    play.settle()
    assert play.state == "Crashed/Killed"
    assert "137" in play.status["state"]["message"]


def test_an_interrupted_attempt_is_repeated() -> None:
    play = started()
    play.engine(report("Interrupted", message="interrupted by SIGTERM", signal="SIGTERM"))
    play.settle()
    assert play.state == "Scheduled/AwaitingRetry"
    play.kubelet(terminated(143), pod_name=pod_name(1))
    play.wait(20)
    play.settle()
    play.kubelet(running())
    play.engine(report(attempt=2))
    play.settle()
    play.engine(report("Completed", attempt=2))
    play.settle()
    assert play.state == "Completed/Completed"
    assert [a["reason"] for a in play.status["attempts"]] == ["Interrupted"]


def test_no_attempt_begins_while_the_process_of_the_last_one_is_there() -> None:
    play = started()
    play.engine(report("Interrupted"))
    play.wait(60)
    play.settle()
    play.wait(12)
    play.settle()
    assert play.state == "Scheduled/AwaitingRetry"
    assert "waits for the process of attempt 1" in play.status["state"]["message"]
    assert verbs(play).count("create-pod") == 1
    play.kubelet(terminated(143), pod_name=pod_name(1))
    play.settle()
    assert verbs(play).count("create-pod") == 2


def test_exit_0_without_a_report_is_never_completed() -> None:
    play = started({"flowSpec": flow_spec(), "runPolicy": {"retries": {"infrastructure": 0}}})
    play.kubelet(terminated(0), "Succeeded")
    play.settle()
    assert play.state == "Crashed/NoReport"


def test_an_exit_code_without_a_report_is_the_flows_own_doing() -> None:
    play = started()
    play.kubelet(terminated(3))
    play.settle()
    assert play.state == "Crashed/ExitCode"
    assert "exit code 3" in play.status["state"]["message"]


def test_a_pod_that_is_gone_is_a_lost_attempt() -> None:
    play = started()
    play.remove_pod()
    play.settle()
    assert play.state == "Scheduled/AwaitingRetry"
    assert play.status["attempts"][0]["reason"] == "PodDeleted"


def test_an_outcome_that_did_not_get_through_is_in_the_termination_message() -> None:
    play = started()
    play.kubelet(terminated(0, message=termination_message("Completed", result={"json": "2"})))
    play.settle()
    assert play.state == "Completed/Completed"
    assert play.status["result"] == {"json": "2"}


def test_cancel_while_scheduled_is_at_once() -> None:
    play = stage({"flowSpec": flow_spec(), "scheduledTime": "2026-11-22T00:00:00Z"})
    play.settle()
    assert play.state == "Scheduled/Scheduled"
    play.world.patch_spec(desiredState="Cancelled")
    play.settle()
    assert play.state == "Cancelled/Cancelled"
    assert "create-pod" not in verbs(play)


def test_cancel_while_pending_deletes_the_pod() -> None:
    play = stage()
    play.settle()
    play.kubelet(waiting())
    play.world.patch_spec(desiredState="Cancelled")
    play.settle()
    assert play.state == "Cancelling/Cancelling"
    assert verbs(play)[-1] == "delete-pod"
    play.remove_pod()
    play.settle()
    assert play.state == "Cancelled/Cancelled"
    assert verbs(play).count("create-pod") == 1


def test_cancel_while_running_is_one_patch_and_the_pod_stays() -> None:
    play = started()
    play.world.patch_spec(desiredState="Cancelled")
    play.settle()
    assert play.state == "Cancelling/Cancelling"
    # The pod started 1 s before (its start time has whole seconds), and the deadline is to be 3 s ahead.
    patch = {"metadata": {"annotations": {"penstock.dev/intent": "Cancelled"}}, "spec": {"activeDeadlineSeconds": 4}}
    assert play.writes[-1] == ("patch-pod", patch)
    play.wait(1)
    play.engine(report("Cancelled", hooks={"ran": ["tidy_up"]}))
    play.settle()
    assert play.state == "Cancelled/Cancelled"
    assert "tidy_up" in play.status["state"]["message"]
    play.kubelet(terminated(0), "Succeeded")
    play.settle()
    assert pod_name() in play.world.pods


def test_cancel_of_an_engine_that_is_killed_after_its_grace() -> None:
    play = started()
    play.world.patch_spec(desiredState="Cancelled")
    play.settle()
    play.wait(33)
    play.kubelet(terminated(137), "Failed", reason="DeadlineExceeded")
    play.settle()
    assert play.state == "Cancelled/Cancelled"
    assert "killed after its grace of 30 s" in play.status["state"]["message"]


def test_cancel_needs_nobody() -> None:
    play = started()
    play.world.patch_spec(desiredState="Cancelled")
    play.settle()
    play.kubelet(running(), conditions=[{"type": "Ready", "status": "False", "reason": "PodFailed"}])
    play.wait(89.9)
    play.settle()
    assert play.state == "Cancelling/Cancelling"
    play.wait(0.1)
    play.settle()
    assert play.state == "Cancelled/Cancelled"
    assert verbs(play)[-1] == "delete-pod"
    assert "may still run" in play.status["state"]["message"]


def test_a_report_that_came_first_wins_over_the_cancellation() -> None:
    play = started()
    play.engine(report("Completed"))
    play.world.patch_spec(desiredState="Cancelled")
    play.settle()
    assert play.state == "Completed/Completed"
    assert play.status["state"]["message"] == "finished before it could be cancelled"


def test_a_deleted_run_gets_no_new_pod() -> None:
    play = started()
    play.run["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:05Z"
    play.settle()
    assert play.state == "Cancelling/Cancelling"
    play.remove_pod()
    play.settle()
    assert play.state == "Cancelled/Cancelled"
    assert verbs(play).count("create-pod") == 1


def test_a_run_of_another_controller_is_left_alone() -> None:
    play = stage({"flowSpec": flow_spec(), "managedBy": "kueue.x-k8s.io/multikueue"})
    play.settle()
    assert play.writes == []


def test_a_crash_of_the_operator_after_the_status_makes_the_pod_again() -> None:
    play = stage({"flowRef": {"name": "etl"}}, flow_json())
    decision = play.decide()
    play.write(decision)  # and then it is killed
    play.settle()
    assert verbs(play) == ["status", "revision", "create-pod"]


def test_a_crash_of_the_operator_after_the_pod_adopts_it() -> None:
    play = stage()
    play.settle()
    pod = play.world.pods.pop(pod_name())  # the store does not have it yet
    again = Stage(play.world, now=play.now)
    decision = again.decide()
    play.world.pods[pod_name()] = pod
    again.write(decision)
    for effect in decision.effects:
        assert again.carry_out(effect) or isinstance(effect, Emit)
    assert [p["metadata"]["uid"] for p in play.world.pods.values()] == [pod["metadata"]["uid"]]


def test_an_attempt_that_was_claimed_gets_no_second_pod_though_nobody_saw_it() -> None:
    """The answer to the POST was lost, the engine claimed, its pod is gone; what the operator knows is older than all of it."""
    play = stage()
    play.step()
    play.view = World(copy.deepcopy(play.run))
    play.created = None
    play.kubelet(running())
    play.engine(report())
    play.world.pods.clear()
    play.settle()
    assert verbs(play).count("create-pod") == 1
    assert play.state == "Scheduled/AwaitingRetry"
    assert play.status["attempts"][0]["reason"] == "PodDeleted"
    assert play.status["attempts"][0]["budget"] == "infrastructure"


def test_a_pod_of_a_run_that_was_resumed_is_left_alone_by_whoever_has_not_heard_of_it() -> None:
    """Another operator made it; this one sees the pod, and a spec of before."""
    play = stage()
    play.settle()
    play.view = World(copy.deepcopy(play.run), pods=copy.deepcopy(play.world.pods))
    play.view.patch_spec(desiredState="Suspended")
    before = verbs(play)
    play.settle()
    assert verbs(play) == before
    play.world.patch_spec(desiredState="Suspended")
    play.step()
    assert verbs(play)[-1] == "delete-pod"
