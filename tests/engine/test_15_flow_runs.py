"""`penstock.flow_runs` against a real API server without an operator: the test is the operator, and the network's bad days."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest

import penstock.flow_runs as face
from penstock import flow, task
from penstock.client.schemas.objects import FlowRun
from penstock.clusterruns import arguments
from penstock.clusterruns import connection as connections
from penstock.clusterruns import results as taskresults
from penstock.exceptions import (
    BadRequestError,
    CancelledRun,
    ClusterError,
    CrashedRun,
    FailedRun,
    FlowRunWaitTimeout,
    MissingResult,
    NotAllowedError,
    NotJsonError,
    NotPausedError,
    ObjectAlreadyExists,
    ObjectNotFound,
    TooLargeError,
    UnfinishedRun,
)
from penstock.kube import cluster as clusters
from penstock.kube import watching
from penstock.kube.access import Access
from penstock.kube.client import Answer, KubeClient, Refused, Trust
from penstock.kube.credentials import FixedToken
from penstock.states import StateType
from penstock.tasks.flow_runs import CancelFlowRun, RenameFlowRun, StartFlowRun
from penstock.tasks.flow_runs import create_flow_run as create_task
from penstock.tasks.flow_runs import get_task_run_result as result_task
from penstock.tasks.flow_runs import wait_for_flow_run as wait_task
from penstock_operator.api.crd import crds
from tests.support.apiserver import Client, Embedded
from tests.support.world import until

create_fn: Any = create_task.fn
result_fn: Any = result_task.fn
NS = "/apis/penstock.dev/v1alpha1/namespaces/default"
MERGE = "application/merge-patch+json"
PARENT = "5f8c9d7b-0000-4000-8000-0000000000aa"


class Network(KubeClient):
    """A client whose answers get lost, whose watches break, and who counts."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked: list[str] = []
        self.busy = self.busiest = 0
        self.lost: dict[str, int] = {}
        self.refuse: list[tuple[str, Answer]] = []
        self.breaks: list[Answer] = []  # the next watches end so, after their first event
        self._lock = threading.Lock()

    def request(self, method: str, path: str, seconds: float, **more: Any) -> Answer:
        with self._lock:
            self.asked.append(method)
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
            said = next((pair for pair in self.refuse if pair[0] == method), None)
            if said is not None:
                self.refuse.remove(said)
        try:
            if said is not None:
                return said[1]
            answer = super().request(method, path, seconds, **more)
        finally:
            with self._lock:
                self.busy -= 1
        if self.lost.get(method, 0):
            self.lost[method] -= 1
            return Answer(0, problem="the answer was lost")
        return answer

    @contextlib.contextmanager
    def lines(self, path: str, query: Mapping[str, str], **more: Any) -> Iterator[Iterator[bytes]]:
        self.asked.append(f"WATCH {query.get('labelSelector', '')}" if "watch" in query else "LOG")
        with super().lines(path, query, **more) as lines:
            yield self._broken(lines) if "watch" in query else lines

    def _broken(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        for line in lines:
            yield line
            if self.breaks:
                raise Refused(self.breaks.pop(0))


@pytest.fixture(scope="module")
def server() -> Iterator[Embedded]:
    with Embedded(crds=crds()) as running:
        yield running


@pytest.fixture
def admin(server: Embedded) -> Iterator[Client]:
    with server.client() as made:
        for name in ("child", "other"):
            body = {
                "apiVersion": "penstock.dev/v1alpha1",
                "kind": "Flow",
                "metadata": {"name": name, "labels": {"team": "a", "helm.sh/chart": "x"}},
                "spec": {"entrypoint": "child.py:child", "results": {"storage": "file:///nowhere"}},
            }
            made.call("POST", f"{NS}/flows", body)
        yield made
        made.call("DELETE", f"{NS}/flowruns")


@pytest.fixture(scope="module")
def reach(server: Embedded) -> Iterator[connections.Connection]:
    """One connection for all tests of this module."""
    patch = pytest.MonkeyPatch()
    patch.setattr(watching, "WATCH_SECONDS", 2)
    patch.setattr(watching, "LINGER_SECONDS", 0.5)
    patch.setattr(clusters, "FIRST_SETTLING", 0)
    patch.setattr(clusters, "SETTLING_SECONDS", 0.5)
    access = Access(
        server.server.url, "default", FixedToken(server.server.token), Trust(ca_data=server.server.ca), source="x"
    )
    made = connections.Connection(access)
    made.cluster.client = Network(access.server, access.token, access.trust)
    yield made
    made.close()
    patch.undo()


@pytest.fixture
def settling(reach: connections.Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that has come back says nothing of rights for longer than a busy machine takes from one watch to the next."""
    monkeypatch.setattr(clusters, "SETTLING_SECONDS", 60)
    yield
    reach.cluster._settling, reach.cluster._settled_at = None, 0.0


@pytest.fixture
def network(reach: connections.Connection, admin: Client) -> Iterator[Network]:
    client = reach.cluster.client
    assert isinstance(client, Network)
    client.asked.clear()
    client.busiest = 0
    client.lost.clear()
    client.refuse, client.breaks = [], []
    with connections.used(reach):
        yield client


@pytest.fixture
def in_pod(network: Network, admin: Client, monkeypatch: pytest.MonkeyPatch) -> str:
    """This process as the pod of a FlowRun; gives its UID."""
    body = {"apiVersion": "penstock.dev/v1alpha1", "kind": "FlowRun", "metadata": {"name": "parent"},
            "spec": {"flowRef": {"name": "other"}}}  # fmt: skip
    uid = str(admin.call("POST", f"{NS}/flowruns", body)["metadata.uid"])
    for name, value in (("FLOWRUN", "parent"), ("FLOWRUN_UID", uid), ("NAMESPACE", "default")):
        monkeypatch.setenv(f"PENSTOCK_{name}", value)
    return uid


def state(admin: Client, name: str, kind: str, called: str | None = None, message: str = "", **status: Any) -> None:
    """Be the operator."""
    said = {"type": kind, "name": called or kind, "message": message, "time": datetime.now(UTC).isoformat()}
    said["since"] = said["time"]
    answer = admin.call("PATCH", f"{NS}/flowruns/{name}/status", {"status": {"state": said, **status}}, MERGE)
    assert answer.code == 200, answer.body


def runs(admin: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.call("GET", f"{NS}/flowruns").body["items"]
    return found


@contextlib.contextmanager
def operator(admin: Client, act: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """See to every run that has no state, until the end of the block."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.01):
            for body in runs(admin):
                if not (body.get("status") or {}).get("state") and body["metadata"]["name"] != "parent":
                    act(body)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def completes(admin: Client) -> Callable[[dict[str, Any]], None]:
    """An operator whose runs give twice their parameter n."""

    def act(body: dict[str, Any]) -> None:
        n = (body["spec"].get("parameters") or {}).get("n", 0)
        state(admin, body["metadata"]["name"], "Completed", result={"json": str(n * 2), "type": "int"})

    return act


def forbidden(verb: str) -> Answer:
    """What RBAC says, also while the API server has not read its roles yet."""
    said = (
        f'flowruns.penstock.dev is forbidden: User "system:serviceaccount:team-a:flows" cannot {verb} resource "flowruns" '
        'in API group "penstock.dev" in the namespace "team-a"'
    )
    return Answer(403, {"reason": "Forbidden", "message": said})


RESTART = [Answer(0, problem="cut"), forbidden("watch"), Answer(401)]


def named(answers: list[Answer]) -> str:
    """The name of a row: its codes."""
    return "-".join(str(each.status) for each in answers) or "none"


# -- starting ----------------------------------------------------------------------------------------------------------


def test_what_is_sent(network: Network, admin: Client) -> None:
    when = datetime(2099, 1, 1, 12, tzinfo=UTC)
    view = face.create_flow_run(
        "child", {"n": 1, "day": when.date(), "path": Path("/a")}, "mine", "k", when, "My run",
        {"spec": {"nodeSelector": {"disk": "fast"}}}, {"retries": {"application": 2}}, {"team": "b"}, {"x": [1]},
    )  # fmt: skip
    (body,) = runs(admin)
    assert body["metadata"]["name"] == view.name == "mine"
    assert body["metadata"]["labels"] == {"team": "b"}
    assert body["metadata"]["annotations"]["penstock.dev/idempotency-key"] == "k" == view.idempotency_key
    spec = body["spec"]
    assert spec["flowRef"] == {"name": "child"}
    assert spec["parameters"] == {"n": 1, "day": "2099-01-01", "path": "/a"} == view.parameters
    assert (spec["scheduledTime"], spec["displayName"], spec["context"]) == (
        "2099-01-01T12:00:00Z",
        "My run",
        {"x": [1]},
    )
    assert spec["template"] == {"spec": {"nodeSelector": {"disk": "fast"}}}
    assert spec["runPolicy"]["retries"]["application"] == 2
    assert "ownerReferences" not in body["metadata"]
    assert (view.state.type.value, view.flow_name, view.display_name) == ("PENDING", "child", "My run")
    assert view.expected_start_time == when


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (datetime(2099, 1, 1, 12), "2099-01-01T12:00:00Z"),
        (datetime(2099, 1, 1, 12, tzinfo=timezone(timedelta(hours=-5))), "2099-01-01T17:00:00Z"),
        (datetime(2099, 1, 1, 12, 0, 0, 1, tzinfo=UTC), "2099-01-01T12:00:01Z"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59Z"),
    ],
)
def test_a_time_is_never_sent_as_an_earlier_one(given: datetime, sent: str) -> None:
    assert arguments.not_before(given, "scheduled_time") == sent


def test_the_same_key_is_the_same_run_and_another_request_under_it_is_told(network: Network, admin: Client) -> None:
    first = face.create_flow_run("child", {"n": 1}, idempotency_key="day-1")
    again = face.create_flow_run("child", {"n": 1}, idempotency_key="day-1", scheduled_time=timedelta(hours=1))
    assert (first.id, first.name) == (again.id, again.name)
    assert face.create_flow_run("other", {"n": 1}, idempotency_key="day-1").id != first.id
    with pytest.raises(
        ObjectAlreadyExists, match=r"key 'day-1' stands for the flow run child-.*other values .parameters"
    ):
        face.create_flow_run("child", {"n": 2}, idempotency_key="day-1")
    assert len(runs(admin)) == 2


def test_a_lost_answer_makes_no_second_run(network: Network, admin: Client) -> None:
    network.lost["POST"] = 1
    view = face.create_flow_run("child", {"n": 1})
    assert [body["metadata"]["uid"] for body in runs(admin)] == [str(view.id)]
    assert network.asked.count("POST") == 2


def test_a_name_that_is_somebody_elses(network: Network, admin: Client) -> None:
    face.create_flow_run("child", name="mine")
    with pytest.raises(ObjectAlreadyExists, match="mine exists already and was started by somebody else"):
        face.create_flow_run("child", name="mine")


@pytest.mark.parametrize(
    ("answers", "posts"),
    [
        ([Answer(503), Answer(429, retry_after=0.01)], 3),
        ([Answer(0, problem="refused"), Answer(500)], 3),
        ([Answer(401)], 2),
        ([Answer(0, problem="refused"), forbidden("create"), forbidden("create")], 4),
    ],
)
def test_a_busy_server_is_asked_again(network: Network, answers: list[Answer], posts: int) -> None:
    face.create_flow_run("child", idempotency_key="warm")
    network.asked.clear()
    network.refuse = [("POST", answer) for answer in answers]
    face.create_flow_run("child")
    assert network.asked.count("POST") == posts


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: face.create_flow_run("chld"), ObjectNotFound, "no Flow chld .* did you mean child?"),
        (lambda: face.create_flow_run("child/prod"), ValueError, "Prefect's form flow/deployment"),
        (lambda: face.create_flow_run("My Flow"), ValueError, "'my-flow' for instance"),
        (lambda: face.create_flow_run(3), TypeError, "name of a Flow"),
        (lambda: face.create_flow_run("child", name=cast("Any", 3)), TypeError, "a flow run is a text; int"),
        (lambda: face.create_flow_run("child", display_name=cast("Any", 3)), TypeError, "display_name must be a text"),
        (lambda: face.create_flow_run("child", display_name="\udcff"), NotJsonError, "display_name: .*lone surrogate"),
        (lambda: face.create_flow_run("child", idempotency_key="\udcff"), NotJsonError, "idempotency_key: .*lone"),
        (lambda: face.create_flow_run("child", labels={"a": "\udcff"}), NotJsonError, "labels: .*lone surrogate"),
        (lambda: face.create_flow_run("child", labels=cast("Any", ["a"])), TypeError, "labels must be a mapping; list"),
        (lambda: face.create_flow_run("child", labels=cast("Any", {"a": None})), TypeError, "'a' has no value"),
        (lambda: face.create_flow_run("child", scheduled_time=cast("Any", "now")), TypeError, "scheduled_time must be"),
        (lambda: face.create_flow_run("child", scheduled_time=timedelta.max), ValueError, "beyond the calendar"),
        (lambda: face.create_flow_run("child", namespace="a/b"), ValueError, "'a/b'"),
        (lambda: face.create_flow_run("child", namespace=cast("Any", 3)), TypeError, "namespace must be a text"),
        (lambda: face.run_deployment("child", tags=[3]), TypeError, "tags must be a text; int"),
        (lambda: face.run_flow_run("child", timeout=cast("Any", "5")), TypeError, "number of seconds, or None; str"),
        (lambda: face.wait_for_flow_run("none", timeout=float("nan")), ValueError, "0 or more seconds; nan"),
        (lambda: face.wait_for_flow_run(None), TypeError, "name, its id"),
        (lambda: face.list_flow_runs(limit=-1), ValueError, "limit must be 0 or more"),
        (lambda: face.list_flow_runs(since=cast("Any", "now")), TypeError, "since must be a datetime"),
        (lambda: face.list_flow_runs(labels=cast("Any", "a=b")), TypeError, "labels must be a mapping; str"),
        (lambda: face.list_flow_runs(labels={"a": "b,c"}), ValueError, "a=b,c is no label"),
        (lambda: face.list_flow_runs(labels={"a in (b)": ""}), ValueError, "is no label"),
        (
            lambda: face.create_flow_run("child", context={"a": "x" * 1_300_000}),
            TooLargeError,
            "spec.context alone has",
        ),
        (lambda: face.get_task_result("none", 3), TypeError, "a task is given by its name"),
        (lambda: face.get_task_result("none", ""), ValueError, "the text is empty"),
        (lambda: face.get_task_result("none", "load", -2), ValueError, "map_index must be"),
        (lambda: face.create_flow_run("child", name="x" * 53), ValueError, "at most 52"),
        (lambda: face.create_flow_run("child", {"a": [{1}]}), NotJsonError, "parameters.a.0.: a set"),
        (lambda: face.create_flow_run("child", {"a": {1: 2}}), NotJsonError, "parameters.a: the key 1"),
        (lambda: face.create_flow_run("child", context={"a": 2**64}), NotJsonError, "context.a: an integer"),
        (lambda: face.create_flow_run("child", cast("Any", ["a"])), TypeError, "parameters must be a mapping"),
        (lambda: face.create_flow_run("child", run_policy={"retrys": 1}), BadRequestError, "retrys"),
        (lambda: face.create_flow_run("child", labels={"a b": "c"}), BadRequestError, "a b"),
        (lambda: face.run_deployment("child", work_queue_name="q"), ValueError, "concurrencyGroups"),
        (lambda: face.run_flow_run("child", timeout=-1), ValueError, "0 or more"),
        (lambda: face.read_flow_run("none"), ObjectNotFound, "none"),
        (lambda: face.read_flow_run("a/b/c"), ObjectNotFound, "no object can be called"),
        (lambda: face.read_flow_run(PARENT), ObjectNotFound, "has the id"),
        (lambda: face.read_flow_run(3), TypeError, "name, its id"),
        (lambda: face.rename_flow_run("none", ""), ValueError, "1 to 253"),
        (lambda: face.rename_flow_run("none", cast("Any", 3)), TypeError, "the display name must be a text"),
        (lambda: face.resume_flow_run("none"), ObjectNotFound, "none"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_sent(
    network: Network, admin: Client, call: Callable[[], Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        call()
    assert runs(admin) == []


def test_a_missing_right_is_named_with_what_grants_it(network: Network) -> None:
    network.refuse = [("POST", forbidden("create"))] * 50  # more than are asked for while a restart may be the reason
    with pytest.raises(NotAllowedError) as error:
        face.create_flow_run("child")
    for words in (
        '{apiGroups: ["penstock.dev"], resources: [flowruns], verbs: [create]}',
        "ServiceAccount flows",
        "team-a",
        "startRuns=true",
    ):
        assert words in str(error.value)


def test_no_cluster_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    connections.forget()
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ClusterError, match="no API server to talk to"):
        face.create_flow_run("child")
    with pytest.raises(ObjectNotFound, match="active in this process"):
        face.resume_flow_run(PARENT)


# -- waiting -----------------------------------------------------------------------------------------------------------


def test_states_results_and_failures(network: Network, admin: Client) -> None:
    ends: dict[str, tuple[str, dict[str, Any]]] = {
        "good": ("Completed", {"result": {"json": "[1]", "type": "list"}}),
        "none": ("Completed", {"result": {"json": "null", "type": "NoneType"}}),
        "lost": ("Completed", {"result": {"type": "Frame", "size": "9 MB", "kept": False}}),
        "away": ("Completed", {"result": {"type": "list", "location": "file:///nowhere/at/all"}}),
        "bad": ("Failed", {}),
        "dead": ("Crashed", {}),
        "off": ("Cancelled", {}),
    }
    for name, (kind, status) in ends.items():
        face.create_flow_run("child", name=name)
        state(admin, name, kind, "Evicted" if name == "dead" else None, f"about {name}", **status)
    assert face.get_result("good") == [1]
    assert face.get_result("none") is None
    assert face.wait_for_flow_run("good", timeout=5).state.result() == [1]
    lost = face.wait_for_flow_run("lost")
    for ask in (lambda: face.get_result("lost"), lost.state.result, lambda: asyncio.run(lost.state.aresult())):
        with pytest.raises(MissingResult, match=r"run lost was not kept .Frame, 9 MB.*results.storage"):
            ask()
    assert pickle.loads(pickle.dumps(lost)).state.is_completed()
    with pytest.raises(MissingResult, match="stored at file:///nowhere/at/all, which cannot be read from here"):
        face.get_result("away")
    for name, error in (("bad", FailedRun), ("dead", CrashedRun), ("off", CancelledRun)):
        with pytest.raises(error, match=f"about {name}"):
            face.wait_for_flow_run(name, raise_final_state=True)
    dead = face.wait_for_flow_run("dead")
    assert (dead.state.type.value, dead.state.name, dead.state.message) == ("CRASHED", "Evicted", "about dead")
    assert dead.state.state_details.flow_run_id == dead.id
    assert dead.state == face.read_flow_run("dead").state
    face.create_flow_run("child", name="young")
    with pytest.raises(UnfinishedRun):
        face.get_result("young")
    assert isinstance(face.get_result("bad", raise_on_failure=False), FailedRun)


@pytest.mark.parametrize(
    "bad", [[], [Answer(0, problem="cut")], [Answer(410)], [Answer(500), Answer(410)], RESTART], ids=named
)
def test_a_wait_outlives_what_happens_to_its_watch(
    network: Network, admin: Client, settling: None, bad: list[Answer]
) -> None:
    network.breaks = list(bad)

    def act(body: dict[str, Any]) -> None:
        for kind in ("Pending", "Running", "Running", "Completed"):
            state(admin, body["metadata"]["name"], kind, message=str(time.monotonic()), result={"json": "7"})
            time.sleep(0.02)

    with operator(admin, act):
        found = face.run_flow_run("child", timeout=20)
    assert found.result() == 7
    assert network.breaks == []


def test_a_listing_from_before_the_run_was_there_costs_no_look(
    reach: connections.Connection, network: Network, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look stands in line behind the creation of all siblings: the first children of a thousand were told 16 s late."""
    until("earlier watches have ended", lambda: all(watch.idle for watch in reach.watches))
    sent, listed, looks = network.request, threading.Event(), list[str]()

    def request(method: str, path: str, seconds: float, **more: Any) -> Answer:
        if method == "POST":
            assert listed.wait(10)
        answer = sent(method, path, seconds, **more)
        if method == "GET" and path.endswith("/flowruns"):
            listed.set()
        elif method == "GET" and "/flowruns/" in path:
            looks.append(path)
        return answer

    monkeypatch.setattr(network, "request", request)
    with operator(admin, completes(admin)):
        assert face.run_flow_run("child", {"n": 1}, timeout=20).result() == 2
    assert looks == []


def test_a_run_that_is_deleted_or_replaced_while_somebody_waits(network: Network, admin: Client) -> None:
    for again in (False, True):
        view = face.create_flow_run("child", name="fleeting")
        state(admin, "fleeting", "Running")

        def remove(again: bool = again) -> None:
            until("the watch is open", lambda: any(each.startswith("WATCH") for each in network.asked))
            admin.call("DELETE", f"{NS}/flowruns/fleeting")
            if again:
                face.create_flow_run("child", name="fleeting")

        thread = threading.Thread(target=remove)
        thread.start()
        with pytest.raises(ObjectNotFound, match="fleeting"):
            face.wait_for_flow_run(view, timeout=20)
        thread.join()


def test_a_wait_that_is_too_short_leaves_the_run_alone(network: Network, admin: Client) -> None:
    face.create_flow_run("child", name="slow")
    with pytest.raises(FlowRunWaitTimeout, match=r"slow did not end within 0.05 s; it is Pending"):
        face.wait_for_flow_run("slow", timeout=0.05)
    with pytest.raises(FlowRunWaitTimeout):
        face.run_flow_run("child", timeout=0.05)
    assert face.run_deployment("child", timeout=0).state.is_pending()
    assert not face.run_deployment("child", timeout=0.05).finished
    assert all(body["spec"].get("desiredState", "Running") == "Running" for body in runs(admin))


def test_states_are_told_once_each(network: Network, admin: Client, caplog: pytest.LogCaptureFixture) -> None:
    def act(body: dict[str, Any]) -> None:
        for kind, message in (("Running", "one"), ("Running", "two"), ("Completed", "done")):
            state(admin, body["metadata"]["name"], kind, message=message)

    caplog.set_level("INFO", "penstock.runs")
    with operator(admin, act):
        view = face.run_deployment("child", stream_states=True, timeout=20, flow_run_name="Shown")
    told = [record.getMessage() for record in caplog.records if record.name == "penstock.runs"]
    assert told[-1] == f"Flow run '{view.name}' is Completed: done"
    assert len(told) == len(set(told))
    assert [each.name for each in view.states][-1] == "Completed"


def test_a_hundred_children_of_a_map_take_one_watch_and_few_requests_at_a_time(
    network: Network, admin: Client, in_pod: str
) -> None:
    @task
    def child(n: int) -> int:
        found: int = face.run_flow_run("child", {"n": n}, raise_final_state=True).result()
        return found

    @flow
    def parent() -> int:
        return sum(child.map(range(100)).result())

    began = time.monotonic()
    with operator(admin, completes(admin)):
        ended = parent.run_engine(flow_run=FlowRun(name="parent", lineage_id=in_pod))
        assert ended.result() == 2 * sum(range(100))
    assert network.asked.count(f"WATCH penstock.dev/parent-run-uid={in_pod}") <= 1 + (time.monotonic() - began) / 2
    assert network.asked.count("POST") == 100
    assert network.asked.count("GET") < 10
    assert network.busiest <= 8 + 1  # the watch lists for itself
    owned = [body for body in runs(admin) if body["metadata"].get("ownerReferences")]
    assert len(owned) == 100
    reference = owned[0]["metadata"]["ownerReferences"][0]
    assert (reference["name"], reference["uid"], reference["controller"]) == ("parent", in_pod, True)


def test_a_new_attempt_and_a_retried_task_find_their_children(network: Network, admin: Client, in_pod: str) -> None:
    tries: list[int] = []

    @task(retries=1)
    def child(n: int) -> int:
        found: int = face.run_flow_run("child", {"n": n}).result()
        face.create_flow_run("child", {"n": n}, as_subflow=False)
        tries.append(n)
        if len(tries) == 1:
            raise ValueError("again")
        return found

    @flow
    def parent() -> list[int]:
        face.create_flow_run("other")
        face.create_flow_run("other")
        return child.map([1, 2]).result()  # type: ignore[no-any-return]

    with operator(admin, completes(admin)):
        for attempt in (1, 2):
            state_ = parent.run_engine(flow_run=FlowRun(name="parent", lineage_id=in_pod, attempt=attempt))
            assert state_.result() == [2, 4]
    made = [body for body in runs(admin) if body["metadata"]["name"] != "parent"]
    assert len(made) == 6
    assert sum(not body["metadata"].get("ownerReferences") for body in made) == 2


def test_a_run_that_repeats_another_takes_what_completed_and_starts_the_rest_again(
    network: Network, admin: Client, in_pod: str
) -> None:

    @flow
    def parent(lineage: str) -> list[str]:
        return [face.create_flow_run("child", {"n": n}).name for n in (1, 2)]

    first = parent.run_engine(parameters={"lineage": ""}, flow_run=FlowRun(lineage_id=PARENT)).result()
    state(admin, first[0], "Completed")
    state(admin, first[1], "Failed")
    for name in first:  # children of the run that is repeated
        admin.call("PATCH", f"{NS}/flowruns/{name}", {"metadata": {"ownerReferences": None}}, MERGE)
    second = parent.run_engine(parameters={"lineage": ""}, flow_run=FlowRun(lineage_id=PARENT)).result()
    assert second[0] == first[0]
    assert second[1] not in first
    assert parent.run_engine(parameters={"lineage": ""}, flow_run=FlowRun(lineage_id=PARENT)).result() == second


# -- other runs --------------------------------------------------------------------------------------------------------


def test_reading_and_listing(network: Network, admin: Client) -> None:
    views = [face.create_flow_run(name, labels={"n": str(n)}) for n, name in enumerate(("child", "child", "other"))]
    state(admin, views[0].name, "Failed", "TimedOut")
    assert face.read_flow_run(views[1].id).name == views[1].name
    assert (
        face.read_flow_run(f"default/{views[1].name}")
        == face.read_flow_run(str(views[1].id))
        == face.read_flow_run(views[1])
    )
    connections.connection()._names.clear()
    assert face.read_flow_run(str(views[1].id)).name == views[1].name
    assert {view.name for view in face.list_flow_runs()} == {view.name for view in views}
    assert {view.name for view in face.list_flow_runs("child")} == {view.name for view in views[:2]}
    for wanted in ("Failed", "TIMEDOUT", ["failed"], StateType.FAILED):
        assert [view.name for view in face.list_flow_runs(state=wanted)] == [views[0].name]
    assert face.list_flow_runs(state=[]) == []
    assert face.list_flow_runs(since=datetime.now(UTC) + timedelta(hours=1)) == []
    assert len(face.list_flow_runs(since=timedelta(hours=1), limit=2)) == 2
    assert [view.name for view in face.list_flow_runs(labels={"n": "2"})] == [views[2].name]


def test_changing_other_runs(network: Network, admin: Client) -> None:
    face.create_flow_run("child", name="one")

    def spec(name: str) -> Any:
        return admin.call("GET", f"{NS}/flowruns/one").body["spec"].get(name)

    with pytest.raises(NotPausedError):
        face.resume_flow_run("one")
    assert face.pause_flow_run("one").desired_state == "Paused" == spec("desiredState")
    assert face.suspend_flow_run(flow_run_id="one").desired_state == "Suspended" == spec("desiredState")
    assert face.resume_flow_run("one").desired_state == "Running" == spec("desiredState")
    assert face.rename_flow_run("one", "Eins").display_name == "Eins" == spec("displayName")
    state(admin, "one", "Paused", pause={"key": "approve"})
    face.resume_flow_run("one", {"yes": True})
    assert spec("inputs") == {"approve": {"yes": True}}
    face.resume_flow_run("one", {"no": None})
    assert spec("inputs") == {"approve": {"no": None}}
    assert face.cancel_flow_run("one").desired_state == "Cancelled" == spec("desiredState")
    assert face.cancel_flow_run("one").desired_state == "Cancelled"
    with pytest.raises(BadRequestError, match="a cancellation cannot be withdrawn"):
        face.pause_flow_run(flow_run_id="one")


def test_task_results_from_the_store(network: Network, admin: Client, tmp_path: Path) -> None:
    @task(persist_result=True)
    def load(n: int) -> int:
        return n + 1

    @task(persist_result=True)
    def outer() -> int:
        return load(100)

    @task(name="two words: a/b", persist_result=True)
    def spaced() -> int:
        return 7

    @flow(persist_result=True, result_storage=tmp_path)
    def child() -> None:
        spaced()
        load(10)
        load.map([1, 2]).wait()
        outer()

    view = face.create_flow_run("child", name="one")
    child.run_engine(flow_run=FlowRun(lineage_id=str(view.id)))
    state(admin, "one", "Completed", lineage=str(view.id))

    def found(*args: Any) -> Any:
        return face.get_task_result("one", *args, storage=tmp_path)

    assert found("load:0") == 11
    assert found("load:1") == [2, 3]
    assert found("load:1", 1) == 3
    assert found("outer:0/load:0") == 101
    assert found(outer) == 101
    assert found("two words: a/b") == found(spaced) == 7
    assert found("load:1", -1) == [2, 3]
    with pytest.raises(MissingResult, match=r"task none of the flow run one is stored at .*persist_result"):
        found("none")
    with pytest.raises(MissingResult, match=r"task load\[5\]"):
        found("load:1", 5)
    # What was stored long before the run cannot be of it, and is not even read: a store may hold a million of others.
    for file in tmp_path.rglob("*"):
        os.utime(file, (long_ago := view.created.timestamp() - 2 * taskresults.SKEW_SECONDS, long_ago))
    with pytest.raises(MissingResult, match="task load of"):
        found("load:0")
    # Unless the run goes on with what an earlier one has done.
    child.run_engine(flow_run=FlowRun(lineage_id="earlier"))
    for file in tmp_path.rglob("*"):
        os.utime(file, (long_ago, long_ago))
    face.create_flow_run("child", name="two")
    state(admin, "two", "Completed", lineage="earlier")
    assert face.get_task_result("two", "load:0", storage=tmp_path) == 11


# -- every form --------------------------------------------------------------------------------------------------------


def test_each_function_in_async_code(network: Network, admin: Client) -> None:
    @flow
    async def parent() -> list[Any]:
        first = await face.create_flow_run("child", {"n": 1})  # the plain name, in an async run
        view = await face.acreate_flow_run("child", {"n": 2})
        ended = await asyncio.gather(*(face.await_for_flow_run(each, timeout=20) for each in (first, view)))
        state_ = await face.arun_flow_run("child", {"n": 3}, timeout=20)
        view = await face.arun_deployment("child", parameters={"n": 4}, timeout=20)
        return [*[await each.state.aresult() for each in ended], await state_.aresult(), await face.aget_result(view)]

    with operator(admin, completes(admin)):
        assert asyncio.run(parent()) == [2, 4, 6, 8]

    async def script() -> None:
        assert len(await face.alist_flow_runs("child")) == 4
        assert len(await face.list_flow_runs("child")) == 4
        view = (await face.alist_flow_runs())[0]
        assert (await face.aread_flow_run(view)).name == view.name
        assert (await face.arename_flow_run(view, "x")).display_name == "x"
        fresh = await face.acreate_flow_run("child")
        assert (await face.apause_flow_run(fresh)).desired_state == "Paused"
        assert (await face.asuspend_flow_run(flow_run_id=fresh.name)).desired_state == "Suspended"
        assert (await face.aresume_flow_run(fresh.name)).desired_state == "Running"
        with pytest.raises(FlowRunWaitTimeout):
            await face.await_for_flow_run(fresh, timeout=0.05)
        waiting = asyncio.create_task(face.await_for_flow_run(fresh))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await face.acancel_flow_run(fresh)).desired_state == "Cancelled"

    asyncio.run(script())


@pytest.mark.parametrize(
    ("function", "theirs"),
    [
        (face.wait_for_flow_run, {"flow_run_id": ..., "timeout": None, "poll_interval": None, "log_states": False}),
        (face.pause_flow_run, {"wait_for_input": None, "timeout": 3600, "poll_interval": 10, "key": None}),
        (face.suspend_flow_run, {"wait_for_input": None, "flow_run_id": None, "timeout": None, "key": None}),
        (face.resume_flow_run, {"flow_run_id": ..., "run_input": None}),
        (
            face.run_deployment,
            {"name": ..., "client": None, "parameters": None, "scheduled_time": None, "flow_run_name": None, "timeout": None,
             "poll_interval": 5, "tags": None, "idempotency_key": None, "work_queue_name": None, "as_subflow": True,
             "job_variables": None},
        ),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)  # fmt: skip
def test_prefect_3s_signatures(function: Any, theirs: dict[str, Any]) -> None:
    """Release 3.9.1: the arguments in their order, with their defaults; only a wait has no end of itself here (there: three hours)."""
    given = inspect.signature(function).parameters
    assert [name for name in given if name in theirs] == list(theirs)
    defaults = {name: given[name].default for name in theirs}
    assert {n: ... if d is inspect.Parameter.empty else d for n, d in defaults.items()} == theirs


def test_every_pair_has_one_signature() -> None:
    for name in face.__all__:
        twin = getattr(face, f"a{name}", None)
        if twin is not None:
            assert inspect.signature(getattr(face, name)) == inspect.signature(twin), name
            assert inspect.iscoroutinefunction(twin)


# -- Prefect 1's tasks -------------------------------------------------------------------------------------------------


def test_start_flow_run(network: Network, admin: Client, in_pod: str) -> None:
    start = StartFlowRun("child", parameters={"n": 4}, run_name="Start", retries=1, create_link_artifact=False)
    with pytest.raises(TypeError, match=r"given the task .* as the parameter 'n'.*what it returns"):
        StartFlowRun("child", parameters={"n": start})
    waits = StartFlowRun("child", wait=True, name="waits")

    @flow
    def parent() -> tuple[str, Any]:
        return start(), waits(return_state=True)

    with operator(admin, completes(admin)):
        name, waited = parent()
    assert face.read_flow_run(name).display_name == "Start"
    assert (waited.type.value, waited.result()) == ("COMPLETED", 0)
    assert waited.state_details.child_flow_run_id is not None
    assert (start.retries, start.name, waits.name, StartFlowRun().name) == (1, "Flow child", "waits", "StartFlowRun")
    same = [start.run(idempotency_key="k", project_name="default", new_flow_context={"a": 1}) for _ in range(2)]
    assert same[0] == same[1]

    @flow
    def fails() -> Any:
        return waits(return_state=True)

    with operator(admin, lambda body: state(admin, body["metadata"]["name"], "Failed", "TimedOut", "too slow")):
        waited = fails(return_state=True)
    assert (waited.type.value, waited.message) == ("FAILED", "1/1 states failed.")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: StartFlowRun("child", poll_interval=timedelta(seconds=2)), "at least 3 seconds"),
        (lambda: StartFlowRun("child").run(poll_interval=timedelta(seconds=1)), "at least 3 seconds"),
        (lambda: StartFlowRun().run(), "needs flow_name"),
        (lambda: StartFlowRun("none").run(), "there is no Flow none"),
        (lambda: RenameFlowRun(flow_run_id="x").run(), "needs flow_run_name"),
        (lambda: RenameFlowRun(flow_run_name="x").run(), "no flow run around"),
        (lambda: CancelFlowRun().run(), "no flow run around"),
        (lambda: create_fn(), "exactly one of"),
        (lambda: create_fn(flow_id="a", flow_name="b"), "exactly one of"),
        (lambda: create_fn(flow_name="none"), "there is no Flow none"),
        (lambda: create_fn(flow_id=PARENT), f"there is no Flow {PARENT}"),
        (lambda: result_fn("x", ""), "needs task_slug"),
    ],
)
def test_prefect_1s_value_errors(network: Network, call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_prefect_1s_other_tasks(network: Network, admin: Client, in_pod: str, tmp_path: Path) -> None:
    @flow(name="above")
    def parent() -> Any:
        child = create_task(flow_name="child", parameters={"n": 5})
        view = wait_task(child, stream_states=False)
        for own in ("parent", "default/parent", in_pod, face.read_flow_run("parent")):
            with pytest.raises(ValueError, match="the run that asks"):
                result_fn(own, "load")
        with pytest.raises(ObjectNotFound):  # another one of its name
            face.wait_for_flow_run("parent", namespace="elsewhere")
        renamed = RenameFlowRun(flow_run_name="Renamed")()
        return child, view, renamed, CancelFlowRun(child)()

    with operator(admin, completes(admin)):
        child, view, renamed, cancelled = cast("Any", parent())
    found = face.read_flow_run(child)
    assert (found.display_name, found.labels["team"], "helm.sh/chart" in found.labels) == ("parent-child", "a", False)
    assert (view.state.result(), view.parameters, view.states[-1].name) == (10, {"n": 5}, "Completed")
    with pytest.raises(MissingResult, match="nowhere"):
        view.get_task_result("load-1")
    assert renamed
    assert face.read_flow_run("parent").display_name == "Renamed"
    assert not cancelled
    flow_id = admin.call("GET", f"{NS}/flows/other").body["metadata"]["uid"]
    assert create_fn(flow_id=flow_id, idempotency_key="k") == create_fn(flow_id=flow_id, idempotency_key="k")
    other = face.read_flow_run(create_fn(flow_id=flow_id, labels=["a=b", "c"], run_name="X"))
    labels = {"a": "b", "c": "true", "penstock.dev/parent-run-uid": in_pod}  # the pod's, also outside of its flow
    assert (other.flow_name, other.labels, other.display_name) == ("other", labels, "X")
    with pytest.raises(FlowRunWaitTimeout):
        wait_task.fn(other.name, max_duration=timedelta(seconds=0.05))
    state(admin, other.name, "Crashed", "Evicted", "its node went")
    taken = wait_task(other.name, raise_final_state=True, return_state=True)
    assert (taken.name, taken.message) == ("Evicted", "its node went")
    assert wait_task(child, raise_final_state=True).name == found.name
    other = face.read_flow_run(create_fn(flow_id=flow_id))
    assert CancelFlowRun().run(other.name)
    assert RenameFlowRun().run(str(other.id), "Y")


def test_prefect_1s_signatures() -> None:
    def names(fn: Any) -> list[str]:
        return list(inspect.signature(fn).parameters)

    assert names(StartFlowRun) == ["flow_name", "project_name", "parameters", "run_config", "wait", "new_flow_context",
                                   "run_name", "scheduled_start_time", "poll_interval", "task_options"]  # fmt: skip
    assert names(RenameFlowRun) == ["flow_run_id", "flow_run_name", "task_options"]
    assert names(CancelFlowRun) == ["flow_run_id", "task_options"]
    # What later releases of Prefect 1 have besides is by name only.
    assert names(create_task.fn) == ["flow_id", "flow_name", "project_name", "parameters", "context", "labels", "run_name",
                                     "run_config", "scheduled_start_time", "idempotency_key"]  # fmt: skip
    assert names(wait_task.fn) == ["flow_run_id", "stream_states", "stream_logs", "raise_final_state", "max_duration"]
    assert names(StartFlowRun.run)[1:] == ["flow_name", "project_name", "parameters", "run_config", "new_flow_context", "run_name",
                                           "idempotency_key", "scheduled_start_time", "wait", "poll_interval"]  # fmt: skip
    assert names(result_task.fn) == ["flow_run_id", "task_slug", "map_index", "poll_time"]
    assert inspect.signature(result_task.fn).parameters["map_index"].default == -1
