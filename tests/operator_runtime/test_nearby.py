"""Flows with a name like one that is not there: asked once, of one namespace, and told anew when another comes or goes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock_operator.core.reconcile import reconcile
from penstock_operator.runtime.nearby import KEPT, Nearby
from penstock_operator.runtime.resources import FLOWS, Key
from tests.support.fakeapi import FakeApi
from tests.support.runtimeobjects import flow, flowrun
from tests.support.runtimerig import Rig, on

MISSING = Key("shop", "odrers")


@pytest.mark.parametrize(
    ("before", "change", "there", "told"),
    [
        ([], "orders", True, True),
        ([], "invoices", True, False),
        (["orders"], "orders", True, False),
        (["orders"], "orders", False, True),
        (["orders"], "order", True, True),
        (["orders"], "invoices", False, False),
        ([], "odrers", True, False),
    ],
)
def test_what_is_told_anew(before: list[str], change: str, there: bool, told: bool) -> None:
    flows = {Key("shop", name) for name in before} | {Key("other", "odrerss")}
    nearby = Nearby(lambda: flows)
    assert nearby.near(MISSING) == tuple(before)
    key = Key("shop", change)
    (flows.add if there else flows.discard)(key)
    assert nearby.changed(key, there=there) == ((MISSING,) if told else ())
    assert nearby.changed(Key("other", "orders"), there=there) == (), "another namespace"
    if change != MISSING.name:
        assert set(nearby.near(MISSING)) == {k.name for k in flows if k.namespace == "shop" and k.name != "invoices"}


def test_asked_once_and_kept_within_bounds() -> None:
    asked: list[None] = []

    def flows() -> list[Key]:
        asked.append(None)
        return []

    nearby = Nearby(flows)
    for _ in range(3):
        nearby.near(MISSING)
    assert len(asked) == 1
    for number in range(KEPT):
        nearby.near(Key("shop", f"x{number}"))
    nearby.near(MISSING)
    assert len(asked) == KEPT + 2


def waiting(name: str, **more: Any) -> dict[str, Any]:
    return flowrun(name, uid=f"uid-of-{name}", **more)


def test_a_run_of_a_missing_flow_names_the_near_ones_of_its_namespace() -> None:
    api = FakeApi()
    api.put("flows", flow("orders"))
    api.put("flows", flow("odrerss", uid="flow-2"), "other")
    api.put("flowruns", waiting("etl", spec={"flowRef": {"name": "odrers"}}))

    async def story(rig: Rig) -> None:
        await rig.settle()
        said = api.get("flowruns", "etl")["status"]["state"]
        assert (said["name"], said["message"].partition("; ")[2]) == ("AwaitingFlow", "did you mean 'orders'?")
        assert rig.store.references.waiting_for(FLOWS, Key("default", "odrers")) == (Key("default", "etl"),)

    on(api, reconcile, story)


def test_one_question_for_all_that_wait_for_a_source() -> None:
    """Twelve runs of a flowSpec whose ConfigMap is missing; each looks again, and the API server is asked once a second."""
    api = FakeApi()
    names = [f"r{number}" for number in range(12)]
    spec = {"flowSpec": {"entrypoint": "etl.py:main", "source": {"configMap": {"name": "code"}}}}
    for name in names:
        api.put("flowruns", waiting(name, spec=spec))

    async def story(rig: Rig) -> None:
        for _ in range(3):
            for name in names:
                await rig.settle(Key("default", name))
            await asyncio.sleep(2)
        assert api.asked("get") == ["get configmaps code"] * 3
        state = api.get("flowruns", "r7")["status"]["state"]
        assert (state["type"], state["name"]) == ("Pending", "ConfigError")
        assert len([r for r in api.asked("patch") if r.startswith("patch flowruns/status")]) == len(names)
        api.put("configmaps", {"metadata": {"name": "code"}, "data": {"etl.py": "1"}})
        await rig.settle(Key("default", "r7"))
        assert api.asked("create") == ["create pods"]

    on(api, reconcile, story)
