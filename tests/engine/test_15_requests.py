"""15. Requests of `penstock.flow_runs` by themselves: what a refusal means of a server that has just started, in virtual time; and whose
connections are closed when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from penstock.kube.access import Access
from penstock.kube.client import Answer, KubeClient, Trust
from penstock.kube.cluster import Cluster
from penstock.kube.credentials import FixedToken
from penstock.kube.errors import ApiError


def refusals_until(moment: float, code: int, message: str) -> Callable[[float], Answer]:
    return lambda now: Answer(code, {"message": message}) if now < moment else Answer(200, {"kind": "FlowRun"})


ROLE = 'flowruns.penstock.dev "a" is forbidden: User "flows" cannot get resource "flowruns"'


@pytest.mark.parametrize(
    ("said", "first", "seconds", "error"),
    [
        pytest.param(refusals_until(0.4, 403, ROLE), [], 1.2, None, id="a pod that begins while the server starts"),
        pytest.param(refusals_until(99, 403, ROLE), [], 2, ROLE, id="a missing right is known within two seconds"),
        pytest.param(refusals_until(99, 403, "quota"), [], 0, "quota", id="a quota is known at once"),
        pytest.param(refusals_until(99, 403, ROLE), [200, 5], 0, ROLE, id="a right that was taken away"),
        pytest.param(refusals_until(8, 403, ROLE), [200, 0], 9, None, id="a server that is back"),
        pytest.param(refusals_until(8, 401, "who"), [200, 503], 9, None, id="and does not know tokens yet"),
        pytest.param(refusals_until(999, 401, "who"), [200, 503], 25, "who", id="a token that is none any more"),
    ],
)
def test_a_refusal_of_a_server_that_has_just_started_is_no_evidence(
    said: Callable[[float], Answer], first: list[int], seconds: float, error: str | None
) -> None:
    """`first`: answers before, of which 5 stands for five seconds that pass."""
    now = 0.0
    before = list(first)

    class Scripted(KubeClient):
        def request(self, *_: Any, **__: Any) -> Answer:
            nonlocal now
            now += 0.001
            return Answer(before.pop(0)) if before else said(now)

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    access = Access("https://127.0.0.1:1", "default", FixedToken("t"), Trust())
    made = Cluster(access, Scripted("", access.token, ""), clock=lambda: now, sleep=sleep)
    if before:
        assert made.get("/") == {}
    if 5 in before:
        before.remove(5)
        now += 5
    began = now
    if error is None:
        assert made.get("/") == {"kind": "FlowRun"}
    else:
        with pytest.raises(ApiError, match=error):
            made.get("/")
    assert now - began <= seconds + 0.01


PATIENCE = 30.0


@contextmanager
def a_server(asked: threading.Event, answers: threading.Event) -> Iterator[str]:
    """One that answers when it may; gives its address."""

    class Held(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.set()
            answers.wait(PATIENCE)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Held) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            answers.set()
            server.shutdown()
            thread.join(PATIENCE)


def test_no_connection_is_closed_under_a_thread_that_reads_it() -> None:
    """Its number would stand for another one; the last reader closes it, and what is asked next has connections of its own."""
    asked, answers = threading.Event(), threading.Event()
    with a_server(asked, answers) as server:
        client = KubeClient(server, FixedToken("t"), Trust())
        said: list[Answer] = []
        reader = threading.Thread(target=lambda: said.append(client.request("GET", "/", PATIENCE)))
        reader.start()
        assert asked.wait(PATIENCE)
        lent = client._connections
        assert lent is not None
        client.close()
        assert lent.client.is_closed is False
        answers.set()
        assert client.request("GET", "/", PATIENCE).status == 200
        reader.join(PATIENCE)
        assert [answer.status for answer in said] == [200]
        assert bool(lent.client.is_closed)
        assert client._connections is not lent
        client.close()


def test_connections_that_nobody_reads_are_closed_at_once() -> None:
    asked, answers = threading.Event(), threading.Event()
    answers.set()
    with a_server(asked, answers) as server:
        client = KubeClient(server, FixedToken("t"), Trust())
        assert client.request("GET", "/", PATIENCE).status == 200
        lent = client._connections
        client.close()
    assert lent is not None
    assert lent.client.is_closed
