"""The status of Flows: written once, again when something changes, and not by a loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from penstock_operator.core.model import Decision
from penstock_operator.runtime.flows import Flows
from penstock_operator.runtime.queue import WorkQueue
from penstock_operator.runtime.resources import FLOWS, Key
from tests.support import virtualtime
from tests.support.fakeapi import FakeApi, refusal
from tests.support.runtimeobjects import flow
from tests.support.runtimerig import Rig, half, now, on

FLOW = Key("default", "etl")
FINE = {"Ready": "True", "Reconciling": "False", "Stalled": "False", "Suspended": "False", "Degraded": "False"}


def with_flows(api: FakeApi, story: Callable[[Rig, Flows], Coroutine[Any, Any, None]]) -> None:
    async def told(rig: Rig) -> None:
        queue: WorkQueue[Key] = WorkQueue(clock=virtualtime.clock, random=half)
        flows = Flows(rig.client, rig.store, queue, rig.recorder, now=now, clock=virtualtime.clock)
        rig.sync()
        working = asyncio.create_task(flows.work())
        flows.concern([FLOW])
        await story(rig, flows)
        flows.close()
        await working

    on(api, lambda _: Decision(), told)


def conditions(api: FakeApi) -> dict[str, str]:
    return {c["type"]: c["status"] for c in api.get("flows", "etl").get("status", {}).get("conditions", [])}


def test_written_once() -> None:
    api = FakeApi()
    api.put("flows", flow())

    async def story(rig: Rig, flows: Flows) -> None:
        await asyncio.sleep(1)
        flows.concern([FLOW])  # the event of its own write
        await asyncio.sleep(1)

    with_flows(api, story)
    assert conditions(api) == FINE
    assert len(api.asked("patch")) == 1


@pytest.mark.parametrize(
    "answer",
    [refusal(409, "Conflict", "changed"), refusal(403, "Forbidden", "no right yet"), refusal(500, "InternalError", "")],
)
def test_tried_again(answer: Any) -> None:
    """Whatever was in the way, it is written when that is gone."""
    api = FakeApi()
    api.put("flows", flow())
    api.fail("patch", "flows/status", answer)

    async def story(_rig: Rig, _flows: Flows) -> None:
        await asyncio.sleep(30)

    with_flows(api, story)
    assert conditions(api)["Ready"] == "True"


def test_a_source_that_comes_later() -> None:
    """Applied in the wrong order is applied all the same."""
    api = FakeApi()
    api.put("flows", flow(source={"configMap": {"name": "code"}}))

    async def story(rig: Rig, _flows: Flows) -> None:
        await asyncio.sleep(1)
        assert conditions(api) == {**FINE, "Ready": "False", "Reconciling": "True"}
        rig.store.apply(FLOWS, api.get("flows", "etl"))
        api.put("configmaps", {"metadata": {"name": "code"}, "data": {"etl.py": ""}})
        await asyncio.sleep(20)

    with_flows(api, story)
    assert conditions(api)["Ready"] == "True"


def test_gone_is_no_error() -> None:
    api = FakeApi()
    api.put("flows", flow())

    async def story(_rig: Rig, _flows: Flows) -> None:
        api.remove("flows", "etl")
        await asyncio.sleep(5)

    with_flows(api, story)
    assert len(api.asked("patch")) == 1
