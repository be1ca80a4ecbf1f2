"""Cancel, suspend, pause, deadlines: every situation of the contract's fifth section, with the requests that are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from penstock_operator.api.report import Pause
from penstock_operator.api.times import rfc3339
from penstock_operator.core.asking import waits_for
from penstock_operator.core.model import Observed
from penstock_operator.core.observe import Pod, parse_pod
from tests.support.builders import (
    POD_UID,
    at,
    condition,
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
from tests.support.cases import Case, check, decide, state_of, verbs
from tests.support.stage import Stage, World

KILLED = condition("Ready", "False", "PodFailed")


def wanted(
    desired: str,
    type_: str = "Running",
    name: str | None = None,
    the_pod: Any = None,
    *,
    said: dict[str, Any] | None = None,
    claimed: bool = True,
    policy: dict[str, Any] | None = None,
    spec: dict[str, Any] | None = None,
    seconds: float = 10,
    deleted: bool = False,
    seen: dict[str, Any] | None = None,
    **status: Any,
) -> Observed:
    """A run of which something is wanted, 10 s after NOW."""
    whole = status_json(
        type_,
        name,
        started=2 if claimed else None,
        pod_uid=POD_UID if the_pod is not None else None,
        report=said if said is not None else (report() if claimed else None),
        message="before",
        **status,
    )
    metadata = {"deletionTimestamp": at(9)} if deleted else {}
    asked = {"flowSpec": flow_spec(), "desiredState": desired, "runPolicy": policy or {}, **(spec or {})}
    return observed(
        run(asked, whole, **metadata),
        seconds=seconds,
        **({"pod": the_pod} if the_pod is not None else {}),
        **(seen or {}),
    )


def unclaimed(the_pod: Any, desired: str = "Cancelled", **more: Any) -> Observed:
    return wanted(desired, "Pending", "Submitting", the_pod, claimed=False, **more)


def orphan() -> Pod:
    """The run's pod, whose owner was taken away."""
    raw = pod_json(running())
    del raw["metadata"]["ownerReferences"]
    return parse_pod(raw)


