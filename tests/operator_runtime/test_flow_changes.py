"""A Flow's runs of changes and its history, as requests: promised, made once whatever answer is lost, and deleted as they are known."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from penstock_operator.api.constants import API_VERSION, LABEL_REVISION
from penstock_operator.runtime.flows import Flows
from tests.operator_runtime.test_flows import FLOW, with_flows
from tests.support.fakeapi import FakeApi, Request
from tests.support.runtimeobjects import flow, flowrun
from tests.support.runtimerig import Rig

OWNER = {"apiVersion": API_VERSION, "kind": "Flow", "name": "etl", "uid": "flow-1", "controller": True}


def writes(api: FakeApi) -> list[str]:
    return [str(r) for r in api.requests if r.verb in ("patch", "create", "delete")]


def test_a_change_is_promised_and_made() -> None:
    api = FakeApi()
    api.put("flows", flow(runOnChange="Always"))

    async def story(rig: Rig, flows: Flows) -> None:
        await asyncio.sleep(1)
        flows.concern([FLOW])
        await asyncio.sleep(1)

    with_flows(api, story)
    assert writes(api) == ["patch flows/status etl", "create configmaps", "create flowruns", "patch flows/status etl"]
    promised, told = (r.body["status"]["changes"][-1] for r in api.requests if r.verb == "patch")
    assert (promised.get("pending"), told.get("pending")) == (True, None)
    made = api.get("flowruns", told["runName"])
    assert made["metadata"]["labels"][LABEL_REVISION] == told["revision"] == told["runName"]
    assert api.get("configmaps", told["revision"])["immutable"]


@pytest.mark.parametrize("lost", ["flowruns", "configmaps", "flows/status"])
def test_an_answer_that_is_lost_makes_no_second_run(lost: str) -> None:
    """What was asked for is done, and nobody hears of it."""
    api = FakeApi()
    api.put("flows", flow(runOnChange="Always"))
    left = [lost]

    def lose(request: Request) -> None:
        if request.verb in ("create", "patch") and request.resource in left:
            left.clear()
            raise httpx.ReadTimeout("no answer")

    api.after = lose

    async def story(rig: Rig, flows: Flows) -> None:
        for _ in range(4):
            await asyncio.sleep(30)
            rig.sync()  # the watch's news
            flows.concern([FLOW])

    with_flows(api, story)
    assert left == []
    runs = [name for plural, _, name in api.objects if plural == "flowruns"]
    (change,) = api.get("flows", "etl")["status"]["changes"]
    assert (runs, change.get("pending"), change["runs"]) == ([change["runName"]], None, 1)


def test_somebody_elses_run_has_the_name() -> None:
    api = FakeApi()
    api.put("flows", flow(runOnChange="Always"))

    def planted(request: Request) -> None:
        if request.verb == "patch" and len(request.body["status"].get("changes") or ()) == 1:
            api.after = None
            api.put("flowruns", flowrun(request.body["status"]["changes"][0]["runName"], uid="theirs"))

    api.after = planted

    async def story(_rig: Rig, _flows: Flows) -> None:
        await asyncio.sleep(5)

    with_flows(api, story)
    (change,) = api.get("flows", "etl")["status"]["changes"]
    assert change["runName"] == f"{change['revision']}-2"
    assert api.get("flowruns", change["runName"])["metadata"]["ownerReferences"][0]["uid"] == "flow-1"


def finished(name: str, minute: int, **meta: Any) -> dict[str, Any]:
    ended = {"state": {"type": "Completed", "name": "Completed"}, "completionTime": f"2026-01-01T00:{minute:02}:00Z"}
    spec = {"flowRef": {"name": "etl"}}
    return flowrun(name, uid=f"uid-{name}", spec=spec, status=ended, **{"ownerReferences": [OWNER], **meta})


def test_history_deletes_what_is_known_and_nothing_else() -> None:
    api = FakeApi()
    api.put("flows", flow(historyLimits={"completed": 1, "failed": 0}))
    for minute, name in enumerate(("a", "b", "c", "d")):
        api.put("flowruns", finished(name, minute))
    api.put("flowruns", finished("e", 9, labels={"app.kubernetes.io/instance": "git"}))
    api.put("flowruns", flowrun("again", uid="uid-again", spec={"flowRef": {"name": "etl"}, "rerunOf": {"name": "b"}}))

    async def story(rig: Rig, flows: Flows) -> None:
        api.change("flowruns", "c", {"metadata": {"labels": {"argocd.argoproj.io/instance": "git"}}})
        flows.concern([FLOW])
        await asyncio.sleep(5)
        rig.sync()
        flows.concern([FLOW])
        await asyncio.sleep(5)

    with_flows(api, story)
    deletes = [r for r in api.requests if r.verb == "delete"]
    assert [r.name for r in deletes] == ["a", "c"]
    assert all(r.body["preconditions"].keys() == {"uid", "resourceVersion"} for r in deletes)
    left = sorted(name for plural, _, name in api.objects if plural == "flowruns")
    assert left == ["again", "b", "c", "d", "e"], "c was taken in hand by somebody in the meantime"


def test_history_waits_until_all_runs_are_known() -> None:
    """One of those that nobody has told of yet may name it in rerunOf."""
    api = FakeApi()
    api.put("flows", flow(historyLimits={"completed": 0, "failed": 0}))
    api.put("flowruns", finished("a", 1))

    async def story(_rig: Rig, flows: Flows) -> None:
        flows._complete = lambda: False
        flows.concern([FLOW])
        await asyncio.sleep(5)
        assert api.asked("delete") == []
        flows._complete = lambda: True
        flows.concern([FLOW])
        await asyncio.sleep(5)
        assert api.asked("delete") == ["delete flowruns a"]

    with_flows(api, story)
