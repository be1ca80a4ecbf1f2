"""What answers mean, and what follows them: claim, delivery, fencing. The tables of the contract, row by row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from penstock.kube.backoff import delay
from penstock.pod import claim, delivery
from penstock.pod.answers import Kind, classify
from penstock.pod.claim import Accepted, Again, ClaimProgress, Identity, Refused, Unclaimed
from penstock.pod.delivery import (
    Delivered,
    DeliveryProgress,
    Fence,
    Fenced,
    GivenUp,
    SendAgain,
    Standing,
    standing_of,
)
from tests.support import pod_server as server

IDENTITY = Identity(uid="u-1", attempt=2, pod_name="etl-7f3c2-2", instance="abcd")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (server.TEST_FAILED, Kind.TEST_FAILED),
        (server.DENIED, Kind.DENIED),
        (server.FORBIDDEN, Kind.DENIED),
        (server.NOT_FOUND, Kind.GONE),
        (server.SCHEMA_REFUSAL, Kind.SCHEMA),
        (server.UNAUTHORIZED, Kind.UNAUTHENTICATED),
        (server.NO_RIGHT, Kind.FORBIDDEN),
        (server.CONFLICT, Kind.RETRY),
        (server.TOO_MANY, Kind.RETRY),
        (server.UNAVAILABLE, Kind.RETRY),
        (server.LOST_REQUEST, Kind.RETRY),
        (server.Fault(200, {}), Kind.ACCEPTED),
        (server.Fault(413, {}), Kind.SCHEMA),
        (server.Fault(400, {}), Kind.SCHEMA),
        (server.Fault(302, {}), Kind.RETRY),
        (server.Fault(422, {"details": "nonsense"}), Kind.TEST_FAILED),
        (server.Fault(422, {"details": {"causes": [{"message": "a"}, {"field": "b"}]}}), Kind.SCHEMA),
    ],
)
def test_classify(fault: server.Fault, kind: Kind) -> None:
    assert classify(fault.status, fault.body) is kind


@dataclass(frozen=True)
class ClaimCase:
    id: str
    kind: Kind
    want: type
    progress: ClaimProgress = field(default_factory=lambda: ClaimProgress(started=0.0))
    now: float = 1.0
    then: dict[str, Any] = field(default_factory=dict)
    says: str = ""


CLAIMS = [
    ClaimCase("200", Kind.ACCEPTED, Accepted),
    ClaimCase("test failed: once more with our own instance", Kind.TEST_FAILED, Again, then={"own": True}),
    ClaimCase("test failed twice", Kind.TEST_FAILED, Refused, ClaimProgress(0.0, own=True), says="current attempt"),
    ClaimCase("denied", Kind.DENIED, Refused, says="words"),
    ClaimCase("denied after the test", Kind.DENIED, Refused, ClaimProgress(0.0, own=True)),
    ClaimCase("gone", Kind.GONE, Refused),
    ClaimCase("schema: the minimal claim", Kind.SCHEMA, Again, then={"minimal": True}),
    ClaimCase("schema, again", Kind.SCHEMA, Unclaimed, ClaimProgress(0.0, minimal=True), says="smallest"),
    ClaimCase("401", Kind.UNAUTHENTICATED, Again, then={"failures": 1}),
    ClaimCase("no right yet", Kind.FORBIDDEN, Again, then={"failures": 1, "forbidden_since": 1.0}),
    ClaimCase(
        "no right for 30 s", Kind.FORBIDDEN, Unclaimed, ClaimProgress(0.0, forbidden_since=1.0), 31.0, says="Role"
    ),
    ClaimCase("no right, and the time is over", Kind.FORBIDDEN, Unclaimed, now=300.0, says="Role"),
    ClaimCase("not now", Kind.RETRY, Again, then={"failures": 1}),
    ClaimCase("not now, again", Kind.RETRY, Again, ClaimProgress(0.0, own=True, failures=3), then={"failures": 4}),
    ClaimCase("not now for 300 s", Kind.RETRY, Unclaimed, now=300.0, says="words"),
    ClaimCase("401 for 300 s", Kind.UNAUTHENTICATED, Unclaimed, now=300.0),
]


@pytest.mark.parametrize("case", CLAIMS, ids=lambda case: case.id)
def test_after_an_answer_to_a_claim(case: ClaimCase) -> None:
    step = claim.next_step(case.progress, case.kind, "words", case.now, 0.5, timeout=300.0)
    assert type(step) is case.want
    if isinstance(step, Again):
        changed = {name: getattr(step.progress, name) for name in case.then}
        assert changed == case.then
        # A test that failed is tried again at once: the first answer may have been lost.
        assert (step.seconds == 0.0) == (case.kind in (Kind.TEST_FAILED, Kind.SCHEMA))
    if isinstance(step, Refused | Unclaimed):
        assert case.says in step.message


def test_the_names_of_a_claim_that_could_not_be_made() -> None:
    late = claim.next_step(ClaimProgress(0.0), Kind.RETRY, "", 300.0, 0.5, timeout=300.0)
    forbidden = claim.next_step(ClaimProgress(0.0, forbidden_since=0.0), Kind.FORBIDDEN, "", 30.0, 0.5, timeout=300.0)
    assert isinstance(late, Unclaimed)
    assert isinstance(forbidden, Unclaimed)
    assert (late.name, forbidden.name) == ("ApiUnreachable", "NotAuthorized")


def test_the_claim_is_a_patch_of_tests_and_one_addition() -> None:
    document = {"type": "Running", "name": "Running", "attempt": 2, "instance": "abcd", "time": "now"}
    tests = [
        {"op": "test", "path": "/metadata/uid", "value": "u-1"},
        {"op": "test", "path": "/status/attempt/number", "value": 2},
        {"op": "test", "path": "/status/attempt/podName", "value": "etl-7f3c2-2"},
        {"op": "test", "path": "/status/completionTime", "value": None},
    ]
    assert claim.claim_patch(IDENTITY, document, ClaimProgress(0.0)) == [
        *tests,
        {"op": "test", "path": "/status/report", "value": None},
        {"op": "add", "path": "/status/report", "value": document},
    ]
    assert claim.claim_patch(IDENTITY, document, ClaimProgress(0.0, own=True, minimal=True)) == [
        *tests,
        {"op": "test", "path": "/status/report/instance", "value": "abcd"},
        {"op": "add", "path": "/status/report", "value": {"attempt": 2, "instance": "abcd", "type": "Running"}},
    ]


def test_a_report_goes_over_our_own_last_one_only() -> None:
    assert claim.report_patch(IDENTITY, {"type": "Failed"}, "then") == [
        {"op": "test", "path": "/status/report/instance", "value": "abcd"},
        {"op": "test", "path": "/status/report/time", "value": "then"},
        {"op": "replace", "path": "/status/report", "value": {"type": "Failed"}},
    ]
    assert claim.read_patch(IDENTITY) == [{"op": "test", "path": "/metadata/uid", "value": "u-1"}]


@dataclass(frozen=True)
class DeliveryCase:
    id: str
    kind: Kind
    want: type
    progress: DeliveryProgress = field(default_factory=DeliveryProgress)
    now: float = 1.0
    until: float | None = 60.0
    standing: Standing | None = None
    then: dict[str, Any] = field(default_factory=dict)
    fence: Fence | None = None


READING = DeliveryProgress(reading=True)
OURS, SENT, OTHERS, NONE = Standing(True, "before"), Standing(True, "sent"), Standing(False, "x"), Standing(False, None)

DELIVERIES = [
    DeliveryCase("200", Kind.ACCEPTED, Delivered),
    DeliveryCase("test failed: read", Kind.TEST_FAILED, SendAgain, then={"reading": True}),
    DeliveryCase("denied: read", Kind.DENIED, SendAgain, then={"reading": True}),
    DeliveryCase("404: read", Kind.GONE, SendAgain, then={"reading": True}),
    DeliveryCase("schema: minimal", Kind.SCHEMA, SendAgain, then={"minimal": True}),
    DeliveryCase("schema, again: never a loop", Kind.SCHEMA, GivenUp, DeliveryProgress(minimal=True)),
    DeliveryCase("401", Kind.UNAUTHENTICATED, SendAgain, then={"unauthenticated_since": 1.0}),
    DeliveryCase("401, progress", Kind.UNAUTHENTICATED, SendAgain, until=None, then={"unauthenticated_since": 1.0}),
    DeliveryCase(
        "401 for 60 s",
        Kind.UNAUTHENTICATED,
        Fenced,
        DeliveryProgress(unauthenticated_since=1.0),
        61.0,
        fence=Fence.SUPERSEDED,
    ),
    DeliveryCase("no right", Kind.FORBIDDEN, SendAgain, then={"failures": 1}),
    DeliveryCase("not now", Kind.RETRY, SendAgain, then={"failures": 1}),
    DeliveryCase("not now, and the time is over", Kind.RETRY, GivenUp, now=60.0),
    DeliveryCase("not now, progress is tried once", Kind.RETRY, GivenUp, until=None),
    DeliveryCase("read: gone", Kind.GONE, Fenced, READING, fence=Fence.GONE),
    DeliveryCase("read: another FlowRun of that name", Kind.TEST_FAILED, Fenced, READING, fence=Fence.GONE),
    DeliveryCase("read: denied", Kind.DENIED, Fenced, READING, fence=Fence.SUPERSEDED),
    DeliveryCase("read: another instance", Kind.ACCEPTED, Fenced, READING, standing=OTHERS, fence=Fence.SUPERSEDED),
    DeliveryCase("read: no report", Kind.ACCEPTED, Fenced, READING, standing=NONE, fence=Fence.SUPERSEDED),
    DeliveryCase("read: ours stands, the answer was lost", Kind.ACCEPTED, Delivered, READING, standing=SENT),
    DeliveryCase(
        "read: ours, an earlier one: go on from it",
        Kind.ACCEPTED,
        SendAgain,
        READING,
        standing=OURS,
        then={"reading": False},
    ),
    DeliveryCase("read: ours, too late", Kind.ACCEPTED, GivenUp, READING, now=60.0, standing=OURS),
    DeliveryCase("read: not now", Kind.RETRY, SendAgain, READING, then={"reading": True}),
]


@pytest.mark.parametrize("case", DELIVERIES, ids=lambda case: case.id)
def test_after_an_answer_to_a_report(case: DeliveryCase) -> None:
    step = delivery.next_step(
        case.progress, case.kind, "words", case.now, 0.5, sent_time="sent", until=case.until, standing=case.standing
    )
    assert type(step) is case.want
    if isinstance(step, SendAgain):
        assert {name: getattr(step.progress, name) for name in case.then} == case.then
    if isinstance(step, Fenced):
        assert step.fence is case.fence


def test_a_server_that_refuses_and_says_it_is_ours_is_not_asked_without_a_pause() -> None:
    first = delivery.next_step(READING, Kind.ACCEPTED, "", 1.0, 0.5, sent_time="sent", until=60.0, standing=OURS)
    assert isinstance(first, SendAgain)
    assert first.seconds == 0.0
    second = delivery.next_step(
        DeliveryProgress(reading=True, failures=first.progress.failures),
        Kind.ACCEPTED,
        "",
        1.0,
        0.5,
        sent_time="sent",
        until=60.0,
        standing=OURS,
    )
    assert isinstance(second, SendAgain)
    assert second.seconds > 0.0


@pytest.mark.parametrize(
    ("flow_run", "want"),
    [
        ({"status": {"report": {"instance": "abcd", "time": "t"}}}, Standing(True, "t")),
        ({"status": {"report": {"instance": "abcd"}}}, Standing(True, None)),
        ({"status": {"report": {"instance": "else", "time": "t"}}}, Standing(False, "t")),
        ({"status": {}}, Standing(False, None)),
        ({}, Standing(False, None)),
    ],
)
def test_the_standing_report(flow_run: dict[str, Any], want: Standing) -> None:
    assert standing_of(flow_run, "abcd") == want


@pytest.mark.parametrize(
    ("failures", "random", "retry_after", "want"),
    [
        (1, 0.5, None, 0.1),
        (1, 0.0, None, 0.0),
        (3, 1.0, None, 0.8),
        (50, 1.0, None, 10.0),
        (1, 0.5, 7.0, 7.0),
        (50, 1.0, 2.0, 10.0),
        (1, 0.0, 3600.0, 30.0),
    ],
)
def test_backoff(failures: int, random: float, retry_after: float | None, want: float) -> None:
    assert delay(failures, random, retry_after) == pytest.approx(want)
