"""Pods whose run is gone are ended; nothing is concluded from a cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from penstock_operator.core.model import Decision
from penstock_operator.runtime.orphans import Orphans
from penstock_operator.runtime.resources import PODS
from tests.support.fakeapi import FakeApi, Request, refusal
from tests.support.runtimeobjects import flowrun, pod
from tests.support.runtimerig import Rig, on


def sweeping(api: FakeApi, *, times: int = 2, between: Callable[[], None] = lambda: None) -> Rig:
    """Sweep so often; return what it was done on."""

    async def story(rig: Rig) -> None:
        orphans = Orphans(rig.client, rig.store, rig.metrics)
        rig.sync()
        for number in range(times):
            await orphans.sweep()
            if number == 0:
                between()

    return on(api, lambda _: Decision(), story)


def ended(api: FakeApi) -> list[str]:
    return [request.name for request in api.requests if str(request).startswith("delete pods")]


def with_pods(*pods: dict[str, Any]) -> FakeApi:
    api = FakeApi()
    for raw in pods or (pod(),):
        api.put("pods", raw)
    return api


def test_a_pod_whose_run_is_gone_is_ended_at_the_second_look() -> None:
    """The garbage collector of a healthy cluster is faster."""
    once, twice = with_pods(), with_pods()
    sweeping(once, times=1)
    assert once.asked("get", "delete") == []
    rig = sweeping(twice)
    assert twice.asked("get", "delete") == ["get pods etl-1", "get flowruns etl", "delete pods etl-1"]
    assert twice.requests[-1].body == {"preconditions": {"uid": "pod-1"}}
    assert rig.sample("penstock_pods_orphaned_total") == 1


def test_a_run_of_the_same_name_that_was_made_anew_is_another() -> None:
    api = with_pods()
    api.put("flowruns", flowrun(uid="run-2"))
    sweeping(api)
    assert ended(api) == ["etl-1"]


def test_a_pod_of_a_run_that_is_known_is_its_own() -> None:
    api = with_pods()
    api.put("flowruns", flowrun())
    sweeping(api)
    assert api.asked("get", "delete") == []


def test_a_run_that_the_cache_does_not_show_is_there_all_the_same() -> None:
    api = with_pods()

    def appears() -> None:
        api.put("flowruns", flowrun())

    sweeping(api, between=appears)
    assert ended(api) == []


NO_KIND = refusal(404, "NotFound", "the server could not find the requested resource")


@pytest.mark.parametrize("answer", [NO_KIND, refusal(403, "Forbidden", "no"), refusal(500, "InternalError", "etcd")])
def test_a_server_that_does_not_say_that_the_run_is_gone(answer: Any) -> None:
    """Where the CRDs are missing it says 404, too: of no object."""
    api = with_pods()

    def fault(request: Request) -> Any:
        return answer if (request.verb, request.resource) == ("get", "flowruns") else None

    api.faults.append(fault)
    sweeping(api)
    assert ended(api) == []


OWNED_BY_OTHERS = [
    pod(ownerReferences=[]),  # deleted with --cascade=orphan: its owner let it go
    pod(ownerReferences=[{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": "x", "controller": True}]),
    pod(ownerReferences=[{"apiVersion": "x.dev/v1", "kind": "FlowRun", "name": "x", "uid": "x", "controller": True}]),
    pod(deletionTimestamp="2026-01-01T00:00:00Z"),
]


@pytest.mark.parametrize("raw", OWNED_BY_OTHERS)
def test_a_pod_that_is_no_flow_run_s_or_on_its_way_is_left(raw: dict[str, Any]) -> None:
    api = with_pods(raw)
    sweeping(api)
    assert ended(api) == []


def test_another_pod_of_that_name_is_left() -> None:
    api = with_pods()

    def replaced() -> None:
        api.put("pods", pod(uid="pod-2"))

    sweeping(api, between=replaced)
    assert ended(api) == []


def test_one_that_can_not_be_ended_does_not_keep_the_others() -> None:
    api = with_pods(pod(), pod("other-1", run="other", owner="run-9", uid="pod-9"))
    api.fail("delete", "pods", refusal(403, "Forbidden", "no"))

    async def story(rig: Rig) -> None:
        orphans = Orphans(rig.client, rig.store, rig.metrics)
        for raw in api.objects.copy().values():
            rig.store.apply(PODS, raw)
        for _ in range(2):
            await orphans.sweep()

    on(api, lambda _: Decision(), story)
    assert sorted(ended(api)) == ["etl-1", "other-1"]
