"""The reporter against a server: lost answers, outages, refusals; what is told, in which order, and what is not."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.kube.client import KubeClient
from penstock.kube.credentials import TokenFile
from penstock.pod.claim import Accepted, Identity, Refused, Unclaimed
from penstock.pod.delivery import Fence
from penstock.pod.reporter import Reporter, Ticket
from tests.support import pod_server
from tests.support.pod_server import LOST_ANSWER, LOST_REQUEST, NAMESPACE, POD_NAME, RUN, UID, Fault, PodServer

PATH = f"/apis/penstock.dev/v1alpha1/namespaces/{NAMESPACE}/flowruns/{RUN}/status"
IDENTITY = Identity(UID, 1, POD_NAME, "mine")


def report(type_: str = "Running", time_: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": type_, "name": type_, "attempt": 1, "instance": "mine", "time": f"t{time_}", **more}


@pytest.fixture
def server() -> Iterator[PodServer]:
    with PodServer(pod_server.flow_run()) as running:
        yield running


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("one")
    return path


@pytest.fixture
def make(server: PodServer, token: Path) -> Iterator[Callable[..., Reporter]]:
    clients = []

    def make(timeout: float = 10.0, clock: Callable[[], float] = time.monotonic) -> Reporter:
        client = KubeClient(server.url, TokenFile(str(token)), "")
        clients.append(client)
        return Reporter(
            client, PATH, IDENTITY, claim_timeout=timeout, clock=clock, random=random.random, on_change=lambda: None
        )

    yield make
    for client in clients:
        client.close()


def claimed(reporter: Reporter) -> Accepted | Refused | Unclaimed:
    reporter.start(report())
    assert reporter.claimed.wait(10), "no end of the claim"
    assert reporter.claim_outcome is not None
    return reporter.claim_outcome


def delivered(ticket: Ticket) -> bool:
    assert ticket.settled.wait(10), "the ticket was never settled"
    return ticket.delivered


def soon() -> float:
    return time.monotonic() + 10


Make = Callable[..., Reporter]


def test_claim_and_outcome_are_two_writes(server: PodServer, make: Make) -> None:
    reporter = make()
    assert claimed(reporter) == Accepted()
    assert reporter.flow_run is not None
    assert reporter.flow_run["spec"]["desiredState"] == "Running"
    assert delivered(reporter.submit(report("Completed", 1), until=soon()))
    assert [request.answer for request in server.requests] == [200, 200]
    assert {request.token for request in server.requests} == {"one"}
    assert {request.path for request in server.requests} == {PATH}
    assert server.report == report("Completed", 1)


@pytest.mark.parametrize(
    "faults",
    [
        [LOST_ANSWER],
        [LOST_REQUEST, LOST_ANSWER],
        [pod_server.CONFLICT, pod_server.TOO_MANY, pod_server.UNAVAILABLE],
        [pod_server.SCHEMA_REFUSAL],
        [pod_server.NO_RIGHT],
        [LOST_ANSWER, None, LOST_ANSWER],
    ],
    ids=["answer lost", "both lost", "not now", "schema", "right comes late", "answer of the second lost, too"],
)
def test_a_claim_gets_through(server: PodServer, make: Make, faults: list[Fault | None]) -> None:
    server.next(*faults)
    reporter = make()
    assert claimed(reporter) == Accepted()
    assert delivered(reporter.submit(report("Completed", 1), until=soon()))
    assert server.report == report("Completed", 1)


def test_a_token_that_was_replaced_is_read_again(server: PodServer, make: Make, token: Path) -> None:
    server.token = "two"

    def replace(_: object) -> None:
        token.write_text("two")

    server.always(lambda operations: replace(operations))
    assert claimed(make()) == Accepted()
    assert [request.token for request in server.requests] == ["one", "two"]


def set_uid(document: dict[str, Any]) -> None:
    document["metadata"]["uid"] = "another"


def set_attempt(document: dict[str, Any]) -> None:
    document["status"]["attempt"]["number"] = 2


def set_pod(document: dict[str, Any]) -> None:
    document["status"]["attempt"]["podName"] = "etl-7f3c2-2"


def make_anew(document: dict[str, Any]) -> None:
    document["metadata"]["uid"] = "another"
    document["status"] = {}


def set_finished(document: dict[str, Any]) -> None:
    document["status"]["completionTime"] = "2026-01-01T00:00:00Z"


def set_report(document: dict[str, Any]) -> None:
    document["status"]["report"] = {**report(), "instance": "of another process"}


@pytest.mark.parametrize("change", [set_uid, set_attempt, set_pod, set_finished, set_report])
def test_a_claim_of_the_wrong_process_is_refused(
    server: PodServer, make: Make, change: Callable[[dict[str, Any]], None]
) -> None:
    server.change(change)
    outcome = claimed(make())
    assert isinstance(outcome, Refused)
    assert len(server.requests) == 2, "once more with our own instance, then no more"


@pytest.mark.parametrize("fault", [pod_server.DENIED, pod_server.FORBIDDEN, pod_server.NOT_FOUND])
def test_a_claim_that_is_denied_is_refused_at_once(server: PodServer, make: Make, fault: Fault) -> None:
    server.always(fault)
    outcome = claimed(make())
    assert isinstance(outcome, Refused)
    assert fault.body["message"] in outcome.message
    assert len(server.requests) == 1


def test_a_claim_gives_up_after_its_time(server: PodServer, make: Make) -> None:
    server.always(pod_server.UNAVAILABLE)
    outcome = claimed(make(timeout=0.3))
    assert isinstance(outcome, Unclaimed)
    assert outcome.name == "ApiUnreachable"
    assert "etcdserver: request timed out" in outcome.message


def test_a_missing_right_is_named(server: PodServer, make: Make) -> None:
    server.always(pod_server.NO_RIGHT)
    outcome = claimed(make(timeout=0.3))
    assert isinstance(outcome, Unclaimed)
    assert outcome.name == "NotAuthorized"
    assert "patch flowruns/status" in outcome.message


def test_an_ending_claims_with_its_outcome_once(server: PodServer, make: Make) -> None:
    server.always(pod_server.UNAVAILABLE)
    reporter = make()
    reporter.start(report())
    server.wait(lambda: server.requests)
    server.always(None)
    reporter.end_claim(report("Interrupted", 1))
    assert reporter.claimed.wait(10)
    assert reporter.claim_outcome == Accepted()
    assert server.report is not None
    assert server.report["type"] in ("Interrupted", "Running")
    assert reporter.claimed_document == server.report


def test_an_ending_does_not_go_on_claiming(server: PodServer, make: Make) -> None:
    server.always(pod_server.UNAVAILABLE)
    reporter = make(timeout=60.0)
    reporter.start(report())
    server.wait(lambda: len(server.requests) >= 2)
    reporter.end_claim(report("Interrupted", 1))
    assert reporter.claimed.wait(10)
    assert isinstance(reporter.claim_outcome, Unclaimed)
    last = server.requests[-1].report
    assert last is not None
    assert last["type"] == "Interrupted"


@pytest.mark.parametrize(
    "faults",
    [
        [LOST_REQUEST],
        [LOST_ANSWER],
        [LOST_ANSWER, None, LOST_REQUEST],
        [pod_server.TEST_FAILED],
        [pod_server.DENIED],
        [pod_server.NOT_FOUND],
        [pod_server.TEST_FAILED, None, pod_server.TEST_FAILED],
        [pod_server.CONFLICT, pod_server.TOO_MANY, pod_server.UNAVAILABLE],
    ],
    ids=["lost", "answer lost", "then the read", "transient", "denied once", "404 once", "transient twice", "not now"],
)
def test_an_outcome_arrives(server: PodServer, make: Make, faults: list[Fault | None]) -> None:
    reporter = make()
    assert claimed(reporter) == Accepted()
    server.next(*faults)
    assert delivered(reporter.submit(report("Completed", 1), until=soon()))
    assert reporter.fenced is None
    assert server.report == report("Completed", 1)


def test_after_a_lost_answer_the_next_report_goes_on_from_what_stands(server: PodServer, make: Make) -> None:
    reporter = make()
    assert claimed(reporter) == Accepted()
    server.next(LOST_ANSWER, pod_server.UNAVAILABLE)
    first = reporter.submit(report("Interrupted", 1, ending=True), until=soon())
    server.wait(lambda: server.report is not None and server.report["type"] == "Interrupted")
    assert delivered(reporter.submit(report("Completed", 2), until=soon()))
    assert first.settled.is_set()
    assert server.report == report("Completed", 2)


def test_a_late_progress_patch_cannot_overwrite_an_outcome(server: PodServer, make: Make) -> None:
    reporter = make()
    assert claimed(reporter) == Accepted()
    assert delivered(reporter.submit(report("Completed", 1), until=soon()))
    late: list[dict[str, Any]] = [
        {"op": "test", "path": "/status/report/instance", "value": "mine"},
        {"op": "test", "path": "/status/report/time", "value": "t0"},
        {"op": "replace", "path": "/status/report", "value": report("Running", 9)},
    ]
    client = KubeClient(server.url, TokenFile("/none"), "")
    answer = client.patch(PATH, late, 5.0)
    client.close()
    assert answer.status == 422
    assert server.report == report("Completed", 1)


def test_a_report_that_the_schema_refuses_is_sent_in_its_least_form(server: PodServer, make: Make) -> None:
    reporter = make()
    assert claimed(reporter) == Accepted()
    server.next(pod_server.SCHEMA_REFUSAL)
    assert delivered(reporter.submit(report("Failed", 1, message="m" * 500, error={"type": "X"}), until=soon()))
    assert server.report == report("Failed", 1, message="m" * 128)


def test_a_schema_that_refuses_everything_is_no_loop(server: PodServer, make: Make) -> None:
    reporter = make()
    assert claimed(reporter) == Accepted()
    server.always(pod_server.SCHEMA_REFUSAL)
    assert not delivered(reporter.submit(report("Failed", 1), until=soon()))
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("change", "fence"),
    [
        (set_report, Fence.SUPERSEDED),
        (make_anew, Fence.GONE),
        (lambda run: run["status"].pop("report"), Fence.SUPERSEDED),
    ],
    ids=["another instance", "another FlowRun", "no report"],
)
def test_a_refusal_that_is_confirmed_by_a_read_fences(
    server: PodServer, make: Make, change: Callable[[dict[str, Any]], None], fence: Fence
) -> None:
    reporter = make()
    assert claimed(reporter) == Accepted()
    server.change(change)
    assert not delivered(reporter.submit(report("Completed", 1), until=soon()))
    assert reporter.fenced is not None
    assert reporter.fenced.fence is fence
    assert server.requests[-1].is_read
    sent = len(server.requests)
    assert not delivered(reporter.submit(report("Completed", 2), until=soon()))
    assert len(server.requests) == sent, "nothing is sent any more"


def test_a_deleted_run_fences(server: PodServer, make: Make) -> None:
    reporter = make()
    assert claimed(reporter) == Accepted()
    server.delete()
    assert not delivered(reporter.submit(report("Completed", 1), until=soon()))
    assert reporter.fenced is not None
    assert reporter.fenced.fence is Fence.GONE


def test_a_policy_that_denies_the_read_fences(server: PodServer, make: Make) -> None:
    reporter = make()
    assert claimed(reporter) == Accepted()
    server.always(pod_server.DENIED)
    assert not delivered(reporter.submit(report("Completed", 1), until=soon()))
    assert reporter.fenced is not None
    assert reporter.fenced.fence is Fence.SUPERSEDED


def test_a_token_that_stays_refused_fences_after_a_minute(server: PodServer, make: Make) -> None:
    clock = [0.0]

    def refuse(_: object) -> Fault:
        clock[0] += 25.0
        return pod_server.UNAUTHORIZED

    reporter = make(clock=lambda: clock[0])
    assert claimed(reporter) == Accepted()
    server.always(refuse)
    assert not delivered(reporter.submit(report("Running", 1), until=None, progress=True))
    assert reporter.fenced is not None
    assert reporter.fenced.fence is Fence.SUPERSEDED
    assert clock[0] == 100.0, "the first refusal at 25 s, the last at 85 s or later"


def test_progress_is_tried_once_and_replaces_nothing(server: PodServer, make: Make) -> None:
    reporter = make()
    assert claimed(reporter) == Accepted()
    server.next(pod_server.UNAVAILABLE)
    assert not delivered(reporter.submit(report("Running", 1), until=None, progress=True))
    assert len(server.requests) == 2
    server.next(Fault(delay=0.2, carry_on=True))
    under_way = reporter.submit(report("Running", 2), until=None, progress=True)
    outcome = reporter.submit(report("Completed", 3), until=soon())
    dropped = reporter.submit(report("Running", 4), until=None, progress=True)
    assert delivered(outcome)
    assert under_way.settled.is_set()
    assert not delivered(dropped)
    assert server.report == report("Completed", 3)


def test_an_outcome_replaces_one_that_is_being_repeated(server: PodServer, make: Make) -> None:
    reporter = make()
    assert claimed(reporter) == Accepted()
    server.always(pod_server.UNAVAILABLE)
    first = reporter.submit(report("Interrupted", 1, ending=True), until=soon())
    server.wait(lambda: len(server.requests) >= 3)
    progress = reporter.submit(report("Running", 2), until=None, progress=True)
    second = reporter.submit(report("Cancelled", 3), until=soon())
    server.always(None)
    assert delivered(second)
    assert first.settled.is_set()
    assert progress.settled.is_set()
    assert [sent["type"] for sent in server.accepted] == ["Running", "Cancelled"]


def test_a_delivery_ends_when_its_time_is_brought_nearer(server: PodServer, make: Make) -> None:
    reporter = make()
    assert claimed(reporter) == Accepted()
    server.always(pod_server.UNAVAILABLE)
    ticket = reporter.submit(report("Completed", 1), until=time.monotonic() + 3600)
    server.wait(lambda: len(server.requests) >= 3)
    ticket.until = time.monotonic()
    assert not delivered(ticket)


def test_progress_is_asked_for_and_sent_when_it_changed(server: PodServer, make: Make) -> None:
    reporter = make()
    assert claimed(reporter) == Accepted()
    answers = iter([None, report("Running", 1), None])
    asked = threading.Semaphore(0)

    def source() -> dict[str, Any] | None:
        asked.release()
        return next(answers, None)

    reporter.send_progress(source, 0.01)
    for _ in range(4):
        assert asked.acquire(timeout=10)
    server.wait(lambda: server.report == report("Running", 1))
    assert len(server.requests) == 2


def test_a_proxy_of_the_environment_is_left_out_where_no_proxy_says_so(
    server: PodServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert claimed(make()) == Accepted()


def test_a_server_that_trickles_does_not_hold_a_report() -> None:
    """httpx bounds each read; the sum is bounded here."""
    import socket

    listener = socket.create_server(("127.0.0.1", 0))

    def trickle() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            stop = time.monotonic() + 5
            while time.monotonic() < stop:
                try:
                    connection.sendall(b" ")
                except OSError:
                    return
                time.sleep(0.02)

    thread = threading.Thread(target=trickle, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    client = KubeClient(f"http://127.0.0.1:{port}", TokenFile("/none"), "")
    answer = client.patch("/x", [], 0.3)
    client.close()
    assert answer.status == 0
    assert "0.3 s" in answer.problem, "and it went on for 20 s"
    thread.join(10)
    listener.close()


def test_a_read_writes_nothing_and_brings_the_run(server: PodServer, make: Make) -> None:
    reporter = make()
    assert claimed(reporter) == Accepted()
    server.change(lambda run: run["spec"].update(inputs={"approve": True}))
    server.next(pod_server.UNAVAILABLE)
    assert delivered(reporter.read(soon()))
    assert reporter.flow_run is not None
    assert reporter.flow_run["spec"]["inputs"] == {"approve": True}
    assert [request.is_read for request in server.requests] == [False, True, True]
    assert delivered(reporter.submit(report("Completed", 1), until=soon()))


@pytest.mark.parametrize(
    ("change", "fence"), [(set_report, Fence.SUPERSEDED), (make_anew, Fence.GONE)], ids=["another", "anew"]
)
def test_a_read_fences_as_well(
    server: PodServer, make: Make, change: Callable[[dict[str, Any]], None], fence: Fence
) -> None:
    reporter = make()
    assert claimed(reporter) == Accepted()
    server.change(change)
    assert not delivered(reporter.read(soon()))
    assert reporter.fenced is not None
    assert reporter.fenced.fence is fence
