"""What is written when, and how long what is finished is kept: conditions, times, Events, drift, retention."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from penstock_operator.api.trackers import MARKS
from penstock_operator.core.model import MISSING, Decision, Emit, Observed
from penstock_operator.core.observe import parse_pod
from tests.support.builders import (
    POD_UID,
    at,
    flow,
    flow_spec,
    observed,
    pod,
    pod_json,
    pod_name,
    report,
    run,
    run_json,
    running,
    status_json,
    terminated,
    waiting,
)
from tests.support.cases import condition_of, decide, state_of, verbs
from tests.support.stage import Stage, World


def again(seen: Observed, decision: Decision, seconds: float = 0) -> Observed:
    """The same, after the status was written."""
    assert decision.status is not None
    json = run_json(dict(seen.run.spec.to_json()), decision.status.to_json())
    return replace(seen, run=type(seen.run).model_validate(json), now=seen.now + timedelta(seconds=seconds))


CONDITIONS = [
    # state, report, the six conditions: Finished, Succeeded, Reconciling, Stalled, Ready, Degraded
    ("Pending", None, ("Unknown", "Unknown", "True", "False", "False", "False")),
    ("Running", report(), ("Unknown", "Unknown", "True", "False", "False", "False")),
    ("Paused", report("Paused"), ("Unknown", "Unknown", "True", "False", "False", "False")),
    ("Completed", report("Completed"), ("True", "True", "False", "False", "True", "False")),
    ("Failed", report("Failed"), ("True", "False", "False", "True", "False", "False")),
    ("Crashed", report("Crashed", "LoadError"), ("True", "False", "False", "True", "False", "False")),
    # A cancellation was asked for: it is no error. Nor is it what somebody who waits for Ready wanted to have.
    ("Cancelled", report("Cancelled"), ("True", "False", "False", "False", "False", "False")),
]


@pytest.mark.parametrize(("state", "said", "want"), CONDITIONS, ids=[c[0] for c in CONDITIONS])
def test_conditions(state: str, said: Any, want: tuple[str, ...]) -> None:
    before = status_json("Pending", "Submitting", report=said, since=8)
    decision = decide(observed(run(status=before), pod=pod(running() if said else waiting())))
    assert decision.status is not None
    assert decision.status.state is not None
    assert decision.status.state.type.value == state
    types = ("Finished", "Succeeded", "Reconciling", "Stalled", "Ready", "Degraded")
    assert tuple(condition_of(decision, t).status.value for t in types) == want
    for type_ in types:
        assert condition_of(decision, type_).reason == decision.status.state.name
        assert condition_of(decision, type_).observed_generation == 1


@pytest.mark.parametrize(("state", "said"), [c[:2] for c in CONDITIONS], ids=[c[0] for c in CONDITIONS])
def test_the_states_message_is_said_once(state: str, said: Any) -> None:
    words = "forty words about what went wrong, and where, and what to do about it"
    before = status_json("Pending", "Submitting", report={**said, "message": words} if said else None, since=8)
    sight = pod(running()) if said else pod(waiting("ErrImagePull", words))
    status = decide(observed(run(status=before), pod=sight)).status
    assert status is not None
    assert status.state is not None
    if state != "Running":
        assert words in (status.state.message or "")
    for condition in status.conditions or ():
        assert condition.message in ("", f"{status.state.type.value}/{status.state.name}")
    # What kstatus shows of a run, and a table of conditions of a ready one, is never empty.
    told = {c.type: c.message for c in status.conditions or () if c.status.value == "True" or c.type == "Ready"}
    assert all(message for kind, message in told.items() if kind not in ("Finished", "Succeeded"))


def test_degraded_has_words_of_its_own_only() -> None:
    before = status_json("Pending", "Submitting", since=8, specHash="0" * 64)
    seen = observed(run(status=before), pod=pod(waiting("ErrImagePull", "no such image")))
    degraded = condition_of(decide(seen), "Degraded")
    assert degraded.message.startswith("Pending/ImagePullBackOff; the spec was changed after the run began")


def test_a_transition_time_changes_with_its_conditions_status_only() -> None:
    first = observed(run(status=status_json("Pending", "Submitting", report=report())), pod=pod(running()))
    one = decide(first)
    two = decide(again(replace(first, pod=pod(running(), deleted=12)), one, seconds=5))
    assert condition_of(two, "Reconciling").reason == "Terminating"
    assert (
        condition_of(two, "Reconciling").last_transition_time == condition_of(one, "Reconciling").last_transition_time
    )
    done = again(first, one, seconds=9)
    done = replace(
        done, run=done.run.model_copy(update={"status": done.run.status.model_copy(update={"report": None})})
    )
    third = decide(replace(done, pod=pod(terminated(66)), run_is_live=True))
    assert condition_of(third, "Finished").last_transition_time == done.now
    assert condition_of(third, "Ready").last_transition_time == condition_of(one, "Ready").last_transition_time


def test_a_decision_that_was_written_comes_to_nothing() -> None:
    seen = observed(run(status=status_json("Pending", "Submitting", report=report())), pod=pod(running()))
    second = decide(again(seen, decide(seen), seconds=30))
    assert second.status is None
    assert second.effects == ()


def test_the_pods_uid_and_node_go_with_a_write_and_never_alone() -> None:
    seen = observed(run(status=status_json("Pending", "Submitting", message="creating pod x")), seconds=1)
    whole = again(seen, decide(seen))
    assert decide(replace(whole, pod=pod(node=None, uid="seen-now"))).status is None
    decision = decide(replace(whole, pod=pod(waiting("ErrImagePull"), uid="seen-now")))
    assert decision.status is not None
    assert decision.status.attempt is not None
    assert (decision.status.attempt.pod_uid, decision.status.attempt.node_name) == ("seen-now", "node-1")


def test_the_generation_that_was_looked_at_is_written() -> None:
    seen = observed(run(status=status_json("Pending", "Submitting", report=report())), pod=pod(running()))
    written = again(seen, decide(seen))
    newer = replace(
        written,
        run=written.run.model_copy(update={"metadata": written.run.metadata.model_copy(update={"generation": 2})}),
    )
    decision = decide(newer)
    assert decision.status is not None
    assert decision.status.observed_generation == 2
    assert condition_of(decision, "Ready").observed_generation == 2


def test_one_event_for_each_change_of_the_type() -> None:
    def emitted(seen: Observed) -> list[tuple[str, str]]:
        return [(e.type, e.reason) for e in decide(seen).effects if isinstance(e, Emit)]

    assert emitted(observed(run())) == [("Normal", "Submitting")]
    claimed = observed(run(status=status_json("Pending", "Submitting", report=report())), pod=pod(running()))
    assert emitted(claimed) == [("Normal", "Running")]
    assert emitted(again(claimed, decide(claimed))) == []
    # The name changes, the type does not.
    assert emitted(replace(again(claimed, decide(claimed)), pod=pod(running(), deleted=12))) == []
    failed = observed(run(status=status_json("Running", "Running", report=report("Failed"))), pod=pod(running()))
    assert emitted(failed) == [("Warning", "Failed")]


@pytest.mark.parametrize(
    ("said", "wanted", "level"),
    [
        (report("Interrupted"), "Scheduled/AwaitingRetry", "Warning"),
        (report("AwaitingRetry", resumeTime=at(70)), "Scheduled/AwaitingRetry", "Normal"),
        (report("Suspended"), "Paused/Suspended", "Normal"),
        (report("Cancelled"), "Cancelled/Cancelled", "Normal"),
    ],
    ids=["an attempt was lost", "it comes back by itself", "it is suspended", "it was cancelled"],
)
def test_the_level_of_an_event(said: Any, wanted: str, level: str) -> None:
    decision = decide(observed(run(status=status_json("Running", "Running", report=said)), pod=pod(running())))
    assert state_of(decision) == wanted
    assert [e.type for e in decision.effects if isinstance(e, Emit)] == [level]


def test_a_cancellation_under_way_is_no_warning() -> None:
    spec = {"flowSpec": flow_spec(), "desiredState": "Cancelled"}
    decision = decide(observed(run(spec, status_json("Running", "Running", report=report())), pod=pod(running())))
    assert state_of(decision) == "Cancelling/Cancelling"
    assert [e.type for e in decision.effects if isinstance(e, Emit)] == ["Normal"]


def test_a_spec_that_changed_after_the_run_began_is_told() -> None:
    seen = observed(
        run(status=status_json("Running", "Running", report=report(), specHash="0" * 64)), pod=pod(running())
    )
    degraded = condition_of(decide(seen), "Degraded")
    assert (degraded.status.value, degraded.reason) == ("True", "SpecDrift")


def test_times_are_the_operators_own() -> None:
    seen = observed(run(status=status_json("Pending", "Submitting", report=report(time=at(-500)))), pod=pod(running()))
    status = decide(seen).status
    assert status is not None
    assert status.attempt is not None
    assert status.start_time == status.attempt.start_time == seen.now


def test_how_long_a_run_took_is_written_when_it_ends() -> None:
    before = status_json("Running", pod_uid=POD_UID, started=2, report=report("Completed"))
    status = decide(observed(run(None, before), pod=pod(running()), run_is_live=True, seconds=10)).status
    assert status is not None
    assert status.start_time is not None
    assert status.completion_time is not None
    assert status.duration == "8s"


def test_the_runs_start_is_the_first_attempts() -> None:
    before = status_json("Pending", "Submitting", attempt=2, report=report(attempt=2), startTime=at(-100))
    status = decide(observed(run(status=before), pod=pod(running(), attempt=2))).status
    assert status is not None
    assert status.start_time == observed(seconds=-100).now
    assert status.attempt is not None
    assert status.attempt.start_time == observed().now


def test_an_outcome_that_comes_at_once_still_has_a_start() -> None:
    status = decide(observed(run(status=status_json("Pending", report=report("Completed"))), pod=pod(running()))).status
    assert status is not None
    assert status.start_time == status.completion_time == observed().now


@pytest.mark.parametrize("sight", [pod(node=None), pod(waiting())], ids=["not scheduled", "not started"])
def test_a_report_may_overtake_the_kubelets_status(sight: Any) -> None:
    """The pod is shown as it was before it started: it has claimed and reported, so it is kept for its logs, now and later."""
    decision = decide(observed(run(status=status_json("Pending", report=report("Completed"))), pod=sight))
    assert state_of(decision) == "Completed/Completed"
    assert [type(effect).__name__ for effect in decision.effects] == ["Emit"]
    assert decision.status is not None
    after = decide(observed(run(status=decision.status.to_json()), pod=sight, seconds=11))
    assert after.effects == ()
    assert after.requeue_at is not None


def test_a_run_that_ran_for_ten_minutes_is_forgiven() -> None:
    before = status_json(
        "Running", report=report(), started=0, pod_uid=POD_UID, retries={"infrastructure": 3}, attempt=1
    )
    decision = decide(observed(run(status=before), pod=pod(terminated(137)), seconds=600))
    assert decision.status is not None
    assert decision.status.retries is not None
    assert decision.status.retries.infrastructure == 1
    at_the_limit = decide(observed(run(status=before), pod=pod(terminated(137)), seconds=599))
    assert at_the_limit.status is not None
    assert at_the_limit.status.completion_time is not None


# --- retention --------------------------------------------------------------------------------------------------------------------------------


def finished(
    the_pod: Any = None,
    *,
    seconds: float = 10,
    policy: dict[str, Any] | None = None,
    seen: dict[str, Any] | None = None,
    **metadata: Any,
) -> Observed:
    """A run that ended 5 s after NOW."""
    status = status_json("Completed", report=report("Completed"), completionTime=at(5), pod_uid=POD_UID)
    spec = {"flowSpec": flow_spec(), "runPolicy": {"retention": policy or {}}}
    return observed(
        run(spec, status, **metadata),
        seconds=seconds,
        **({"pod": the_pod} if the_pod is not None else {}),
        **(seen or {}),
    )


ENDED = terminated(0)
KEPT = pod(ENDED, phase="Succeeded")
DEBUGGED = parse_pod(
    (
        lambda raw: {
            **raw,
            "status": {**raw["status"], "ephemeralContainerStatuses": [{"name": "look", "state": running()}]},
        }
    )(pod_json(ENDED))
)
RETENTION: list[tuple[str, Observed, tuple[str, ...], float | None]] = [
    ("a finished pod stays for its logs", finished(KEPT), (), 86_395),
    ("podSeconds", finished(KEPT, policy={"podSeconds": 60}), (), 55),
    ("podSeconds over", finished(KEPT, policy={"podSeconds": 5}), ("delete-pod",), None),
    ("podSeconds 0: at once", finished(KEPT, policy={"podSeconds": 0}), ("delete-pod",), None),
    ("podSeconds -1: never", finished(KEPT, policy={"podSeconds": -1}, seconds=10**7), (), None),
    ("podSeconds 0, the pod still ends", finished(pod(ENDED), policy={"podSeconds": 0}), (), None),
    (
        "the pod is being deleted",
        finished(pod(ENDED, phase="Succeeded", deleted=9), policy={"podSeconds": 0}),
        (),
        None,
    ),
    ("no pod", finished(), (), None),
    ("a pod that never started goes at once", finished(pod(waiting())), ("delete-pod",), None),
    ("an engine that leaves is not pushed", finished(pod(running())), (), 25),
    ("an engine that stays is pushed", finished(pod(running()), seconds=35), ("patch-pod",), 90),
    (
        "an engine that is pushed in vain is deleted",
        finished(pod(running(), deadline=38), seconds=125),
        ("delete-pod",),
        None,
    ),
    (
        "a second container holds the pod open: a deadline",
        finished(pod(ENDED, others={"proxy": running()})),
        ("patch-pod",),
        None,
    ),
    ("a pod of somebody else", finished(pod(ENDED, phase="Succeeded", owner="x"), policy={"podSeconds": 0}), (), None),
    ("runSeconds ahead", finished(policy={"runSeconds": 60}), (), 55),
    ("runSeconds over", finished(policy={"runSeconds": 5}), ("delete-run",), None),
    (
        "a person looks at it by kubectl debug: the pod stays as long as any",
        finished(DEBUGGED, policy={"podSeconds": 60}),
        (),
        55,
    ),
    (
        "kubectl debug is still there when the time is over",
        finished(DEBUGGED, policy={"podSeconds": 5}),
        ("delete-pod",),
        None,
    ),
    (
        "pods of earlier attempts too",
        finished(
            policy={"podSeconds": 0},
            seen={
                "previous_pod": pod(terminated(137), phase="Failed", attempt=0, uid="y"),
                "older_pods": (pod(terminated(1), phase="Failed", name="x", uid="x"),),
            },
        ),
        ("delete-pod", "delete-pod"),
        None,
    ),
    (
        "a deleted run: garbage collection does it",
        finished(KEPT, policy={"podSeconds": 0}, deletionTimestamp=at(9)),
        (),
        None,
    ),
]


def test_a_pod_of_a_later_attempt_is_left_to_who_knows_of_it() -> None:
    """The run's own event is behind its pod's: another operator has gone on meanwhile."""
    behind = run({"flowSpec": flow_spec()}, status_json("Scheduled", "AwaitingRetry", attempt=2, scheduledTime=at(60)))
    later, earlier = pod(waiting(), attempt=3, uid="later"), pod(waiting(), attempt=1, uid="earlier")
    assert verbs(decide(observed(behind, older_pods=(later,))).effects) == ()
    assert verbs(decide(observed(behind, older_pods=(later, earlier))).effects) == ("delete-pod",)


@pytest.mark.parametrize(("seen", "effects", "wait"), [r[1:] for r in RETENTION], ids=[r[0] for r in RETENTION])
def test_retention(seen: Observed, effects: tuple[str, ...], wait: float | None) -> None:
    decision = decide(seen)
    assert verbs(decision.effects) == effects
    assert decision.status is None
    if wait is None:
        assert decision.requeue_at is None
    else:
        assert decision.requeue_at == seen.now + timedelta(seconds=wait)


TRACKED: list[tuple[str, dict[str, Any]]] = [
    ("Argo CD, annotation", {"annotations": {"argocd.argoproj.io/tracking-id": "x"}}),
    ("Argo CD, label", {"labels": {"app.kubernetes.io/instance": "x"}}),
    ("Argo CD, label of its own", {"labels": {"argocd.argoproj.io/instance": "x"}}),
    ("Flux, kustomize", {"labels": {"kustomize.toolkit.fluxcd.io/name": "x"}}),
    ("Flux, helm", {"labels": {"helm.toolkit.fluxcd.io/name": "x"}}),
    ("Helm, label", {"labels": {"app.kubernetes.io/managed-by": "Helm"}}),
    ("Helm, annotation", {"annotations": {"meta.helm.sh/release-name": "x"}}),
    ("Pulumi", {"labels": {"app.kubernetes.io/managed-by": "pulumi"}}),
    ("an applyset", {"labels": {"applyset.kubernetes.io/part-of": "x"}}),
    ("kapp, label", {"labels": {"kapp.k14s.io/app": "1"}}),
    ("kapp, annotation", {"annotations": {"kapp.k14s.io/identity": "x"}}),
    ("cli-utils, kpt", {"annotations": {"config.k8s.io/owning-inventory": "x"}}),
    ("Config Sync", {"annotations": {"configmanagement.gke.io/managed": "enabled"}}),
    ("Config Sync, its newer name", {"annotations": {"configsync.gke.io/resource-id": "x"}}),
    ("Fleet, annotation", {"annotations": {"objectset.rio.cattle.io/id": "x"}}),
    ("Fleet, label", {"labels": {"objectset.rio.cattle.io/hash": "x"}}),
    (
        "another controller",
        {"ownerReferences": [{"apiVersion": "x.io/v1", "kind": "Plan", "name": "p", "uid": "u", "controller": True}]},
    ),
    ("server-side apply by somebody", {"managedFields": [{"manager": "kustomize-controller", "operation": "Apply"}]}),
    ("an update by a tracker", {"managedFields": [{"manager": "argocd-controller", "operation": "Update"}]}),
    (
        "a manager that nobody knows",
        {
            "managedFields": [
                {"manager": "kubectl-create", "operation": "Update"},
                {"manager": "acme", "operation": "Update"},
            ]
        },
    ),
    ("a name that only begins like ours", {"managedFields": [{"manager": "kubectlish", "operation": "Apply"}]}),
]
UNTRACKED: list[tuple[str, dict[str, Any]]] = [
    ("kubectl apply", {"managedFields": [{"manager": "kubectl-client-side-apply", "operation": "Update"}]}),
    ("kubectl apply --server-side", {"managedFields": [{"manager": "kubectl", "operation": "Apply"}]}),
    ("the penstock command", {"managedFields": [{"manager": "penstock", "operation": "Apply"}]}),
    ("a client library", {"managedFields": [{"manager": "OpenAPI-Generator", "operation": "Update"}]}),
    (
        "whoever writes the status only",
        {"managedFields": [{"manager": "acme", "operation": "Update", "subresource": "status"}]},
    ),
    (
        "a Flow of ours owns it",
        {"ownerReferences": [{"apiVersion": "penstock.dev/v1alpha1", "kind": "Flow", "uid": "u", "controller": True}]},
    ),
    (
        "other labels",
        {"labels": {"app.kubernetes.io/name": "etl", "team": "a", "app.kubernetes.io/managed-by": "penstock"}},
    ),
]


@pytest.mark.parametrize("metadata", [m for _, m in TRACKED], ids=[name for name, _ in TRACKED])
def test_a_run_that_somebody_tracks_is_never_deleted(metadata: dict[str, Any]) -> None:
    seen = finished(policy={"runSeconds": 5}, seconds=10**6, **metadata)
    assert decide(seen).effects == ()
    # The store keeps finished runs as JSON: what is needed for this comes back.
    packed = seen.run.model_dump_json(by_alias=True, exclude_unset=True)
    assert decide(replace(seen, run=type(seen.run).model_validate_json(packed))).effects == ()


@pytest.mark.parametrize("metadata", [m for _, m in UNTRACKED], ids=[name for name, _ in UNTRACKED])
def test_a_run_that_nobody_tracks_is_deleted(metadata: dict[str, Any]) -> None:
    assert verbs(decide(finished(policy={"runSeconds": 5}, **metadata)).effects) == ("delete-run",)


def test_each_mark_of_the_table_counts() -> None:
    for mark, _ in MARKS:
        name = f"{mark}x" if mark.endswith("/") else mark
        for where in ("labels", "annotations"):
            marked: dict[str, Any] = {where: {name: "x"}}
            assert decide(finished(policy={"runSeconds": 5}, **marked)).effects == (), (mark, where)


def test_the_policy_with_which_a_run_was_made_counts_when_its_flow_is_gone() -> None:
    recorded = {"name": "etl", "revision": "etl-x", "retention": {"podSeconds": 1, "runSeconds": 60}}
    status = status_json("Completed", completionTime=at(5), flow=recorded)
    seen = observed(run({"flowRef": {"name": "etl"}}, status), pod=KEPT, flow=MISSING)
    decision = decide(seen)
    assert verbs(decision.effects) == ("delete-pod",)
    assert decision.requeue_at == seen.now + timedelta(seconds=55)
    changed = replace(seen, flow=flow(flow_spec(runPolicy={"retention": {"runSeconds": 1, "podSeconds": 10**6}})))
    assert decide(changed) == decision


def test_the_flows_retention_is_recorded_with_the_first_attempt() -> None:
    def recorded(**policy: Any) -> Any:
        spec = flow_spec(**({"runPolicy": policy} if policy else {}))
        status = decide(observed(run({"flowRef": {"name": "etl"}}), flow=flow(spec))).status
        assert status is not None
        assert status.flow is not None
        return status.to_json()["flow"].get("retention")

    assert recorded(retention={"runSeconds": 7}) == {"runSeconds": 7}
    assert recorded() is None
    inline = decide(observed(run({"flowSpec": flow_spec(runPolicy={"retention": {"runSeconds": 7}})}))).status
    assert inline is not None
    assert inline.flow is not None
    assert inline.flow.retention is None


def test_the_flows_retention_is_recorded_of_a_run_that_ends_before_it_begins() -> None:
    spec = flow_spec(parametersSchema={"required": ["a"]}, runPolicy={"retention": {"runSeconds": 7}})
    decision = decide(observed(run({"flowRef": {"name": "etl"}}), flow=flow(spec)))
    assert state_of(decision) == "Failed/InvalidParameters"
    assert decision.status is not None
    assert decision.status.to_json()["flow"] == {"name": "etl", "retention": {"runSeconds": 7}}


def test_retention_may_change_when_the_run_has_ended() -> None:
    seen = finished(KEPT)
    changed = run_json(
        {"flowSpec": flow_spec(), "runPolicy": {"retention": {"podSeconds": 0}}},
        seen.run.status.to_json(),
        generation=2,
    )
    decision = decide(replace(seen, run=type(seen.run).model_validate(changed)))
    assert verbs(decision.effects) == ("delete-pod",)
    assert decision.status is not None
    assert decision.status.observed_generation == 2
    assert decision.status.state == seen.run.status.state


def test_the_flows_retention_counts_where_the_run_has_none() -> None:
    status = status_json("Completed", completionTime=at(5), flow={"name": "etl", "revision": "etl-x"})
    seen = observed(
        run({"flowRef": {"name": "etl"}}, status),
        pod=KEPT,
        flow=flow(flow_spec(runPolicy={"retention": {"podSeconds": 1}})),
    )
    assert verbs(decide(seen).effects) == ("delete-pod",)


def test_retention_of_a_run_in_git_is_told_while_it_runs() -> None:
    spec = {"flowSpec": flow_spec(), "runPolicy": {"retention": {"runSeconds": 5}}}
    labels = {"app.kubernetes.io/managed-by": "Helm"}
    degraded = condition_of(decide(observed(run(spec, labels=labels))), "Degraded")
    assert (degraded.status.value, degraded.reason) == ("True", "RetentionIgnored")
    assert "app.kubernetes.io/managed-by=Helm" in degraded.message


def test_the_pods_of_earlier_attempts_go_while_the_run_goes_on() -> None:
    play = Stage(World(run_json({"flowSpec": flow_spec(), "runPolicy": {"retention": {"podSeconds": 60}}})))
    play.settle()
    play.kubelet(running())
    play.engine(report())
    play.settle()
    play.kubelet(terminated(137), "Failed")
    play.settle()
    play.wait(20)
    play.settle()
    play.kubelet(running())
    play.engine(report(attempt=2))
    play.settle()
    assert play.decision.requeue_at == play.now + timedelta(seconds=40)
    play.wait(40)
    play.settle()
    assert [what for verb, what in play.writes if verb == "delete-pod"] == [pod_name(1)]
    assert play.state == "Running/Retrying"