CANCEL = [
    Case(
        "before the first status: at once",
        observed(run({"flowSpec": flow_spec(), "desiredState": "Cancelled"})),
        "Cancelled/Cancelled",
    ),
    Case("Scheduled: at once", wanted("Cancelled", "Scheduled", claimed=False, attempt=None), "Cancelled/Cancelled"),
    Case(
        "AwaitingRetry: at once",
        wanted("Cancelled", "Scheduled", "AwaitingRetry", claimed=False, attempt=2),
        "Cancelled/Cancelled",
    ),
    Case(
        "Paused/Suspended, the process gone: at once",
        wanted("Cancelled", "Paused", "Suspended", claimed=False, attempt=2),
        "Cancelled/Cancelled",
    ),
    Case(
        "Pending, the pod never made: at once",
        wanted("Cancelled", "Pending", "Submitting", claimed=False),
        "Cancelled/Cancelled",
    ),
    Case(
        "Pending with a pod, engine not started: the pod is deleted",
        unclaimed(pod(waiting())),
        "Cancelling/Cancelling",
        ("delete-pod",),
    ),
    Case(
        "deleted with --cascade=orphan while it runs, its pod without an owner: as any cancellation",
        wanted("Running", the_pod=pod(running(), owner=""), deleted=True),
        "Cancelling/Cancelling",
        ("patch-pod",),
    ),
    Case(
        "deleted with --cascade=orphan, the engine has ended: how",
        wanted("Running", the_pod=pod(terminated(143), owner=""), deleted=True),
        "Cancelled/Cancelled",
        says=("cancelled; exit code 143 without a report",),
    ),
    Case(
        "deleted with --cascade=orphan before its pod was recorded: it is not said that there was none",
        observed(
            run(
                {"flowSpec": flow_spec()},
                status_json("Pending", "Submitting", report=report()),
                deletionTimestamp=at(9),
            ),
            pod=orphan(),
        ),
        "Cancelled/Cancelled",
        says=("without an owner", "may still run"),
    ),
    Case("the pod is being deleted: nothing more", unclaimed(pod(waiting(), deleted=9)), "Cancelling/Cancelling"),
    Case(
        "Pending, the pod gone: Cancelled",
        wanted("Cancelled", "Cancelling", None, claimed=False, seen={"pod_created": True}),
        "Cancelled/Cancelled",
    ),
    Case(
        "engine started, not claimed yet: the PATCH", unclaimed(pod(running())), "Cancelling/Cancelling", ("patch-pod",)
    ),
    Case(
        "Running: the PATCH",
        wanted("Cancelled", the_pod=pod(running())),
        "Cancelling/Cancelling",
        ("patch-pod",),
        again=13,
    ),
    Case(
        "Paused: the PATCH",
        wanted("Cancelled", "Paused", None, pod(running()), said=report("Paused")),
        "Cancelling/Cancelling",
        ("patch-pod",),
    ),
    Case(
        "Suspended goes: Cancelled over it",
        wanted("Cancelled", the_pod=pod(running(), intent="Suspended", deadline=25)),
        "Cancelling/Cancelling",
        ("patch-pod",),
    ),
    Case(
        "the PATCH was made: nothing more until it is late",
        wanted("Cancelled", "Cancelling", None, pod(running(), intent="Cancelled", deadline=13), since=10),
        None,
        again=13,
    ),
    Case(
        "the engine still finishes its hooks: Cancelling",
        wanted(
            "Cancelled",
            "Cancelling",
            None,
            pod(running(), intent="Cancelled", deadline=13),
            said=report("Cancelled", ending=True),
            since=10,
        ),
        None,
    ),
    Case(
        "the pod is terminal, no report: Cancelled, killed",
        wanted("Cancelled", "Cancelling", None, pod(terminated(137), phase="Failed", reason="DeadlineExceeded")),
        "Cancelled/Cancelled",
        says=("killed after its grace of 30 s",),
    ),
    Case(
        "the container has ended, the phase lags behind: Cancelled",
        wanted("Cancelled", "Cancelling", None, pod(terminated(143))),
        "Cancelled/Cancelled",
        says=("exit code 143",),
    ),
    Case(
        "an eviction in the middle of it: Cancelled all the same",
        wanted(
            "Cancelled",
            "Cancelling",
            None,
            pod(terminated(137), phase="Failed", reason="Evicted", message="The node was low"),
        ),
        "Cancelled/Cancelled",
    ),
    Case(
        "the pod is gone: Cancelled", wanted("Cancelled", "Cancelling", None, pod_uid_kept=None), "Cancelled/Cancelled"
    ),
    Case(
        "10 s after the deadline was due, the kubelet does not act: DELETE",
        wanted("Cancelled", "Cancelling", None, pod(running(), intent="Cancelled", deadline=13), since=10, seconds=23),
        "Cancelling/Cancelling",
        ("delete-pod",),
    ),
    Case(
        "10 s after the deadline was due, the kubelet has sent SIGTERM: nothing more",
        wanted(
            "Cancelled",
            "Cancelling",
            None,
            pod(running(), intent="Cancelled", deadline=13, conditions=(KILLED,)),
            since=10,
            seconds=23,
        ),
        None,
        again=77,
    ),
    Case(
        "nothing after 2 × grace + 30 s: DELETE, Cancelled at once",
        wanted(
            "Cancelled",
            "Cancelling",
            None,
            pod(running(), intent="Cancelled", deadline=13, conditions=(KILLED,)),
            since=10,
            seconds=100,
        ),
        "Cancelled/Cancelled",
        ("delete-pod",),
        says=("may still run",),
    ),
    Case(
        "a lost node: as above",
        wanted("Cancelled", "Cancelling", None, pod(running(), phase="Unknown", deleted=15), since=10, seconds=100),
        "Cancelled/Cancelled",
        (),
        says=("may still run",),
    ),
    Case(
        "the FlowRun is deleted: as cancelled",
        wanted("Running", the_pod=pod(running()), deleted=True),
        "Cancelling/Cancelling",
        ("patch-pod",),
    ),
    Case(
        "the FlowRun is deleted before its pod: no pod",
        wanted("Running", "Pending", "Submitting", claimed=False, deleted=True),
        "Cancelled/Cancelled",
    ),
    Case(
        "the report came first: Completed",
        wanted("Cancelled", the_pod=pod(running()), said=report("Completed")),
        "Completed/Completed",
        says=("finished before it could be cancelled",),
    ),
]

