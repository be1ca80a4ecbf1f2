"""Log lines for people, runs followed as they happen, and what is said at the end."""

from __future__ import annotations

import io
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from rich.console import Console

from penstock_cli.api import Api, ServerError
from penstock_cli.errors import CliError
from penstock_cli.follow import LogLine, StateChange, follow
from penstock_cli.logstream import LogStream
from penstock_cli.runs import Run
from penstock_cli.story import summary, tell
from penstock_operator.runtime.credentials import load
from tests.support.cli import Stage
from tests.support.world import PATIENCE, until

COMMON = {"ts": "2026-11-21T12:00:00.5Z", "level": "INFO", "logger": "penstock.flow_runs", "run": "one", "flow": "f"}


def connected(at: Stage) -> Api:
    return Api(load({"KUBECONFIG": str(at.kubeconfig)}, clock=time.monotonic))


@pytest.fixture
def api(at: Stage) -> Iterator[Api]:
    with connected(at) as made:
        yield made


def play(*scenes: Callable[[], object]) -> threading.Thread:
    """Let things happen beside the test."""

    def run() -> None:
        for scene in scenes:
            scene()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def hear(api: Api, run: Run, told: list[str], happens: Callable[[], object]) -> None:
    """Follow a run to its end while things happen; each line and each state's name is told as it comes."""
    life = play(happens)
    for event in follow(api, [run]):
        told.append(event.text if isinstance(event, LogLine) else event.run.state[1])
    life.join()


def test_follow_several_runs(at: Stage, api: Api) -> None:
    """Every state once, every line of a run before its end, and no end without all runs' ends."""
    runs = [Run(at.run(name)) for name in ("a", "b")]

    def life(run: Run, end: str) -> None:
        name = run.name
        at.status(name, "Pending", "Submitting", "creating", attempt={"number": 1, "podName": f"{name}-1"})
        uid = at.pod(f"{name}-1", run.body)
        at.status(name, "Pending", "Submitting", "another message", attempt={"number": 1, "podName": f"{name}-1"})
        at.status(name, "Running", attempt={"number": 1, "podName": f"{name}-1"})
        at.log(uid, "one", "two")
        at.status(name, end, attempt={"number": 1, "podName": f"{name}-1"})
        at.log(uid, "three")
        at.end_pod(f"{name}-1")

    lives = [play(lambda: life(runs[0], "Completed")), play(lambda: life(runs[1], "Failed"))]
    seen: dict[str, list[str]] = {"a": [], "b": []}
    for event in follow(api, runs):
        seen[event.run.name].append(event.text if isinstance(event, LogLine) else event.run.state[0])
        assert isinstance(event, (LogLine, StateChange))
    for one in lives:
        one.join()
    for name, end in (("a", "Completed"), ("b", "Failed")):
        found = seen[name]
        assert [line for line in found if line in ("one", "two", "three")] == ["one", "two", "three"]
        assert found[-1] == end
        assert found.count("Pending") <= 1


def test_the_first_attempts_lines_come_first(at: Stage, api: Api) -> None:
    """Although its pod is still ending while the second one works."""
    run = Run(at.run("a"))
    first = at.pod("a-1", run.body, 1)
    at.log(first, "first")
    at.status("a", "Running", attempt={"number": 1, "podName": "a-1"})
    lines: list[str] = []

    def happens() -> None:
        until("the first attempt is followed", lambda: lines == ["first"])
        second = at.pod("a-2", run.body, 2)
        at.status("a", "Running", "Retrying", attempt={"number": 2, "podName": "a-2"})
        at.log(second, "third", "fourth")
        time.sleep(0.5)  # for a reader of the second log that does not wait
        at.log(first, "second")
        at.end_pod("a-1")
        at.end_pod("a-2")
        at.status("a", "Completed", attempt={"number": 2, "podName": "a-2"})

    life = play(happens)
    for event in follow(api, [run]):
        if isinstance(event, LogLine):
            lines.append(event.text)  # one by one: the world waits for it
    life.join()
    assert lines == ["first", "second", "third", "fourth"]


def test_an_attempts_lines_come_before_what_is_waited_for_then(at: Stage, api: Api) -> None:
    run = Run(at.run("a"))
    at.log(at.pod("a-1", run.body, 1), "first")
    at.end_pod("a-1")
    second = {"number": 2, "podName": "a-2"}
    at.status("a", "Scheduled", "AwaitingRetry", attempt=second)
    told: list[str] = []

    def happens() -> None:
        until("the wait is told", lambda: "AwaitingRetry" in told)
        at.log(at.pod("a-2", run.body, 2), "second")
        at.end_pod("a-2")
        at.status("a", "Completed", attempt=second)

    hear(api, run, told, happens)
    assert told == ["first", "AwaitingRetry", "second", "Completed"]


def test_what_a_paused_run_has_said_comes_before_its_pause(at: Stage, api: Api) -> None:
    run = Run(at.run("a"))
    at.log(at.pod("a-1", run.body, 1), "asks")
    first = {"number": 1, "podName": "a-1"}
    at.status("a", "Paused", attempt=first)
    told: list[str] = []

    def happens() -> None:
        until("the pause is told", lambda: "Paused" in told)
        at.end_pod("a-1")
        at.status("a", "Completed", attempt=first)

    hear(api, run, told, happens)
    assert told == ["asks", "Paused", "Completed"]


