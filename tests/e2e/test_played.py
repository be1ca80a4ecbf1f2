"""16. The rows of the contract on the real control plane: the test plays kubelet and engine, the real operator judges.

The rows are those of the core's hand-written tables that a real API server can hold, and the last status of each recorded pod; what an API
server refuses by itself stands in `test_refusals`. Rows whose point is a clock far ahead, or an operator's memory, stay with the core.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from penstock_operator.core.observe import Pod, parse_pod
from tests.operator_core import test_not_running_yet as waiting_rows
from tests.operator_core import test_running_and_ending as ending_rows
from tests.operator_core.test_recordings import EXPECTED, REFUSED, Recording
from tests.support.builders import NOW, RUN_UID, flow_spec, running, waiting
from tests.support.builders import pod as pod_of
from tests.support.cases import Case
from tests.support.played import NO_RETRIES, Row, Stage, met, open_stage, seen

JSON = dict[str, Any]
NODE = "node-1"
SPEC: JSON = {"flowSpec": flow_spec()}
AHEAD_SECONDS = 60  # a deadline that lies ahead in a case still does when hundreds of rows have been set up here
LONG = {"backoff": {"initialSeconds": 3600, "maximumSeconds": 3600}}

POLICY = {"retries": {"infrastructure": 1, "neverStarted": 1, "application": 1}, **LONG}

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


# --- rows: recordings ---------------------------------------------------------------------------------------------------------------

# The step that decides, where a later one hides it: how many steps are played.
DECIDED_BY = {
    "36-image-appears-later": 5,  # the image came when the attempt had been judged
    "92-delete-finished": 8,  # deleted when it had ended
    "118-sidecar-stays": 8,  # ended by a deadline when the engine had been judged
    "147-node-rebooted-restart-always": 6,  # restarted in spite of Never
}


def recorded(name: str) -> Row:
    """The last object of a recording; its container is the engine."""
    recording, fate = Recording(name), EXPECTED[name]
    last = recording.steps[: DECIDED_BY.get(name)][-1]
    return Row(
        id=f"recorded {name}",
        spec={"flowSpec": flow_spec(), "runPolicy": {"retries": NO_RETRIES}},
        state=fate.states[-1],
        pod=parse_pod(recording.pod(last, "unnamed")),
        claims="Running/Running" in fate.states,
        events=tuple(event for at, event in recording.events if at <= last.at + 1),
        gone=last.type == "DELETED",
        degraded=DEGRADED.get(fate.states[-1]),
    )


# Of the states in which a recording may stay, those that the contract calls Degraded.
DEGRADED = {"Pending/ImagePullBackOff": "ImagePullBackOff", "Pending/ConfigError": "ConfigError"}

# --- rows: the core's tables -----------------------------------------------------------------------------------------------------------

TABLES = (
    *waiting_rows.SCHEDULING, *waiting_rows.CONTAINERS, *ending_rows.SHOWN, *ending_rows.DISRUPTED, *ending_rows.POD_REASONS,
    *ending_rows.CONTAINERS, *ending_rows.CODES, *ending_rows.REPORTS,
)  # fmt: skip
# Rows whose situation is made in another way than by a pod's and a report's last word.
ELSEWHERE = {
    "report Interrupted, the run's deadline passed: Failed/TimedOut",  # by time alone: the operator's own clock
    "Unschedulable for longer than pendingDeadline: Crashed/Unschedulable, the pod goes",  # by time alone: below
    "a native sidecar that crash-loops for longer than pendingDeadline: Crashed/Initializing",  # by time alone
    "a pod of ours with another UID than the recorded: the recorded one is gone",
    "the pod waits for a revision that is gone with its Flow: Crashed/FlowDeleted",
}


def from_table(case: Case) -> Row | None:
    """The row of a case, or None: a real API server can't be brought there, or only by waiting for long."""
    told = case.observed
    status = told.run.status
    pod = told.pod if isinstance(told.pod, Pod) else told.last_pod
    claimed = status.report is not None
    begins = status.state is not None and (status.state.type.value, status.state.name) in {
        ("Pending", "Submitting"), ("Pending", "Unschedulable"), ("Running", "Running"),
    }  # fmt: skip
    if pod is None and (claimed or told.pod_created):
        pod = pod_of(running()) if claimed else pod_of()
        gone = True
    else:
        gone = told.last_pod is not None
    if (
        case.state is None or case.id in ELSEWHERE or pod is None or not begins
        or (told.now - NOW).total_seconds() > 20 or told.refusal is not None or told.running_at is not None
        or status.attempt is None or status.attempt.number != 1 or pod.owner_uid != RUN_UID
    ):  # fmt: skip
        return None
    spec = told.run.to_json()["spec"]
    policy = {**spec.get("runPolicy", {}), **LONG}
    if policy.get("pendingDeadlineSeconds", 0) >= AHEAD_SECONDS:
        policy["pendingDeadlineSeconds"] *= 60
    if case.state == "Paused/Suspended":  # asked by nobody, it would be resumed at once
        spec["desiredState"] = "Suspended"
    said = status.report.to_json() if status.report is not None else {}
    if "resumeTime" in said:
        said["resumeTime"] = "2099-01-01T00:00:00Z"
    return Row(
        id=case.id,
        spec={**spec, "runPolicy": policy},
        state=case.state,
        pod=pod,
        claims=claimed,
        report=said if said.get("type", "Running") != "Running" or said.get("ending") else None,
        events=told.events or (),
        gone=gone,
        says=case.says,
        degraded=case.degraded,
        budget=None if case.budget == "T" else case.budget,
    )