SUSPEND = [
    Case(
        "sent, and then cancelled, the pod terminal: Cancelled goes over it",
        wanted("Cancelled", "Cancelling", None, pod(terminated(143), phase="Failed", intent="Suspended")),
        "Cancelled/Cancelled",
    ),
    Case(
        "Running: annotation and a deadline 15 s ahead",
        wanted("Suspended", the_pod=pod(running())),
        None,
        ("patch-pod",),
    ),
    Case("sent: nothing more", wanted("Suspended", the_pod=pod(running(), intent="Suspended", deadline=25)), None),
    Case(
        "sent, and wanted Running again meanwhile: carried out",
        wanted("Running", the_pod=pod(terminated(137), phase="Failed", reason="DeadlineExceeded", intent="Suspended")),
        "Paused/Suspended",
    ),
    Case(
        "sent, and wanted Running again: the annotation stays",
        wanted("Running", the_pod=pod(running(), intent="Suspended", deadline=25)),
        None,
    ),
    Case(
        "asked, the pod terminal: Paused/Suspended",
        wanted("Suspended", the_pod=pod(terminated(143), phase="Failed")),
        "Paused/Suspended",
    ),
    Case("asked, the pod gone: Paused/Suspended", wanted("Suspended"), "Paused/Suspended"),
    Case(
        "asked, engine not started: the pod goes",
        unclaimed(pod(waiting()), "Suspended"),
        "Pending/ContainerCreating",
        ("delete-pod",),
    ),
    Case(
        "asked, engine not started, the pod gone: Paused/Suspended",
        wanted("Suspended", "Pending", "Submitting", claimed=False, seen={"pod_created": True}),
        "Paused/Suspended",
    ),
    Case(
        "by its own code: stays until its input comes",
        wanted("Running", "Paused", "Suspended", claimed=False, attempt=2, pause={"key": "approve"}),
        None,
    ),
    Case(
        "by its own code, the input is there: it begins again",
        wanted(
            "Running",
            "Paused",
            "Suspended",
            claimed=False,
            attempt=2,
            pause={"key": "approve"},
            spec={"inputs": {"approve": True}},
        ),
        "Pending/Submitting",
        ("create-pod",),
    ),
    Case(
        "by its own code, the input is the one that was read: it stays",
        wanted(
            "Running",
            "Paused",
            "Suspended",
            claimed=False,
            attempt=2,
            # SHA-256 of `true`
            pause={"key": "approve", "seen": "b5bea41b6c623f7c"},
            spec={"inputs": {"approve": True}},
        ),
        None,
    ),
    Case(
        "by its own code, its deadline ahead: looked at then",
        wanted(
            "Running", "Paused", "Suspended", claimed=False, attempt=2, pause={"key": "approve", "deadline": at(40)}
        ),
        None,
        again=30,
    ),
    Case(
        "by its own code, its deadline over: it begins again",
        wanted(
            "Running", "Paused", "Suspended", claimed=False, attempt=2, pause={"key": "approve", "deadline": at(10)}
        ),
        "Pending/Submitting",
        ("create-pod",),
    ),
    Case(
        "by its own code, the input is there, and paused from outside: it stays",
        wanted(
            "Paused", "Paused", "Suspended", claimed=False, attempt=2, pause={"key": "a"}, spec={"inputs": {"a": 1}}
        ),
        None,
    ),
]

