"""pods/log: which container, which lines, and when a follow ends."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from penstock_dev.apiserver import logs as kept
from penstock_dev.apiserver.logs import FolderLogs
from tests.dev.apiserver.rows import MERGE, pod
from tests.support.apiserver import Client

PODS = "/api/v1/namespaces/default/pods"


def running(client: Client, name: str, restarts: int = 0, **spec: Any) -> str:
    """Make a pod whose container `main` runs; returns its uid."""
    made = client.call("POST", PODS, pod(name, **spec))
    assert made.code == 201, made.body
    status(client, name, {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, restarts)
    return str(made["metadata.uid"])


def status(client: Client, name: str, state: dict[str, Any], restarts: int = 0, phase: str = "Running") -> None:
    container = {"name": "main", "ready": True, "restartCount": restarts, "image": "x", "imageID": "", "state": state}
    body = {"status": {"phase": phase, "containerStatuses": [container]}}
    assert client.call("PATCH", f"{PODS}/{name}/status", body, MERGE).code == 200


def write(logs: FolderLogs, uid: str, text: str, restart: int = 0) -> None:
    path = logs.path(uid, "main", restart)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)


def read(client: Client, name: str, query: str = "") -> str:
    answer = client.call("GET", f"{PODS}/{name}/log{query}")
    assert answer.code == 200, answer.body
    return str(answer.body["text"])


@pytest.fixture(scope="module")
def three(server: Any, logs: FolderLogs) -> str:
    with server.client() as client:
        uid = running(client, "three")
    write(logs, uid, "2026-01-01T00:00:00.5Z one\n2026-01-01T00:00:01Z two\n2100-01-01T00:00:02Z three words\ntorn")
    return "three"


def test_text_without_times(client: Client, three: str) -> None:
    assert read(client, three) == "one\ntwo\nthree words\n"


@pytest.mark.parametrize(
    ("query", "want"),
    [
        ("?tailLines=2", "two\nthree words\n"),
        ("?tailLines=0", ""),
        ("?sinceSeconds=10", "three words\n"),
        ("?sinceTime=2026-01-01T00:00:01Z", "two\nthree words\n"),
        ("?timestamps=true&tailLines=1", "2100-01-01T00:00:02Z three words\n"),
        ("?limitBytes=5", "one\nt"),
        ("?container=main&tailLines=1", "three words\n"),
    ],
)
def test_what_is_asked_for(client: Client, three: str, query: str, want: str) -> None:
    assert read(client, three, query) == want


def test_a_pod_without_output_has_an_empty_log(client: Client) -> None:
    running(client, "silent")
    assert read(client, "silent") == ""


def test_wrong_container(client: Client, three: str) -> None:
    answer = client.call("GET", f"{PODS}/{three}/log?container=other")
    assert (answer.code, answer.message) == (400, f"container other is not valid for pod {three}")


def test_container_must_be_named_among_several(client: Client) -> None:
    two = [{"name": "main", "image": "x"}, {"name": "side", "image": "x"}]
    running(client, "two", containers=two)
    answer = client.call("GET", f"{PODS}/two/log")
    assert (answer.code, answer.message) == (
        400,
        "a container name must be specified for pod two, choose one of: [main side]",
    )


def test_waiting_container_has_no_log_yet(client: Client) -> None:
    running(client, "waiting")
    status(client, "waiting", {"waiting": {"reason": "ContainerCreating"}}, phase="Pending")
    answer = client.call("GET", f"{PODS}/waiting/log")
    assert (answer.code, answer.message) == (
        400,
        'container "main" in pod "waiting" is waiting to start: ContainerCreating',
    )


def test_previous_instance(client: Client, logs: FolderLogs) -> None:
    uid = running(client, "again", restarts=1)
    write(logs, uid, "2026-01-01T00:00:00Z first\n", restart=0)
    write(logs, uid, "2026-01-01T00:00:00Z second\n", restart=1)
    assert read(client, "again") == "second\n"
    assert read(client, "again", "?previous=true") == "first\n"


def test_no_previous_instance(client: Client, three: str) -> None:
    answer = client.call("GET", f"{PODS}/{three}/log?previous=true")
    assert (answer.code, answer.message) == (400, 'previous terminated container "main" in pod "three" not found')


@pytest.mark.parametrize("end", ["terminated", "phase", "deleted"])
def test_a_follow_ends_with_the_pod_and_has_all_of_it(client: Client, logs: FolderLogs, end: str) -> None:
    name = f"follow-{end}"
    uid = running(client, name)
    write(logs, uid, "2026-01-01T00:00:00Z one\n")
    with client.http.stream("GET", f"{PODS}/{name}/log?follow=true") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "one"
        write(logs, uid, "2026-01-01T00:00:01Z two\n")
        assert next(lines) == "two"
        write(logs, uid, "2026-01-01T00:00:02Z last\n")
        if end == "terminated":
            status(client, name, {"terminated": {"exitCode": 0, "reason": "Completed"}})
        elif end == "phase":
            status(client, name, {"terminated": {"exitCode": 0}}, phase="Succeeded")
        else:
            assert client.call("DELETE", f"{PODS}/{name}").code == 200
        assert list(lines) == ["last"]


def test_a_follower_of_a_silent_container_is_answered_at_once(client: Client) -> None:
    running(client, "follow-silent")
    with client.http.stream("GET", f"{PODS}/follow-silent/log?follow=true", timeout=5) as answer:
        assert answer.status_code == 200
        assert client.call("DELETE", f"{PODS}/follow-silent?gracePeriodSeconds=0").code == 200
        assert answer.read() == b""


@pytest.mark.parametrize("step", [7, 64, 2**16])
def test_where_a_reader_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """The place is that of reading all lines and counting, whatever their lengths, and however much is read at a time."""
    monkeypatch.setattr(kept, "_STEP_BYTES", step)
    monkeypatch.setattr(kept, "PIECE_BYTES", max(16, step // 4))
    logs, dice = FolderLogs(tmp_path), Random(step)
    for count in (0, 1, 2, 3, 40):
        texts = ["x" * dice.choice((0, 1, 5, 90)) for _ in range(count)]
        seconds = sorted(dice.randrange(20) for _ in range(count))
        lines = [f"1970-01-01T00:00:{at:02}Z {text}".encode() for at, text in zip(seconds, texts, strict=True)]
        write(logs, f"pod-{count}", "".join(f"{line.decode()}\n" for line in lines) + dice.choice(("", "torn")))
        for tail in (None, 0, 1, 2, count, count + 1):
            for since in (None, 0, 7, 7.5, 19, 60):
                wanted = lines if tail is None else lines[max(0, count - tail) :]
                wanted = wanted if since is None else [line for line in wanted if kept.time_of(line) >= since]
                assert read_all(logs, f"pod-{count}", tail, since) == wanted, (count, tail, since)
    assert logs.begin("no-pod", "main", 0, tail=1) == 0


def read_all(logs: FolderLogs, uid: str, tail: int | None, since: float | None) -> list[bytes]:
    found, at = [], logs.begin(uid, "main", 0, tail=tail, since=since)
    while piece := logs.read(uid, "main", 0, at):
        lines, at = piece
        if not lines:
            break
        found += lines
    return found
