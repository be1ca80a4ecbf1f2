"""cancel, pause, suspend, resume: one change of the spec each, and what is said when there is nothing to change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.conftest import Penstock
from tests.cli.test_running import flow
from tests.support.cli import Stage

APPROVAL = {
    "type": "object",
    "properties": {
        "approve": {"type": "boolean", "description": "go on?"},
        "note": {"type": "string", "default": ""},
        "size": {"enum": ["small", "large"]},
    },
    "required": ["approve"],
    "additionalProperties": False,
}


def paused(at: Stage, schema: dict[str, Any] | None = None, **more: Any) -> None:
    at.run("one")
    asked = {"input": {"schema": schema, "description": "Is it good?", **more}} if schema is not None else {}
    seen = {"seen": "0"} if "error" in more else {}
    at.status("one", "Paused", pause={"key": "q", "since": "2026-11-21T12:00:00Z", **asked, **seen})


def wanted(at: Stage, name: str = "one") -> str:
    return str(at.get(f"{at.runs}/{name}")["spec"]["desiredState"])


@pytest.mark.parametrize(
    ("command", "state", "said"),
    [
        ("cancel", "Cancelled", "cancellation requested"),
        ("pause", "Paused", "pause requested"),
        ("suspend", "Suspended", "suspension requested"),
    ],
)
def test_what_is_wanted_of_runs(at: Stage, penstock: Penstock, command: str, state: str, said: str) -> None:
    at.run("one")
    at.run("two")
    at.status("two", "Completed")
    done = penstock(command, "one", "nobody", "fr/two")
    ended = "flowrun.penstock.dev/two has already ended: Completed"
    refused = 'Error from server (NotFound): flowruns.penstock.dev "nobody" not found\n'
    if command == "cancel":
        assert done.out.splitlines() == [f"flowrun.penstock.dev/one {said}", ended]
        assert (done.code, done.err) == (4, refused)
    else:  # what has ended can't be held: a script must not go on as if it were
        assert done.out.splitlines() == [f"flowrun.penstock.dev/one {said}"]
        assert (done.code, done.err) == (4, f"{refused}error: {ended}\n")
        assert penstock(command, "two").code == 1
    assert (wanted(at), wanted(at, "two")) == (state, "Running")
    assert penstock(command, "fr", "one", "-o", "jsonpath={.spec.desiredState}").out == state
    done = penstock(command, "pod/one")
    assert done.code == 2
    assert "pod/one is no FlowRun" in done.err


def test_a_cancellation_is_not_taken_back(at: Stage, penstock: Penstock) -> None:
    at.run("one", desiredState="Cancelled")
    assert penstock("cancel", "one").out == "flowrun.penstock.dev/one is being cancelled already\n"
    for command in ("pause", "suspend"):
        done = penstock(command, "one")
        assert (done.code, done.out) == (1, "")
        assert done.err == "error: flowrun.penstock.dev/one is being cancelled, which cannot be withdrawn\n"


def test_a_flow_is_suspended_and_resumed(at: Stage, penstock: Penstock) -> None:
    flow(at)
    path = at.runs.replace("flowruns", "flows/etl")
    assert penstock("resume", "fl/etl").out == "flow.penstock.dev/etl is not suspended\n"
    done = penstock("suspend", "fl/etl")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("flow.penstock.dev/etl suspended: its schedules and changes start no runs")
    assert at.get(path)["spec"]["suspend"] is True
    assert penstock("suspend", "flow", "etl").out == "flow.penstock.dev/etl is suspended already\n"
    assert penstock("resume", "fl/etl").out == "flow.penstock.dev/etl resumed\n"
    assert at.get(path)["spec"]["suspend"] is False
    assert "a Flow takes no answer" in penstock("resume", "fl/etl", "a=b").err
    done = penstock("suspend", "etl")
    assert done.code == 4
    assert done.err.endswith("not found (there is a Flow of this name: write fl/etl)\n")


def test_a_run_that_a_user_holds_goes_on(at: Stage, penstock: Penstock) -> None:
    at.run("one", desiredState="Paused")
    at.status("one", "Paused")
    assert penstock("resume", "one").out == "flowrun.penstock.dev/one resumed\n"
    assert wanted(at) == "Running"


@pytest.mark.parametrize(
    ("schema", "words", "answer"),
    [
        (None, [], True),
        (None, ["5"], 5),
        (None, ["text"], "text"),
        (None, ["a=1"], {"a": "1"}),
        (APPROVAL, ["approve=true"], {"approve": True}),
        (APPROVAL, ["approve=true", "note=5", "size=large"], {"approve": True, "note": "5", "size": "large"}),
        (APPROVAL, ["approve:=false"], {"approve": False}),
        ({"type": "integer"}, ["5"], 5),
        ({"type": "string"}, ["5"], "5"),
        ({"type": "integer"}, ["value=5"], 5),
    ],
)
def test_an_answer_is_what_was_asked(
    at: Stage, penstock: Penstock, schema: dict[str, Any] | None, words: list[str], answer: Any
) -> None:
    paused(at, schema)
    done = penstock("resume", "one", *words)
    assert (done.code, done.out, done.err) == (0, "flowrun.penstock.dev/one answered\n", "")
    assert at.get(f"{at.runs}/one")["spec"]["inputs"] == {"q": answer}


def test_an_answer_takes_the_place_of_one_that_was_refused(at: Stage, penstock: Penstock) -> None:
    paused(at, {"properties": {"n": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": 3}}})
    for answer, words in (({"n": 0}, ["n=0"]), ({"n": None}, ["n=null"]), ({}, ["@/dev/null"])):
        assert penstock("resume", "one", *words).code == 0
        assert at.get(f"{at.runs}/one")["spec"]["inputs"] == {"q": answer}


@pytest.mark.parametrize(
    ("schema", "words", "why"),
    [
        (APPROVAL, [], "error: approve is missing. one asks:"),
        (APPROVAL, ["aprove=true"], "it does not ask for 'aprove'. Did you mean 'approve'?"),
        (
            APPROVAL,
            ["approve=maybe"],
            "error: answer.approve: 'maybe' is no boolean (like true or false). one asks:\n  Is it good?\n",
        ),
        (APPROVAL, ["approve"], "error: 'approve': write key=value, key:=JSON, or @FILE. one asks:"),
        (
            {"type": "object", "properties": {"day": {"type": "string", "format": "date"}}},
            ["day=x"],
            "day: 'x' is not a 'date'",
        ),
        (APPROVAL, ["approve=true", "size=huge"], "size: 'huge' is not one of"),
        ({"type": "integer"}, [], "one value is asked for"),
        ({"type": "integer"}, ["x"], "'x' is no integer"),
        ({"type": "integer", "maximum": 3}, ["5"], "5 is greater than the maximum of 3"),
    ],
)
def test_an_answer_that_is_none(
    at: Stage, penstock: Penstock, schema: dict[str, Any], words: list[str], why: str
) -> None:
    paused(at, schema, error="no such size")
    done = penstock("resume", "one", *words)
    assert (done.code, done.out) == (2, "")
    assert why in done.err
    assert "Traceback" not in done.err
    assert "inputs" not in at.get(f"{at.runs}/one")["spec"]


def test_what_is_asked_is_told_with_its_answer(at: Stage, penstock: Penstock) -> None:
    paused(at, APPROVAL, error="no such size")
    assert penstock("resume", "one").err.splitlines() == [
        "error: approve is missing. one asks:",
        "  Is it good?",
        "  approve (boolean): go on?",
        '  note (string, default "")',
        '  size (one of "small", "large", optional)',
        "  the last answer was refused: no such size",
        "to answer: penstock resume one approve=true",
    ]


@pytest.mark.parametrize(
    ("state", "words", "code", "why"),
    [
        ("Running", ["one"], 1, "is Running, it is not paused"),
        ("Failed", ["one"], 1, "has already ended: Failed"),
        ("", ["one"], 1, "is not seen yet"),
        ("Running", ["two"], 4, "not found"),
    ],
)
def test_a_run_that_cannot_be_resumed(
    at: Stage, penstock: Penstock, state: str, words: list[str], code: int, why: str
) -> None:
    at.run("one")
    if state:
        at.status("one", state)
    done = penstock("resume", *words)
    assert (done.code, done.out) == (code, "")
    assert why in done.err