PAUSE = [
    Case("Running: the annotation alone", wanted("Paused", the_pod=pod(running())), None, ("patch-pod",)),
    Case(
        "said, 4 s ago: nothing",
        wanted("Paused", the_pod=pod(running(), intent="Paused"), seen={"intent_at": observed(seconds=6).now}),
        None,
        again=1,
    ),
    Case(
        "said, not obeyed within 5 s: again",
        wanted("Paused", the_pod=pod(running(), intent="Paused"), seen={"intent_at": observed(seconds=5).now}),
        None,
        ("patch-pod",),
    ),
    Case(
        "said three times more: left at that",
        wanted("Paused", the_pod=pod(running(), intent="Paused .3"), seen={"intent_at": observed(seconds=0).now}),
        None,
    ),
    Case(
        "obeyed: nothing",
        wanted(
            "Paused",
            "Paused",
            None,
            pod(running(), intent="Paused"),
            said=report("Paused", message="before"),
            seen={"intent_at": observed(seconds=0).now},
        ),
        None,
    ),
    Case(
        "Running again: the annotation alone",
        wanted("Running", "Paused", None, pod(running(), intent="Paused"), said=report("Paused", message="before")),
        None,
        ("patch-pod",),
    ),
    Case(
        "new inputs: a new token",
        wanted(
            "Running",
            "Paused",
            None,
            pod(running()),
            said=report("Paused", message="before", pause={"key": "a"}),
            pause={"key": "a"},
            spec={"inputs": {"a": 1}},
        ),
        None,
        ("patch-pod",),
    ),
]

DEADLINE = [
    Case(
        "activeDeadline passed: Running/Terminating, the deadline alone",
        wanted("Running", the_pod=pod(running()), policy={"activeDeadlineSeconds": 8}),
        "Running/Terminating",
        ("patch-pod",),
        says=("activeDeadlineSeconds (8 s)",),
        again=13,
    ),
    Case(
        "activeDeadline ahead: looked at when it passes",
        wanted("Running", the_pod=pod(running()), policy={"activeDeadlineSeconds": 20}),
        "Running/Running",
        again=12,
    ),
    Case(
        "activeDeadline passed, the pod has ended: Failed/TimedOut",
        wanted("Running", "Running", "Terminating", pod(terminated(143)), policy={"activeDeadlineSeconds": 8}),
        "Failed/TimedOut",
    ),
    Case(
        "activeDeadline passed while the pod never ran: Failed/TimedOut, the pod goes",
        wanted(
            "Running",
            "Pending",
            "Submitting",
            pod(waiting(), attempt=2),
            claimed=False,
            attempt=2,
            startTime=at(0),
            policy={"activeDeadlineSeconds": 8},
        ),
        "Failed/TimedOut",
        ("delete-pod",),
    ),
    Case(
        "activeDeadline passed while it waits: Failed/TimedOut, waits included",
        wanted(
            "Running",
            "Scheduled",
            "AwaitingRetry",
            claimed=False,
            attempt=2,
            startTime=at(0),
            scheduledTime=at(100),
            policy={"activeDeadlineSeconds": 8},
        ),
        "Failed/TimedOut",
    ),
    Case(
        "activeDeadline passed while it is suspended: Failed/TimedOut",
        wanted(
            "Suspended",
            "Paused",
            "Suspended",
            claimed=False,
            attempt=2,
            startTime=at(0),
            policy={"activeDeadlineSeconds": 8},
        ),
        "Failed/TimedOut",
    ),
    Case(
        "activeDeadline passed, nothing after 2 × grace + 30 s: DELETE, Failed/TimedOut",
        wanted(
            "Running",
            "Running",
            "Terminating",
            pod(running(), deadline=13, conditions=(KILLED,)),
            time=10,
            seconds=100,
            policy={"activeDeadlineSeconds": 8},
        ),
        "Failed/TimedOut",
        ("delete-pod",),
    ),
    Case(
        "activeDeadline passed, 10 s after the pod's deadline was due the kubelet does not act: DELETE",
        wanted(
            "Running",
            "Running",
            "Terminating",
            pod(running(), deadline=13),
            time=10,
            seconds=23,
            policy={"activeDeadlineSeconds": 8},
        ),
        "Running/Terminating",
        ("delete-pod",),
    ),
    Case(
        "terminating for another reason before: the hard deadline counts from the run's own",
        wanted(
            "Running",
            "Running",
            "Terminating",
            pod(running(), deleted=3),
            time=3,
            seconds=99,
            policy={"activeDeadlineSeconds": 8},
        ),
        "Running/Terminating",
    ),
]


@pytest.mark.parametrize("case", [*CANCEL, *SUSPEND, *PAUSE, *DEADLINE], ids=str)
def test_row(case: Case) -> None:
    check(case)


def patch_of(seen: Observed) -> Any:
    return next(e.patch for e in decide(seen).effects if hasattr(e, "patch"))


