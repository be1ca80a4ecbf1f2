"""A core small enough to see through, and the server that it works on: a run begins, gets its pod, and rests."""

from __future__ import annotations

from typing import Any

from penstock_operator.api.flowrun import Attempt, FlowRunStatus, State, StateType
from penstock_operator.core.model import CreatePod, Decision, Observed
from penstock_operator.core.observe import Pod
from tests.support.fakeapi import FakeApi
from tests.support.runtimeobjects import flowrun, pod
from tests.support.runtimerig import START

MANIFEST = pod(version=0)


def server(**run: Any) -> FakeApi:
    api = FakeApi()
    api.put("flowruns", flowrun(**run))
    return api


def to(status: FlowRunStatus, **changes: Any) -> FlowRunStatus:
    return status.model_copy(update=changes)


def pending(seen: Observed) -> FlowRunStatus:
    return to(
        seen.run.status,
        state=State(type=StateType.PENDING, name="Submitting", since=START, time=START),
        attempt=Attempt(number=1, pod_name="etl-1"),
    )


def begins(seen: Observed) -> Decision:
    """Pending first, then the pod, then nothing."""
    if seen.run.status.state is None:
        return Decision(status=pending(seen), effects=(CreatePod(MANIFEST),))
    if isinstance(seen.pod, Pod):
        return Decision()
    return Decision(effects=(CreatePod(MANIFEST),))


def nothing(_: Observed) -> Decision:
    return Decision()
