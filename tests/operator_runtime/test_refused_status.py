"""A status that the API server refuses: written with less of the same truth, and never in a loop."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from penstock_operator.api.flowrun import FlowRunStatus
from penstock_operator.core.model import CreatePod, Decision, Observed, PatchPod
from penstock_operator.core.reconcile import reconcile
from tests.support.fakeapi import FakeApi, Request, refusal
from tests.support.runtimeobjects import pod, state
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


ETCD = refusal(500, "", "etcdserver: request is too large")
MESSAGE = refusal(
    500, "", "rpc error: code = ResourceExhausted desc = trying to send message larger than max (2097154 vs. 2097152)"
)


@pytest.mark.parametrize("answer", [INVALID, TOO_LARGE, ETCD, MESSAGE])
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


def bounded(api: FakeApi, limit: int) -> None:
    """The server takes no FlowRun of more bytes, as etcd does not."""

    def fault(request: Request) -> httpx.Response | None:
        if request.resource != "flowruns/status":
            return None
        after = {**api.get("flowruns", "etl")}
        status = {**after.get("status", {}), **request.body["status"]}
        after["status"] = {name: value for name, value in status.items() if value is not None}
        return ETCD if len(json.dumps(after)) > limit else None

    api.faults.append(fault)


def room(api: FakeApi, spare: int) -> None:
    """The run leaves so many bytes below the limit."""
    bounded(api, len(json.dumps(api.get("flowruns", "etl"))) + spare)


@pytest.mark.parametrize("spare", [300, 450, 700, 1000, 3000])
def test_a_run_near_the_limit_is_decided_in_bounded_writes(spare: int) -> None:
    """The real core: a first status of whatever fits, and the cancellation is acknowledged."""
    api = server(spec={"flowRef": {"name": "absent"}})
    room(api, spare)

    async def story(rig: Rig) -> None:
        await rig.settle()
        assert api.get("flowruns", "etl")["status"]["state"]["name"] == "AwaitingFlow"
        api.change("flowruns", "etl", {"spec": {"desiredState": "Cancelled"}})
        for _ in range(3):
            await rig.settle()
        await asyncio.sleep(0)

    on(api, reconcile, story)
    status = api.get("flowruns", "etl")["status"]
    assert status["state"]["type"] == "Cancelled"
    assert status["completionTime"]
    finished = [c["status"] for c in status.get("conditions", ()) if c["type"] == "Finished"]
    assert finished == (["True"] if spare > 400 else [])
    assert len(api.asked("patch")) <= 10


def test_a_run_that_takes_no_status_at_all_is_told_by_an_event_and_not_tried_for_ever() -> None:
    api = server(spec={"flowRef": {"name": "absent"}})
    room(api, 20)

    async def story(rig: Rig) -> None:
        recording = asyncio.create_task(rig.recorder.run())
        rig.sync()
        worker = asyncio.create_task(rig.controller.work())
        rig.queue.add(RUN)
        await asyncio.sleep(900)
        rig.queue.close()
        await worker
        recording.cancel()

    on(api, reconcile, story)
    assert "status" not in api.get("flowruns", "etl") or "state" not in api.get("flowruns", "etl")["status"]
    events = [body for (plural, _, _), body in api.objects.items() if plural == "events"]
    assert any(e["reason"] == "StatusRefused" and "too large" in e["note"] for e in events)
    assert len(api.asked("patch")) < 16


def test_a_pod_is_ended_though_no_status_can_be_written() -> None:
    """What must not be done without its record is not done; an end needs none."""
    api = server(status={"state": state("Running"), "attempt": {"number": 1, "podName": "etl-1"}})
    api.put("pods", pod())
    api.fail("patch", "flowruns/status", *[ETCD] * 100)
    stop = PatchPod("etl-1", "pod-1", {"metadata": {"annotations": {"penstock.dev/intent": "Cancelled"}}})

    def decide(seen: Observed) -> Decision:
        return Decision(status=failed(seen), effects=(CreatePod(pod("other")), stop))

    on(api, decide, settled)
    assert "patch pods etl-1" in api.asked()
    assert "create pods" not in " ".join(api.asked())