def test_the_cancelling_patch() -> None:
    assert patch_of(wanted("Cancelled", the_pod=pod(running()))) == {
        "metadata": {"annotations": {"penstock.dev/intent": "Cancelled"}},
        "spec": {"activeDeadlineSeconds": 13},
    }


def test_a_deadline_is_lowered_only() -> None:
    assert "spec" not in patch_of(wanted("Cancelled", the_pod=pod(running(), deadline=12)))
    assert patch_of(wanted("Cancelled", the_pod=pod(running(), deadline=600)))["spec"]["activeDeadlineSeconds"] == 13


def test_a_deadline_is_at_least_one() -> None:
    # The node's clock is an hour ahead.
    assert patch_of(wanted("Cancelled", the_pod=pod(running(), start_time=3600)))["spec"]["activeDeadlineSeconds"] == 1


def test_the_suspending_patch() -> None:
    assert patch_of(wanted("Suspended", the_pod=pod(running()))) == {
        "metadata": {"annotations": {"penstock.dev/intent": "Suspended"}},
        "spec": {"activeDeadlineSeconds": 25},
    }


def test_the_deadlines_patch_leaves_the_annotation() -> None:
    patch = patch_of(wanted("Running", the_pod=pod(running()), policy={"activeDeadlineSeconds": 8}))
    assert patch == {"spec": {"activeDeadlineSeconds": 13}}


def test_the_pausing_patch() -> None:
    assert patch_of(wanted("Paused", the_pod=pod(running()))) == {
        "metadata": {"annotations": {"penstock.dev/intent": "Paused"}}
    }
    again = wanted("Paused", the_pod=pod(running(), intent="Paused"), seen={"intent_at": observed(seconds=1).now})
    assert patch_of(again) == {"metadata": {"annotations": {"penstock.dev/intent": "Paused .1"}}}


def test_the_token_of_the_inputs() -> None:
    told = patch_of(wanted("Running", the_pod=pod(running()), spec={"inputs": {"a": 1}}))
    # SHA-256 of {"a":1}
    assert told == {"metadata": {"annotations": {"penstock.dev/intent": "Running 015abd7f"}}}


def stage(**spec: Any) -> Stage:
    play = Stage(World(run_json({"flowSpec": flow_spec(), **spec})))
    play.settle()
    play.kubelet(running())
    play.engine(report())
    play.settle()
    return play


def test_suspend_and_resume_counts_for_no_budget() -> None:
    play = stage()
    play.world.patch_spec(desiredState="Suspended")
    play.settle()
    play.engine(report("Suspended"))
    play.settle()
    assert play.state == "Paused/Suspended"
    assert "retries" not in play.status
    assert play.status["attempts"][0]["reason"] == "Suspended"
    play.world.patch_spec(desiredState="Running")
    play.settle()
    assert play.state == "Scheduled/Resuming"
    play.kubelet(terminated(0), "Succeeded", pod_name=pod_name(1))
    play.settle()
    assert play.state == "Pending/Submitting"
    pod_2 = play.pod
    assert pod_2 is not None
    assert pod_2["metadata"]["annotations"]["penstock.dev/intent"] == "Running"


NOT_STARTED: dict[str, Callable[[Stage], None]] = {
    "without a node": lambda _: None,
    "on its node, its image not there yet": lambda play: play.kubelet(waiting("ContainerCreating")),
}


@pytest.mark.parametrize("when", NOT_STARTED)
@pytest.mark.parametrize("restarted", [False, True], ids=["the same operator", "an operator that was restarted"])
@pytest.mark.parametrize("gone", [False, True], ids=["its pod is ending", "its pod is gone"])
def test_what_was_suspended_before_it_ran_and_resumed_at_once_loses_no_pod(
    when: str, restarted: bool, gone: bool
) -> None:
    """Its pod was deleted for the suspension: nobody but the status can tell so once it is wanted to run again."""
    play = Stage(World(run_json({"flowSpec": flow_spec()})))
    play.settle()
    NOT_STARTED[when](play)
    play.settle()
    play.world.patch_spec(desiredState="Suspended")
    play.step()
    assert play.writes[-1][0] == "delete-pod"
    play.world.patch_spec(desiredState="Running")
    if restarted:
        play.created = None
    if not gone:
        play.settle()
    if play.pod_of_attempt_1 in play.world.pods:
        play.remove_pod(play.pod_of_attempt_1)
    if restarted:
        play.last_pods.clear()
    play.settle()
    assert [(a["reason"], a.get("budget")) for a in play.status["attempts"]] == [("Suspended", None)]
    assert "retries" not in play.status
    assert "suspendTime" not in play.status["attempt"]
    assert play.state == "Pending/Submitting"
    assert play.pod is not None