# Rows of the tables that wait there for longer than anybody wants to wait here, with waits of their own.
BACK_OFF = pod_of(waiting("ImagePullBackOff", "not found"))
SOON = {**POLICY, "imagePullGraceSeconds": 3}
SHORTENED = (
    *(
        Row(
            f"{reason}: Pending/SandboxError",
            SPEC,
            "Pending/SandboxError",
            pod_of(waiting(reason, "cni")),
            says=("cni",),
        )
        for reason in ("CreatePodSandboxError", "ConfigPodSandboxError")
    ),
    Row(
        "imagePullGrace of the run's own: Crashed/ImagePullFailed",
        {**SPEC, "runPolicy": SOON},
        "Crashed/ImagePullFailed",
        BACK_OFF,
        says=("image registry.example/engine:1", "not found", "3 s"),
    ),
    Row(
        "the registry throttles after imagePullGrace: another attempt, neverStarted",
        {**SPEC, "runPolicy": SOON},
        "Crashed/ImagePullFailed",
        pod_of(waiting("ErrImagePull", "toomanyrequests: 429 Too Many Requests")),
        says=("429",),
        budget="neverStarted",
    ),
    Row(
        "deletionTimestamp while Pending, not ours: stays Pending",
        SPEC,
        "Pending/Submitting",
        pod_of(waiting(), deleted=9),
        says=("being deleted",),
    ),
)

ROWS: dict[str, Row] = {
    f"recorded-{name.split('-')[0]}": recorded(name) for name in EXPECTED if name not in REFUSED
} | {f"row-{n:03}": row for n, case in enumerate(TABLES) if (row := from_table(case)) is not None} | {
    f"short-{n}": row for n, row in enumerate(SHORTENED)
}  # fmt: skip

# --- the stage -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def played(admin: httpx.Client) -> Stage:
    """All rows of pods and reports, played side by side."""
    made = open_stage(admin, "rows")
    # The garbage collector of pods takes those away whose node does not exist.
    made.send("POST", "/api/v1/nodes", {"metadata": {"name": NODE}, "spec": {}})
    made.play(ROWS)
    return made


@pytest.mark.parametrize("name", ROWS, ids=lambda name: str(ROWS[name]))
def test_row(played: Stage, name: str) -> None:
    row, status = ROWS[name], played.statuses.get(name, {})
    assert name not in played.failures, played.failures[name]
    assert met(row, status), f"{row.state} {row.budget} {row.degraded} {row.says} became {json.dumps(seen(status))}"
