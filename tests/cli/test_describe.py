"""describe of a run: one screen, with the next step to take for each state that needs somebody."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from penstock_cli.api import ServerError
from penstock_cli.runs import Run
from penstock_reading import nextsteps
from penstock_reading.nextsteps import next_steps
from tests.cli.conftest import Penstock
from tests.cli.test_running import flow
from tests.cli.test_steering import APPROVAL, paused
from tests.support.cli import Stage

CORRECT = "correct the flow's file where the error says, and make a new run"
PAGE = Path(__file__).parents[2] / "docs/troubleshooting.md"


def steps(kind: str, name: str = "", spec: dict[str, Any] | None = None, **status: Any) -> list[str]:
    body = {
        "metadata": {"name": "one", "namespace": "default", "uid": "u"},
        "spec": {"flowRef": {"name": "etl"}, **(spec or {})},
        "status": {"state": {"type": kind, "name": name or kind}, "attempt": {"number": 1}, **status},
    }
    return next_steps(Run(body), "penstock")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ([], steps("Completed")),
        ([], steps("Running")),
        ([], steps("Pending", "Submitting")),
        ([], steps("Completed", "Scheduled")),  # a name that the flow chose
        (["penstock logs one", "penstock retry one"], steps("Failed")),
        (["penstock logs one", "penstock retry one"], steps("Crashed", "ExitCode")),
        (["raise the memory limit: resources.limits.memory", "penstock retry one"], steps("Crashed", "OOMKilled")),
        (["run it with parameters that fit: penstock run etl -p key=value"], steps("Failed", "InvalidParameters")),
        # What could not be loaded stands in the Flow, in the image, or in the run itself, which a repeated one has too.
        ([CORRECT, "penstock retry one"], steps("Crashed", "LoadError")),
        ([CORRECT, "penstock retry one"], steps("Crashed", "LoadError", {"flowSpec": {"entrypoint": "a.py:f"}})),
        ([CORRECT], steps("Crashed", "LoadError", {"flowSpec": {"source": {"inline": "x"}}})),
        (
            [nextsteps._NO_PACKAGE, "penstock retry one"],
            steps(
                "Crashed", "LoadError", {"flowSpec": {"source": {"inline": "x"}}}, error={"type": "ModuleNotFoundError"}
            ),
        ),
        (["penstock retry one"], steps("Cancelled", "Skipped")),
        # pendingDeadlineSeconds: no pod, no log; what it waited for is still to be done.
        (
            ["apply the Flow etl, or make a run of another one: penstock get flows", "penstock retry one"],
            steps("Crashed", "AwaitingFlow", attempt=None),
        ),
        (["penstock retry one"], steps("Crashed", "Submitting", attempt=None)),
        (["nothing: the next attempt begins at T"], steps("Scheduled", "AwaitingRetry", scheduledTime="T")),
        (["nothing: it begins at T"], steps("Scheduled", spec={"scheduledTime": "T"})),
        (["penstock resume one"], steps("Paused", spec={"desiredState": "Paused"})),
        (["penstock resume one"], steps("Paused", pause={"key": "q"})),
        (["penstock resume one approve=true"], steps("Paused", pause={"key": "q", "input": {"schema": APPROVAL}})),
        (
            ["penstock resume one '<integer>'"],
            steps("Paused", pause={"key": "q", "input": {"schema": {"type": "integer"}}}),
        ),
        (["nothing: it goes on at T"], steps("Paused", "Suspended", scheduledTime="T")),
    ],
)
def test_the_next_step(wanted: list[str], found: list[str]) -> None:
    assert found == wanted


def test_every_state_that_waits_for_somebody_has_a_step() -> None:
    """The page has a row for each; where it says that nothing is to be done, none is needed."""
    waiting = PAGE.read_text().partition("## Running")[0]
    rows = re.findall(r"^\| (?:Scheduled|Pending)/(\w+) \|.*\| ([^|]+) \|$", waiting, re.MULTILINE)
    assert len(rows) > 15
    missing = [
        name for name, what in rows if not what.startswith(("nothing", "read")) and name not in nextsteps._WAITING
    ]
    assert missing == []
    every = set(re.findall(r"(?:Scheduled|Pending|Running|Failed|Crashed)/(\w+)", PAGE.read_text()))
    assert (nextsteps._WAITING.keys() | nextsteps._ENDED.keys()) - every == set()


def test_commands_name_another_namespace() -> None:
    body = {
        "metadata": {"name": "one", "namespace": "n2", "uid": "u"},
        "spec": {},
        "status": {"state": {"type": "Failed", "name": "Failed"}},
    }
    assert next_steps(Run(body), "kubectl penstock")[-1] == "kubectl penstock retry one -n n2"


def test_a_question_and_the_command_that_answers(at: Stage, penstock: Penstock) -> None:
    paused(at, APPROVAL)
    lines = penstock("describe", "fr/one").out.splitlines()
    begin = lines.index("Question:")
    assert lines[begin + 1 : begin + 5] == [
        "  Is it good?",
        "  approve (boolean): go on?",
        '  note (string, default "")',
        '  size (one of "small", "large", optional)',
    ]
    assert lines[begin + 5].split(maxsplit=2) == ["Next", "Step:", "penstock resume one approve=true"]


def test_the_end_of_the_log(at: Stage, penstock: Penstock) -> None:
    run = at.run("one")
    uid = at.pod("one-1", run)
    at.log(uid, *(f"line {number}" for number in range(30)))
    error = {"type": "E", "message": "m", "traceback": "\n".join(f"frame {number}" for number in range(40))}
    at.status("one", "Failed", attempt={"number": 1, "podName": "one-1"}, error=error)
    lines = penstock("describe", "fr", "one").out.splitlines()
    begin = lines.index("Log:")
    assert lines[begin + 1 : begin + 11] == [f"  line {number}" for number in range(20, 30)]
    assert "    ... (28 lines more: -o yaml)" in lines
    assert "    frame 39" in lines


def test_task_runs_and_what_may_not_be_read(at: Stage, penstock: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    run = at.run("one")
    line = {
        "ts": "2026-11-21T12:00:00.5Z", "level": "INFO", "logger": "penstock.states", "msg": "Finished", "event": "state",
        "run": "one", "task": "load", "taskRun": "t-1", "taskRunName": "load-c79", "address": "load:0",
        "from": "RUNNING", "to": "COMPLETED", "name": "Completed",
    }  # fmt: skip
    at.log(at.pod("one-1", run), json.dumps(line))
    at.status("one", "Failed", attempt={"number": 1, "podName": "one-1"})
    shown = penstock("describe", "fr/one").out
    assert "\nTasks:\n" in shown
    assert "load" in shown.partition("Tasks:")[2].partition("\nLog:")[0]

    def forbidden(*_: object) -> None:
        raise ServerError(403, "Forbidden", "pods is forbidden")

    monkeypatch.setattr("penstock_cli.describe_run.overview", forbidden)
    done = penstock("describe", "fr/one")
    assert done.code == 0
    assert "Tasks:          <pods is forbidden>" in done.out.splitlines()


def test_a_flow_in_one_screen(at: Stage, penstock: Penstock) -> None:
    schedules = [
        {"name": "nightly", "cron": "0 6 * * *", "timeZone": "Europe/Berlin"},
        {"name": "wrong", "cron": "0 25 * * *"},
    ]
    flow(
        at,
        schedules=schedules,
        concurrency={"limit": 2},
        description="Collects.\nAll.",
        parametersSchema={"required": ["day"]},
    )
    done = penstock("describe", "fl", "etl")
    assert done.code == 0
    for wanted in (
        ["State:", "<not", "seen", "by", "the", "operator", "yet>"], ["Entrypoint:", "a.py:main"], ["Source:", "in", "the", "Flow"],
        ["Limit:", "2", "at", "a", "time,", "then", "Queue"], ["nightly", "0", "6", "*", "*", "*", "Europe/Berlin"],
        ["penstock", "run", "etl", "-p", "day=...", "--watch", "#", "Run", "it"],
    ):  # fmt: skip
        assert wanted in done.lines, wanted
    assert done.out.count("06:00:00") == 5
    assert "schedule 'wrong': cron " in done.out