@pytest.mark.parametrize("restarted", [False, True], ids=["the same operator", "an operator that was restarted"])
def test_what_was_suspended_while_it_ran_and_resumed_at_once_loses_no_pod(restarted: bool) -> None:
    """As above, where the pod is taken away by force after it was told."""
    play = stage()
    play.world.patch_spec(desiredState="Suspended")
    play.step()
    assert play.status["attempt"]["suspendTime"] == rfc3339(play.now)
    play.world.patch_spec(desiredState="Running")
    play.remove_pod()
    if restarted:
        play.last_pods.clear()
    play.settle()
    assert [(a["reason"], a.get("budget")) for a in play.status["attempts"]] == [("Suspended", None)]
    assert "suspendTime" not in play.status["attempt"]


def test_a_suspension_is_written_down_before_its_pod_is_touched() -> None:
    play = stage()
    play.world.patch_spec(desiredState="Suspended")
    before = len(play.writes)
    play.settle()
    assert [verb for verb, _ in play.writes[before:]] == ["status", "patch-pod"]
    begun = play.status["attempt"]["suspendTime"]
    play.wait(5)
    play.settle()
    assert play.status["attempt"]["suspendTime"] == begun


def test_a_suspension_that_was_begun_and_could_not_be_sent_is_sent() -> None:
    """The operator died between the two, and the run is wanted to run again: what was begun is carried out, and it goes on."""
    play = stage()
    play.world.patch_spec(desiredState="Suspended")
    play.write(play.decide())
    play.world.patch_spec(desiredState="Running")
    play.settle()
    assert play.writes[-1][0] == "patch-pod"
    assert play.writes[-1][1]["metadata"]["annotations"]["penstock.dev/intent"] == "Suspended"
    play.engine(report("Suspended"))
    play.settle()
    assert play.state == "Scheduled/Resuming"


def test_what_an_older_operator_told_a_pod_is_written_down() -> None:
    """It wrote the annotation alone."""
    play = stage()
    assert play.pod is not None
    play.pod["metadata"]["annotations"]["penstock.dev/intent"] = "Suspended"
    play.pod["spec"]["activeDeadlineSeconds"] = 15
    play.settle()
    assert play.status["attempt"]["suspendTime"] == rfc3339(play.now)
    play.remove_pod()
    play.last_pods.clear()
    play.settle()
    assert [a["reason"] for a in play.status["attempts"]] == ["Suspended"]


def test_a_process_that_stays_after_its_last_word_is_pushed() -> None:
    play = stage()
    play.engine(report("Suspended"))
    play.settle()
    play.wait(29)
    play.settle()
    assert [v for v, _ in play.writes].count("patch-pod") == 0
    play.wait(1)
    play.settle()
    assert play.writes[-1] == ("patch-pod", {"spec": {"activeDeadlineSeconds": 33}})
    play.wait(90)
    play.settle()
    assert [what for verb, what in play.writes if verb == "delete-pod"] == [pod_name(1)]


def test_cancelling_twice_does_nothing_new() -> None:
    play = stage()
    play.world.patch_spec(desiredState="Cancelled")
    play.settle()
    writes = len(play.writes)
    play.world.patch_spec(displayName="x")
    play.settle()
    # Only the generation that was looked at is written.
    assert [v for v, _ in play.writes[writes:]] == ["status"]
    assert play.status["observedGeneration"] == 3


def test_the_last_second_of_a_cancellation_is_exact() -> None:
    seen = wanted("Cancelled", "Cancelling", None, pod(running(), conditions=(KILLED,)), since=10, seconds=99.9)
    assert state_of(decide(seen)) == "Cancelling/Cancelling"
    assert verbs(decide(seen).effects) == ("patch-pod",)


