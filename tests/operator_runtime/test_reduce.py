"""Cutting a status that was refused: what may go, and what never does."""

from __future__ import annotations

from typing import Any

import pytest

from penstock_operator.api.flowrun import FlowRunStatus
from penstock_operator.runtime.reduce import LEVELS, reduced, same

TIME = "2026-01-01T00:00:00Z"


def condition(kind: str, status: str, message: str = "m" * 500) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": "Why", "message": message, "lastTransitionTime": TIME}


WANTED: dict[str, Any] = {
    "observedGeneration": 3,
    "state": {"type": "Failed", "name": "Failed", "message": "m" * 1000, "since": TIME, "time": TIME},
    "flow": {"name": "etl"},
    "attempt": {"number": 2, "podName": "etl-2"},
    "attempts": [{"number": 1, "podName": "etl-1", "budget": "infrastructure", "message": "m" * 500}],
    "retries": {"infrastructure": 1},
    "completionTime": TIME,
    "result": {"json": "{}", "type": "dict", "location": "s3://x"},
    "error": {"type": "ValueError", "message": "m" * 1000, "location": "a.py:1", "traceback": "t" * 2000},
    "pause": {"key": "k"},
    "conditions": [condition("Finished", "True"), condition("Degraded", "False", "")],
}
PRESENT: dict[str, Any] = {
    "state": {"type": "Running", "name": "Running"},
    "flow": {"name": "etl"},
    "error": {"type": "old"},
}


def test_nothing_is_cut_that_was_not_refused() -> None:
    assert reduced(WANTED, PRESENT, 0, "") is WANTED


@pytest.mark.parametrize("level", [1, 2])
def test_what_the_state_needs_stays(level: int) -> None:
    cut = reduced(WANTED, PRESENT, level, "no")
    for name in ("observedGeneration", "attempt", "retries", "completionTime"):
        assert cut[name] == WANTED[name]
    assert (cut["state"]["type"], cut["state"]["name"], len(cut["state"]["message"])) == ("Failed", "Failed", 200)
    assert cut["attempts"] == [{"number": 1, "podName": "etl-1", "budget": "infrastructure"}], "it is counted"
    assert [c["type"] for c in cut["conditions"]] == ["Finished", "Degraded"]
    FlowRunStatus.model_validate(cut)


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("level", [3, 4])
def test_the_smallest_status_is_true(level: int, ended: bool) -> None:
    wanted = (
        WANTED if ended else {**{k: v for k, v in WANTED.items() if k != "completionTime"}, "flow": {"name": "etl"}}
    )
    cut = reduced(wanted, PRESENT, level, "no")
    kept = ("observedGeneration", "attempt", "retries", *(("completionTime",) if ended else ("flow",)))
    assert {name: cut[name] for name in kept} == {name: wanted[name] for name in kept}
    assert cut["state"] == {name: value for name, value in wanted["state"].items() if name != "message"}
    assert [c["type"] for c in cut.get("conditions", ())] == (["Finished"] if ended and level == 3 else [])
    assert set(cut) <= {*kept, "state", "conditions", "scheduledTime", "startTime", "lineage", "specHash"}
    FlowRunStatus.model_validate(cut)


def test_first_the_details_go_and_then_all_but_the_state_is_left_as_it_is() -> None:
    first = reduced(WANTED, PRESENT, 1, "no")
    assert first["error"] == {"type": "ValueError", "message": "m" * 200}
    assert first["result"] == {"type": "dict", "location": "s3://x"}
    assert "pause" not in first
    alone = reduced({**WANTED, "result": {"json": "{}", "type": "dict", "kept": True}}, PRESENT, 1, "no")
    assert alone["result"] == {"type": "dict", "kept": False}, "no longer in the status, nor anywhere else"
    second = reduced(WANTED, PRESENT, 2, "no")
    assert second["error"] == PRESENT["error"]
    assert "result" not in second
    assert second["flow"] == PRESENT["flow"]


@pytest.mark.parametrize("level", range(1, LEVELS + 1))
def test_the_same_wish_gives_the_same_cut(level: int) -> None:
    """Written once, it is no change the next time."""
    once = reduced(WANTED, PRESENT, level, "no")
    assert reduced(WANTED, once, level, "no") == once


@pytest.mark.parametrize(("finished", "status"), [(True, "False"), (False, "True")])
def test_a_person_is_asked_for_only_while_it_matters(finished: bool, status: str) -> None:
    wanted = WANTED if finished else {k: v for k, v in WANTED.items() if k != "completionTime"}
    degraded = reduced(wanted, PRESENT, 1, "status.error: nonsense")["conditions"][1]
    assert degraded["status"] == status
    assert degraded["message"] == "details of the status were refused: status.error: nonsense"


def test_lists_that_are_empty_are_absent() -> None:
    cut = reduced({"state": {"type": "Running", "name": "Running"}}, {}, 1, "no")
    assert cut == {"state": {"type": "Running", "name": "Running"}}


def test_the_report_is_no_part_of_it() -> None:
    status = FlowRunStatus.model_validate({**WANTED, "report": {"attempt": 2, "instance": "i", "type": "Failed"}})
    assert "report" not in same(status)