def test_who_comes_late_reads_all_attempts(at: Stage, api: Api) -> None:
    run = Run(at.run("a"))
    for number in (1, 2):
        at.log(at.pod(f"a-{number}", run.body, number), f"attempt {number}")
        at.end_pod(f"a-{number}")
    at.status("a", "Completed", attempt={"number": 2, "podName": "a-2"})
    found = [event.text if isinstance(event, LogLine) else event.run.state[0] for event in follow(api, [run])]
    assert found == ["attempt 1", "attempt 2", "Completed"]


def test_follow_ends_when_the_run_is_deleted(at: Stage, api: Api) -> None:
    run = Run(at.run("a"))
    at.status("a", "Running")
    seen: list[str] = []

    def delete() -> None:
        until("it is followed", lambda: seen == ["Running"])
        at.client.delete(f"{at.runs}/a")

    deleting = play(delete)
    for event in follow(api, [run]):
        seen.append(event.run.state[0])  # one by one: the world waits for it
    assert seen == ["Running"]
    deleting.join()
    until("it is gone", lambda: at.client.get(f"{at.runs}/a").status_code == 404)


def test_the_story_and_its_summary(at: Stage, api: Api) -> None:
    runs = [Run(at.run(name)) for name in ("good", "bad")]
    text = io.StringIO()
    console = Console(file=text, width=80)

    def happens() -> None:
        for name in ("good", "bad"):
            at.status(
                name,
                "Running",
                message="runs on node n",
                startTime="2026-11-21T12:00:00Z",
                attempt={"number": 2, "podName": f"{name}-2"},
            )
        until("both are told", lambda: text.getvalue().count("  Running") == 2)
        uid = at.pod("good-2", runs[0].body, 2)
        at.log(uid, json.dumps({**COMMON, "run": "good", "flowRun": "good", "msg": "[bold]brackets are text[/]"}))
        at.end_pod("good-2")
        attempt = {"number": 2}
        at.status(
            "good",
            "Completed",
            message="completed",
            result={"json": '{"rows": 3}', "type": "dict"},
            attempt={**attempt, "podName": "good-2"},
        )
        error = {"type": "ValueError", "message": "no [rows]", "location": "etl.py:3 in load"}
        at.status(
            "bad", "Failed", message="ValueError: no [rows]", error=error, attempt={**attempt, "podName": "bad-2"}
        )

    life = play(happens)
    ended = tell(api, runs, console)
    life.join()
    assert [run.completed for run in ended] == [True, False]
    summary(ended, console)
    told = text.getvalue()
    assert "==> good  Running  runs on node n" in told
    assert "good  " in told
    assert "Flow run 'good' - [bold]brackets are text[/]" in told
    assert "==> bad  Failed  ValueError: no [rows]" in told
    assert '\ngood: returned {"rows": 3}\n' in told
    assert "\nbad: Failed, ValueError: no [rows] (etl.py:3 in load)\n" in told


class CutOff:
    """An API server whose answers break off: a log of five lines, read over and over, and then the pod has ended."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def lines(self, path: str, query: dict[str, str], *, stop: threading.Event) -> Iterator[str]:
        self.asked.append(query)
        count = len(self.asked)
        if count == 2:
            raise ServerError(500, "InternalError", "the node is away")
        since = query.get("sinceTime", "")
        for number in range(count if query.get("follow") else 5):
            stamp = f"2026-11-21T12:00:0{number // 2}"
            if f"{stamp}Z" >= since:
                yield f"{stamp}.{number}Z line {number}"
        if count % 2 and query.get("follow"):
            raise CliError("The connection broke")

    def find(self, path: str) -> dict[str, object] | None:
        return {"status": {"phase": "Succeeded"}}


def test_a_log_is_read_over_cut_offs() -> None:
    """Each line once, and those that came behind the last end of a request too."""
    run = Run({"metadata": {"name": "a", "namespace": "default", "uid": "u"}})
    server, told = CutOff(), list[str]()
    stream = LogStream(server, run, "a-1", lambda _, text: told.append(text), threading.Event(), None)  # type: ignore[arg-type]
    stream.run()
    assert told == [f"line {number}" for number in range(5)]
    assert "follow" not in server.asked[-1], "once more when nothing can come any more"
    assert server.asked[-1]["sinceTime"] == "2026-11-21T12:00:01Z"


# --- connections of threads


def watched(at: Stage) -> tuple[str, dict[str, str]]:
    return at.runs, {"resourceVersion": at.get(at.runs)["metadata"]["resourceVersion"]}


def test_a_watch_that_begins_when_all_is_over_is_not_read(at: Stage, api: Api) -> None:
    """It was not there yet when those that were read were ended, and nothing else would end it."""
    stop = threading.Event()
    stop.set()
    path, query = watched(at)
    begun = time.monotonic()
    assert list(api.watch(path, query, stop=stop)) == []
    assert time.monotonic() - begun < PATIENCE


def test_no_connection_is_closed_under_a_thread_that_reads_it(at: Stage) -> None:
    """Its number would stand for another one. Who reads it last closes it."""
    path, query = watched(at)
    heard: queue.Queue[str] = queue.Queue()
    with connected(at) as left:

        def read() -> None:
            with suppress(CliError):  # as it looks to a reader: broken
                for event in left.watch(path, query):
                    heard.put(event["object"]["metadata"]["name"])

        reader = threading.Thread(target=read)
        reader.start()
        at.run("first")
        assert heard.get(timeout=PATIENCE) == "first"
    at.run("second")
    assert heard.get(timeout=PATIENCE) == "second"
    assert not left._http.is_closed
    left.end_streams()
    reader.join(PATIENCE)
    assert left._http.is_closed


def test_an_api_that_nobody_reads_is_closed_at_once(at: Stage) -> None:
    with connected(at) as left:
        left.get(at.runs)
    assert left._http.is_closed