QUESTION = {
    "description": "Publish?",
    "schema": {
        "type": "object",
        "properties": {"verdict": {"enum": ["yes", "no"]}, "by": {"type": "string"}, "note": {"type": "string"}},
        "required": ["verdict", "by"],
    },
}
REFUSED = {**QUESTION, "error": "by: a name"}
GO_ON = "said: set desiredState to Running to go on"
DEEP: Any = {}
for _ in range(200):
    DEEP = {"properties": {"a": DEEP}}


def answer(before: str, inputs: str) -> str:
    patch = f'{{"spec": {{"inputs": {{{inputs}}}}}}}'
    return f"{before}; to answer: kubectl patch fr/etl -n default --type=merge -p '{patch}'"


OUTLINE = '"decision": {"verdict": "yes", "by": "<string>"}'


def test_the_command_leaves_nothing_of_a_refused_answer() -> None:
    """A merge patch alone would keep the field that was refused, and so would the next refusal."""
    run = wanted("Running", the_pod=pod(running()), said=report("Paused")).run
    given = {"decision": {"verdict": "no", "bye": "x"}, "other": {"a": 1}}
    run = run.model_copy(update={"spec": run.spec.model_copy(update={"inputs": given})})
    pause = Pause.model_validate({"key": "decision", "seen": "0", "input": REFUSED})
    told = waits_for(run, pause, "said")
    assert told == answer(
        "Publish?; the last answer was refused: by: a name",
        '"decision": {"verdict": "yes", "by": "<string>", "bye": null}',
    )


@pytest.mark.parametrize("kind", ["Paused", "Suspended"])
@pytest.mark.parametrize(
    ("desired", "pause", "message"),
    [
        pytest.param("Running", {"key": "decision", "input": QUESTION}, answer("Publish?", OUTLINE), id="question"),
        pytest.param(
            "Running",
            {"key": "decision", "seen": "0", "input": REFUSED},
            answer("Publish?; the last answer was refused: by: a name", OUTLINE),
            id="refused",
        ),
        pytest.param(
            "Running",
            {"key": "go", "input": {"error": "too large"}},
            answer("said; too large", '"go": true'),
            id="not shown",
        ),
        pytest.param("Running", {"key": "go"}, answer("said", '"go": true'), id="any answer"),
        pytest.param("Running", {"key": "it's"}, answer("said", """"it'"'"'s": true"""), id="quoted"),
        pytest.param("Running", {"key": "two  spaces"}, "said; to answer: see status.pause", id="spaces"),
        pytest.param(
            "Running",
            {"key": "x", "input": {"schema": {"type": "x" * 700}}},
            "said; to answer: see status.pause",
            id="long outline",
        ),
        pytest.param("Running", {"key": "x", "input": {"schema": DEEP}}, answer("said", '"x": true'), id="deep"),
        pytest.param(
            "Running",
            {"key": "x", "input": {"description": "q" * 1024}},
            answer("q" * (1023 - len(answer("", '"x": true'))) + "…", '"x": true'),
            id="long question",
        ),
        pytest.param(
            "Running",
            {"key": "x", "input": {"schema": {"properties": {"a": 1}, "required": [1], "enum": 2}}},
            answer("said", '"x": {}'),
            id="no schema at all",
        ),
        pytest.param("Running", None, "said", id="waits for time"),
        pytest.param("Paused", None, GO_ON, id="paused from outside"),
        pytest.param(
            "Paused", {"key": "decision", "input": QUESTION}, GO_ON, id="paused from outside, with a question"
        ),
    ],
)
def test_a_pause_says_how_it_ends(kind: str, desired: str, pause: dict[str, Any] | None, message: str) -> None:
    """Its message has the question and a command that can be copied, whole however long the question is."""
    the_pod = pod(running()) if kind == "Paused" else pod(terminated(0))
    said = {**report(kind, message="said"), **({"pause": pause} if pause is not None else {})}
    status = decide(wanted(desired, the_pod=the_pod, said=said)).status
    assert status is not None
    assert status.state is not None
    assert (status.state.type.value, status.state.name) == ("Paused", kind)
    assert status.state.message == message
    assert len(message) <= 1024
