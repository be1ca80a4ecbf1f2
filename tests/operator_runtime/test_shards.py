"""Two operators that share the namespaces of a cluster, each by its own list and behind a Lease of its own: what holds, and what a move costs.

They are whole operators but for the watches, with the real core, on one server in memory; each store is told what its operator's watches
would tell it. A namespace that moves is served by both, by the old or by none for a while: all three are shown. docs/adr/0044 draws the
conclusions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from penstock_operator.core.reconcile import reconcile
from penstock_operator.runtime.orphans import Orphans
from penstock_operator.runtime.resources import FLOWRUNS, FLOWS, PODS, Key
from tests.support import virtualtime
from tests.support.fakeapi import FakeApi
from tests.support.runtimerig import Rig

KINDS = {resource.plural: resource for resource in (FLOWRUNS, FLOWS, PODS)}
NAMESPACES = tuple(f"team-{number}" for number in range(6))
RUNS = 5


@dataclass
class Shard:
    """An operator, and the namespaces that it serves."""

    rig: Rig
    namespaces: set[str]

    def sync(self) -> None:
        """Its watches tell it what there is in its namespaces."""
        for (plural, namespace, _), body in tuple(self.rig.api.objects.items()):
            if plural in KINDS and namespace in self.namespaces:
                self.rig.store.apply(KINDS[plural], body)

    async def work(self) -> None:
        """Bring each run that it knows to where nothing is to be done now."""
        self.sync()
        for key in [Key(namespace, name) for plural, namespace, name in self.rig.api.objects if plural == "flowruns"]:
            if key.namespace in self.namespaces:
                await self.rig.controller.settle(key, virtualtime.clock())


def cluster(limit: int | None = None) -> FakeApi:
    """Six namespaces, in each a Flow and five runs of it."""
    api = FakeApi()
    for namespace in NAMESPACES:
        spec: dict[str, Any] = {"entrypoint": "etl.py:etl", "source": {"inline": "x"}}
        if limit is not None:
            spec["concurrency"] = {"limit": limit, "policy": "Queue"}
        about = {"apiVersion": "penstock.dev/v1alpha1", "kind": "Flow", "spec": spec}
        meta = {"name": "etl", "uid": f"flow-{namespace}", "generation": 1}
        api.put("flows", {**about, "metadata": {**meta, "namespace": namespace}}, namespace)
        for number in range(RUNS):
            _apply(api, namespace, f"run-{number}")
    return api


def _apply(api: FakeApi, namespace: str, name: str) -> None:
    meta = {"name": name, "namespace": namespace, "uid": f"{namespace}-{name}", "generation": 1}
    meta["creationTimestamp"] = "2026-01-01T00:00:00Z"
    about = {"apiVersion": "penstock.dev/v1alpha1", "kind": "FlowRun", "spec": {"flowRef": {"name": "etl"}}}
    api.put("flowruns", {**about, "metadata": meta}, namespace)


def tell(api: FakeApi, story: Callable[[Shard, Shard], Coroutine[Any, Any, None]]) -> None:
    """Tell a story of two operators that each serve half of the namespaces."""

    async def main() -> None:
        shards = [Shard(Rig(api, reconcile), set(half)) for half in (NAMESPACES[:3], NAMESPACES[3:])]
        try:
            await story(*shards)
        finally:
            for shard in shards:
                shard.rig.queue.close()
                await shard.rig.client.close()

    virtualtime.run(main)


def pods(api: FakeApi, namespace: str | None = None) -> list[str]:
    return [name for plural, where, name in api.objects if plural == "pods" and namespace in (None, where)]


def states(api: FakeApi, namespace: str) -> list[str]:
    runs = [body for (plural, where, _), body in api.objects.items() if plural == "flowruns" and where == namespace]
    return sorted(run["status"]["state"]["name"] for run in runs)


def test_each_serves_its_own_and_asks_for_nothing_else() -> None:
    api = cluster()

    async def story(first: Shard, second: Shard) -> None:
        await first.work()
        assert {request.namespace for request in api.requests} == first.namespaces
        before = len(api.requests)
        await second.work()
        assert {request.namespace for request in api.requests[before:]} == second.namespaces
        before = len(api.requests)
        await first.work()
        assert api.requests[before:] == [], "what the other has done is no news"

    tell(api, story)
    assert len(pods(api)) == len(NAMESPACES) * RUNS


def test_a_namespace_that_both_serve_for_a_while_has_one_pod_a_run() -> None:
    """A move in which the new one begins before the old one has stopped: as two leaders, which every write is made for."""
    api = cluster()

    async def story(first: Shard, second: Shard) -> None:
        moved = NAMESPACES[0]
        second.namespaces.add(moved)
        first.sync()
        second.sync()  # both have seen runs without a status, and neither what the other is about to do
        await asyncio.gather(
            *(
                shard.rig.controller.settle(Key(moved, f"run-{number}"), virtualtime.clock())
                for number in range(RUNS)
                for shard in (first, second)
            )
        )
        assert len(pods(api, moved)) == RUNS
        assert states(api, moved) == ["Submitting"] * RUNS
        conflicts = sum(shard.rig.sample("penstock_status_conflicts_total") for shard in (first, second))
        assert conflicts > 0, "it was not by luck"

    tell(api, story)


def test_a_limit_is_exceeded_only_while_both_serve_and_nobody_is_ended_for_it() -> None:
    """Slots are counted from what a store knows (ADR 6): two stores that are behind may each let one begin."""
    api = cluster(limit=1)

    async def story(first: Shard, second: Shard) -> None:
        moved = NAMESPACES[0]
        second.namespaces.add(moved)
        first.sync()
        second.sync()
        for number, shard in ((0, first), (1, second)):  # each is asked about another run
            await shard.rig.controller.settle(Key(moved, f"run-{number}"), virtualtime.clock())
        began = len(pods(api, moved))
        assert began <= 2
        first.namespaces.discard(moved)
        for _ in range(2):
            await second.work()
        assert len(pods(api, moved)) == began, "nobody more, and nobody less"
        assert states(api, moved).count("AwaitingConcurrencySlot") == RUNS - began

    tell(api, story)


def test_a_namespace_that_nobody_serves_waits_and_goes_on_where_it_was() -> None:
    api = cluster()

    async def story(first: Shard, second: Shard) -> None:
        moved = NAMESPACES[0]
        first.namespaces.discard(moved)
        await first.work()
        await second.work()
        assert pods(api, moved) == []
        second.namespaces.add(moved)
        await second.work()
        assert len(pods(api, moved)) == RUNS

    tell(api, story)


def test_an_operator_that_sees_the_others_pods_does_not_end_them() -> None:
    """Pods of all namespaces and runs of some: each pod looks like one whose run is gone. A live read says that it is not, and costs two GETs."""
    api = cluster()

    async def story(first: Shard, second: Shard) -> None:
        await second.work()
        theirs = pods(api)
        for (plural, _, _), body in tuple(api.objects.items()):
            if plural == "pods":
                first.rig.store.apply(PODS, body)
        orphans = Orphans(first.rig.client, first.rig.store, first.rig.metrics)
        before = len(api.requests)
        for _ in range(3):
            await orphans.sweep()
        asked = [request.verb for request in api.requests[before:]]
        assert pods(api) == theirs
        assert set(asked) == {"get"}
        assert len(asked) == 2 * 2 * len(theirs), (
            "at each sweep but the first, again and again: why a shard filters all that it watches"
        )

    tell(api, story)
