"""`penstock logs` and `penstock tasks`: a run's log from its first attempt to its last, and its task runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock_cli.exits import Exit
from penstock_cli.main import main
from tests.cli.conftest import Penstock
from tests.cli.test_following import play
from tests.cli.test_reading import STORY, change
from tests.support.cli import Stage
from tests.support.terminal import Terminal
from tests.support.world import until

EVICTED = {
    "number": 1, "podName": "one-1", "state": "Crashed", "reason": "Evicted", "message": "node pressure: memory",
    "endTime": "2026-11-21T12:00:00Z",
}  # fmt: skip
SECOND: dict[str, Any] = {"attempt": {"number": 2, "podName": "one-2", "podUID": "u"}, "attempts": [EVICTED]}


def line(text: str, **more: Any) -> str:
    of = {
        "ts": "2026-11-21T12:00:00.500000Z",
        "level": "INFO",
        "logger": "penstock.flow_runs",
        "run": "one",
        "flow": "f",
    }
    return json.dumps({**of, "flowRun": "one", "msg": text, **more})


def shown(text: str) -> list[str]:
    return [each.partition(" | ")[2] or each for each in text.splitlines()]


def two_attempts(at: Stage) -> None:
    run = at.run("one")
    at.log(at.pod("one-1", run, 1), "plain text", line("first try"), line("", event="state", level="DEBUG"))
    at.log(at.pod("one-2", run, 2), line("again"))
    at.end_pod("one-1")
    at.end_pod("one-2")
    at.status("one", "Failed", message="ValueError: no rows", **SECOND)


WHOLE = [
    "plain text", "INFO    | Flow run 'one' - first try",
    "--- attempt 1 Crashed/Evicted: node pressure: memory; attempt 2 began 0.0s later",
    "INFO    | Flow run 'one' - again", "--- Failed: ValueError: no rows",
]  # fmt: skip


def test_all_attempts_and_what_lies_between(at: Stage, penstock: Penstock) -> None:
    two_attempts(at)
    done = penstock("logs", "one")
    assert (done.code, shown(done.out)) == (Exit.OK, WHOLE)
    followed = penstock("logs", "fr/one", "-f")
    assert (followed.code, shown(followed.out)) == (Exit.FAILED, WHOLE), "the same, and how it ended"
    assert shown(penstock("logs", "one", "--attempt", "2").out) == ["INFO    | Flow run 'one' - again"]
    assert shown(penstock("logs", "one", "--attempt", "1", "-f").out) == WHOLE[:2]
    documents = [json.loads(each) for each in penstock("logs", "one", "--json").out.splitlines()]
    assert [(each.get("attempt"), each.get("msg"), each.get("event")) for each in documents] == [
        (1, "plain text", None), (1, "first try", None), (1, "", "state"), (1, None, "attempt"),
        (2, "again", None), (None, None, "run"),
    ]  # fmt: skip
    assert documents[3]["to"] == "Crashed/Evicted"
    assert documents[-1]["to"] == "Failed"


def test_an_empty_line_that_the_pod_has_put_is_left_out(at: Stage, penstock: Penstock) -> None:
    run = at.run("one")
    apart = (line("first") + " ", "", line("", event="state", level="DEBUG") + " ")
    at.log(at.pod("one-1", run, 1), "printed", "", "", *apart, "", line("last"), "")
    at.end_pod("one-1")
    at.status("one", "Completed", attempt={"number": 1, "podName": "one-1"})
    said = [text.rpartition(" - ")[2] for text in penstock("logs", "one").out.splitlines()]
    assert said == ["printed", "", "first", "", "last", "", "--- Completed"]
    documents = [json.loads(each) for each in penstock("logs", "one", "--json").out.splitlines()]
    assert [each.get("msg") for each in documents] == ["printed", "", "first", "", "", "last", "", None]


def test_logs_that_are_gone(at: Stage, penstock: Penstock) -> None:
    run = at.run("one")
    at.log(at.pod("one-2", run, 2), line("again"))
    at.end_pod("one-2")
    at.status("one", "Completed", **SECOND)
    for command in (["logs", "one"], ["logs", "-f", "one"]):
        done = penstock(*command)
        assert done.code == Exit.OK
        assert shown(done.out)[0].startswith("--- attempt 1: its pod is gone, and its log with it")
        assert shown(done.out)[1:] == [WHOLE[2], WHOLE[3], "--- Completed"]


def test_a_run_that_waits_says_why(at: Stage, penstock: Penstock) -> None:
    at.run("one")
    assert penstock("logs", "one").out == "--- not seen by the operator yet\n"
    at.status("one", "Scheduled", "AwaitingFlow", "there is no Flow 'x'")
    done = penstock("logs", "one")
    assert (done.code, done.out) == (Exit.OK, "--- Scheduled/AwaitingFlow: there is no Flow 'x'\n")
    at.status(
        "one",
        "Scheduled",
        "AwaitingRetry",
        "attempt 2 in 10 s",
        attempt={"number": 2, "podName": "one-2"},
        attempts=[EVICTED],
    )
    said = penstock("logs", "one").out.splitlines()
    assert said[1:] == [
        "--- attempt 1 Crashed/Evicted: node pressure: memory",
        "--- Scheduled/AwaitingRetry: attempt 2 in 10 s",
    ]
    assert penstock("logs", "one", "--attempt", "3").code == Exit.NOT_FOUND


@pytest.mark.parametrize("command", ["logs", "tasks"])
def test_what_is_not_there(at: Stage, penstock: Penstock, command: str) -> None:
    done = penstock(command, "nope")
    assert (done.code, done.err) == (
        Exit.NOT_FOUND,
        'Error from server (NotFound): flowruns.penstock.dev "nope" not found\n',
    )
    assert penstock(command, "pod/x").code != 0


@pytest.mark.parametrize("changes", [True, False], ids=["other states between", "the same state again"])
@pytest.mark.parametrize(("end", "code"), [("Completed", Exit.OK), ("Cancelled", Exit.CANCELLED)])
def test_a_run_is_followed_over_its_attempts(
    at: Stage, penstock: Penstock, end: str, code: Exit, *, changes: bool
) -> None:
    run = at.run("one")
    at.status("one", "Pending", "Submitting", attempt={"number": 1, "podName": "one-1"})

    def happens() -> None:
        if changes:
            at.status("one", "Pending", "Unschedulable", "no node", attempt={"number": 1, "podName": "one-1"})
        at.log(at.pod("one-1", run, 1), line("first"))
        at.end_pod("one-1")
        # As the operator does: the pod's UID is not known before there is the pod.
        intent = {"number": 2, "podName": "one-2"}
        at.status("one", "Pending", "Submitting", attempt=intent, attempts=[EVICTED])
        uid = at.pod("one-2", run, 2)
        at.log(uid, line("second"))
        at.status("one", end, **SECOND)
        at.log(uid, line("last words"))
        at.end_pod("one-2")

    world = play(happens)
    done = penstock("logs", "-f", "one")
    world.join()
    said = [text.rpartition(" - ")[2] for text in done.out.splitlines() if "Unschedulable" not in text]
    assert said == ["first", WHOLE[2], "second", "last words", f"--- {end}"]
    assert done.code == code


def test_a_run_that_is_deleted_while_it_is_followed(at: Stage, penstock: Penstock) -> None:
    at.run("one")
    at.status("one", "Scheduled", "AwaitingFlow", "there is none")
    world = play(lambda: at.client.delete(f"{at.runs}/one"))
    done = penstock("logs", "-f", "one")
    world.join()
    assert done.code == Exit.NOT_FOUND


# --- tasks

BEGAN = "2026-11-21T12:00:01.5Z"
REPORT = {
    "attempt": 1,
    "instance": "i",
    "type": "Failed",
    "progress": {"total": 5, "summary": "4 done"},
    "tasks": {
        "runs": [
            {
                "address": "load:1",
                "state": "TimedOut",
                "type": "Failed",
                "tries": 2,
                "startTime": BEGAN,
                "durationSeconds": 2,
            },
            {"address": "sub:0/add:0", "state": "Completed", "startTime": BEGAN, "durationSeconds": 0.5},
        ],
        "omitted": 3,
    },
}


def test_task_runs_of_a_log_and_of_a_report(at: Stage, penstock: Penstock) -> None:
    run = at.run("one")
    first = {"number": 1, "podName": "one-1", "podUID": "u"}
    at.status("one", "Running", attempt=first)
    at.log(at.pod("one-1", run, 1), *STORY)
    at.end_pod("one-1")
    lines = penstock("tasks", "one").out.splitlines()
    assert lines[0].split() == ["TASK", "RUN", "STATE", "START", "TOOK", "TRIES", "TIMELINE"]
    assert lines[1].split()[:5] == ["load-1", "TimedOut", "+0ms", "4.00s", "2"]
    assert lines[3].startswith("  add-1")
    assert lines[-1] == "--- Running"
    at.status("one", "Failed", message="no", report=REPORT, attempt=first)
    assert len(penstock("tasks", "one").out.splitlines()) == 9, "the log has more than the report"
    at.client.delete("/api/v1/namespaces/default/pods/one-1")
    until("the pod is gone", lambda: at.client.get("/api/v1/namespaces/default/pods/one-1").status_code == 404)
    lines = penstock("tasks", "one").out.splitlines()
    assert [text.split()[0] for text in lines[1:3]] == ["load-3c7", "add-c64"]
    assert lines[3:] == [
        "... and 3 that are not known any more: the report has room for so many, and the log is gone",
        "--- Failed: no",
    ]
    described = penstock("describe", "fr", "one").out
    assert "  ... and 3 that are not in the report: penstock tasks one looks for them in the log\n" in described
    document = json.loads(penstock("tasks", "one", "-o", "json").out)
    assert (document["source"], document["omitted"]) == ("report", 3)
    assert [each["name"] for each in document["taskRuns"]] == ["load-3c7", "add-c64"]
    assert penstock("tasks", "one", "-o", "jsonpath={.taskRuns[0].tries}").out == "2"
    named = penstock("tasks", "one", "-o", "name").out.splitlines()
    assert named == [each["address"] for each in document["taskRuns"]]
    wide = penstock("tasks", "one", "-o", "wide").out.splitlines()
    assert wide[0].split()[-2:] == ["ADDRESS", "TIMELINE"]
    assert f" {named[0]} " in wide[1]
    assert penstock("tasks", "one", "--attempt", "2").code == Exit.NOT_FOUND
    at.run("two")
    at.status("two", "Paused", "Suspended", attempt={**first, "number": 2, "podName": "two-2"})
    nothing = "No task runs in attempt 2; --attempt 1 shows those of the one before."
    assert penstock("tasks", "two").out.splitlines() == [nothing, "--- Paused/Suspended"]


def test_ten_thousand_task_runs(at: Stage, penstock: Penstock) -> None:
    run = at.run("one")
    at.status("one", "Completed", attempt={"number": 1, "podName": "one-1", "podUID": "u"})
    many = (
        text
        for n in range(10_000)
        for text in (change(f"t:0[{n}]", "RUNNING", n), change(f"t:0[{n}]", "COMPLETED", n + 1, durationMs=1000.0))
    )
    at.log(at.pod("one-1", run, 1), *many)
    at.end_pod("one-1")
    lines = penstock("tasks", "one").out.splitlines()
    assert len(lines) == 53
    assert lines[-2] == "... and 9950 more: 9950 Completed; --limit 0 shows all"
    assert len(penstock("tasks", "one", "--limit", "3").out.splitlines()) == 6


def test_task_runs_are_watched_on_a_terminal(at: Stage, penstock: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came last is shown, though nothing comes behind it."""
    run = at.run("one")
    pod: dict[str, Any] = {"attempt": {"number": 1, "podName": "one-1"}}
    at.status("one", "Running", **pod)
    uid = at.pod("one-1", run, 1)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in (("COLUMNS", "100"), ("LINES", "24")):
        monkeypatch.setenv(name, value)
    with Terminal() as terminal:

        def happens() -> None:
            at.log(uid, *(change(f"t:0[{n}]", "RUNNING", n) for n in range(40)))
            until("it runs", lambda: "  Running " in "".join(terminal.screen()))
            at.log(uid, change("t:0[3]", "COMPLETED", 9, durationMs=6000.0))
            until("it is shown", lambda: "1 Completed" in "".join(terminal.screen()))
            at.end_pod("one-1")
            at.status("one", "Completed", **pod)

        world = play(happens)
        with open(terminal.theirs, "w", closefd=False) as stdout:
            monkeypatch.setattr("sys.stdout", stdout)
            assert main(["tasks", "one", "--watch"]) == Exit.OK
        world.join()
        until("it has ended", lambda: "--- Completed" in terminal.written)
        screen = terminal.screen()
    assert screen[0].split() == ["TASK", "RUN", "STATE", "START", "TOOK", "TRIES", "TIMELINE"]
    assert [line for line in screen if line][-1] == "--- Completed"
    assert screen.count(screen[0]) == 1, "one table that changes"
    assert len(screen) <= 24


def test_task_runs_are_watched(at: Stage, penstock: Penstock) -> None:
    run = at.run("one")
    at.status("one", "Running", attempt={"number": 1, "podName": "one-1"})

    def happens() -> None:
        at.log(at.pod("one-1", run, 1), *STORY)
        at.end_pod("one-1")
        at.status("one", "Failed", message="no", attempt={"number": 1, "podName": "one-1"})

    world = play(happens)
    done = penstock("tasks", "one", "--watch")
    world.join()
    assert done.code == Exit.FAILED
    assert done.out.splitlines() == [
        "load-1  TimedOut after 4.000s, 2 tries", "  add-1  Completed after 1.000s", "old-1  Cached after 0.000s",
        "wait-1  NotReady", "--- Failed: no",
    ]  # fmt: skip
