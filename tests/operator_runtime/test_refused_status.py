"""A status that the API server refuses: written with less of the same truth, and never in a loop."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from penstock_operator.api.flowrun import FlowRunStatus
from penstock_operator.core.model import (
    Decision,
    Observed,
)
from tests.support.fakeapi import refusal
from tests.support.runtimeobjects import state
from tests.support.runtimerig import RUN, Rig, on, settled
from tests.support.smallcore import server


def failed(seen: Observed, *, message: str = "x" * 900) -> FlowRunStatus:
    wanted = {
        "state": {"type": "Failed", "name": "Failed", "message": message, "time": "2026-01-01T00:00:00Z"},
        "completionTime": "2026-01-01T00:00:00Z",
        "error": {"type": "ValueError", "message": "m" * 900, "traceback": "t" * 2000},
        "attempt": {"number": 1, "podName": "etl-1"},
        "retries": {"infrastructure": 1},
        "conditions": [
            {
                "type": "Degraded",
                "status": "False",
                "reason": "Failed",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ],
    }
    return FlowRunStatus.model_validate({**seen.run.status.to_json(), **wanted})


INVALID = refusal(422, "Invalid", 'FlowRun "etl" is invalid: status.error: nonsense')
TOO_LARGE = refusal(413, "RequestEntityTooLarge", "limit is 3145728")


@pytest.mark.parametrize("answer", [INVALID, TOO_LARGE])
@pytest.mark.parametrize("times", [1, 2])
def test_a_refused_status_is_written_with_less(answer: httpx.Response, times: int) -> None:
    api = server(status={"state": state("Running")})
    api.fail("patch", "flowruns/status", *[answer] * times)
    rig = on(api, lambda seen: Decision(status=failed(seen)), settled)
    status = api.get("flowruns", "etl")["status"]
    assert status["state"]["type"] == "Failed"
    assert status["completionTime"] == "2026-01-01T00:00:00Z"
    assert status["retries"] == {"infrastructure": 1}
    assert len(status["state"]["message"]) <= 200
    assert ("error" in status) == (times == 1)
    assert "traceback" not in status.get("error", {})
    assert "refused" in status["conditions"][0]["message"]
    assert rig.sample("penstock_status_reduced_total") == times
    assert len(api.asked("patch")) == times + 1, "no loop: the same cut is no change"


def test_a_refused_status_of_a_live_run_asks_for_a_person() -> None:
    api = server()
    api.fail("patch", "flowruns/status", INVALID)
    degraded = {
        "type": "Degraded",
        "status": "False",
        "reason": "Running",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }

    def decide(seen: Observed) -> Decision:
        status = {**seen.run.status.to_json(), "state": state("Running"), "conditions": [degraded]}
        return Decision(status=FlowRunStatus.model_validate(status))

    on(api, decide, settled)
    condition = api.get("flowruns", "etl")["status"]["conditions"][0]
    assert (condition["status"], condition["reason"]) == ("True", "StatusRefused")


def test_a_status_of_which_nothing_is_wanted_is_tried_again_later_and_less_and_less() -> None:
    api = server(status={"state": state("Running")})
    api.fail("patch", "flowruns/status", *[INVALID] * 100)

    async def story(rig: Rig) -> None:
        rig.sync()
        worker = asyncio.create_task(rig.controller.work())
        rig.queue.add(RUN)
        await asyncio.sleep(600)
        rig.queue.close()
        await worker

    on(api, lambda seen: Decision(status=failed(seen)), story)
    assert len(api.asked("patch")) < 30


def test_the_next_state_is_written_whole_again() -> None:
    api = server(status={"state": state("Pending")})
    api.fail("patch", "flowruns/status", INVALID)
    wanted: list[dict[str, Any]] = [
        {"state": state("Running", message="m" * 500)},
        {"state": state("Running", "Retrying", "m" * 500)},
    ]

    def decide(seen: Observed) -> Decision:
        return Decision(status=FlowRunStatus.model_validate(wanted[0]))

    async def story(rig: Rig) -> None:
        await rig.settle()
        assert len(api.get("flowruns", "etl")["status"]["state"]["message"]) == 200
        wanted.pop(0)
        await rig.settle()
        assert len(api.get("flowruns", "etl")["status"]["state"]["message"]) == 500

    on(api, decide, story)
