"""Listings: the beginning, what is in its way, and what they correct."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from penstock_operator.runtime.metrics import Metrics
from penstock_operator.runtime.resources import FLOWRUNS, PODS, WATCHED, Key
from penstock_operator.runtime.store import Store
from penstock_operator.runtime.sync import Sync
from tests.support import virtualtime
from tests.support.fakeapi import FakeApi, refusal
from tests.support.runtimeobjects import flow, flowrun, pod, state
from tests.support.runtimerig import RUN, client


class Listing:
    """A sync with its store, and the runs that it named."""

    def __init__(self, api: FakeApi, namespaces: tuple[str, ...] = ()) -> None:
        self.metrics = Metrics()
        self.named: list[Key] = []
        self.store = Store(self.named.extend)
        self.client = client(api, self.metrics)
        self.sync = Sync(self.client, self.store, namespaces, self.metrics, clock=virtualtime.clock)

    def repairs(self, resource: str) -> float:
        return self.metrics.registry.get_sample_value("penstock_store_repairs_total", {"resource": resource}) or 0.0


def listing(api: FakeApi, story: Callable[[Listing], Coroutine[Any, Any, None]], *namespaces: str) -> None:
    async def main() -> None:
        one = Listing(api, namespaces)
        await story(one)
        await one.client.close()

    virtualtime.run(main)


async def listed(one: Listing) -> None:
    """Watches begin, and all is listed beside them."""
    for resource in WATCHED:
        one.sync.begins(resource, None)
    task = asyncio.create_task(one.sync.run(lambda: 300.0))
    await one.sync.complete.wait()
    task.cancel()


def test_watches_that_begin_one_after_the_other_are_a_whole() -> None:
    """Else nothing would count as listed until all is listed again."""

    async def story(one: Listing) -> None:
        task = asyncio.create_task(one.sync.run(lambda: 300.0))
        for resource in WATCHED:
            assert not one.sync.complete.is_set()
            one.sync.begins(resource, None)
            await asyncio.sleep(20)
        assert one.sync.complete.is_set()
        task.cancel()

    listing(full(), story)


def full() -> FakeApi:
    api = FakeApi(page=1)
    api.put("flowruns", flowrun())
    api.put("flowruns", flowrun("second", uid="run-2"))
    api.put("flows", flow())
    api.put("pods", pod())
    api.put("pods", pod("alien", labels={}))
    return api


def test_the_beginning() -> None:
    async def story(one: Listing) -> None:
        await one.sync.prime()
        assert set(one.named) == {RUN, Key("default", "second")}
        assert one.store.pods.get(Key("default", "etl-1")) is not None
        assert one.store.pods.get(Key("default", "alien")) is None
        assert one.store.flows.get(Key("default", "etl")) is not None
        assert one.repairs("pods") == 0

    listing(full(), story)


def test_only_the_namespaces_that_are_served() -> None:
    api = full()
    for namespace in ("a", "b", "c"):
        api.put("flowruns", flowrun(uid=namespace), namespace)

    async def story(one: Listing) -> None:
        await one.sync.prime()
        assert set(one.named) == {Key("a", "etl"), Key("b", "etl")}
        api.remove("flowruns", "etl", "a")
        await one.sync.once()
        assert one.store.runs.get(Key("a", "etl")) is None
        assert one.store.runs.get(Key("b", "etl")) is not None

    listing(api, story, "a", "b")
    assert {r.namespace for r in api.requests} == {"a", "b"}


def test_a_deletion_that_no_watch_told_is_found() -> None:
    """It is no conclusion: the run is looked at again."""
    api = full()

    async def story(one: Listing) -> None:
        await one.sync.prime()
        one.named.clear()
        api.remove("pods", "etl-1")
        await one.sync.once()
        assert one.named == [RUN]
        assert one.repairs("pods") == 1
        await one.sync.once()
        assert one.repairs("pods") == 1

    listing(api, story)


def test_a_change_that_no_watch_told_is_found() -> None:
    api = full()

    async def story(one: Listing) -> None:
        await one.sync.prime()
        one.named.clear()
        api.change("flowruns", "etl", {"spec": {"desiredState": "Cancelled"}})
        await one.sync.once()
        assert one.named == [RUN]
        assert one.repairs("flowruns") == 1

    listing(api, story)


def test_what_is_newer_than_the_listing_is_kept() -> None:
    api = full()

    async def story(one: Listing) -> None:
        await one.sync.prime()
        late = api.put("pods", pod("etl-2", uid="pod-2"))
        api.objects.pop(("pods", "default", "etl-2"))  # the listing is older than its event
        api.version -= 1
        one.store.apply(PODS, late)
        await one.sync.once()
        assert one.store.pods.get(Key("default", "etl-2")) is not None

    listing(api, story)


IN_THE_WAY = [
    (httpx.ConnectError("connection refused"), "the API server can't be reached"),
    (refusal(404, "NotFound", "404 page not found"), "are the CRDs of penstock.dev installed"),
    (
        refusal(403, "Forbidden", 'User "op" cannot list resource "flows"'),
        'a right is missing: User "op" cannot list resource "flows"',
    ),
    (refusal(401, "Unauthorized", "Unauthorized"), "does not accept the operator's credentials"),
    (refusal(500, "InternalError", "etcd is away"), "etcd is away"),
]


@pytest.mark.parametrize(("answer", "words"), IN_THE_WAY)
def test_what_is_in_the_way_is_said_now_and_then(answer: Any, words: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    api = full()
    until = 100.0
    api.faults.append(lambda r: _raise(answer) if virtualtime.clock() < until and r.resource == "flows" else None)

    async def story(one: Listing) -> None:
        await one.sync.prime()
        assert until <= virtualtime.clock() <= until + 11
        assert one.store.runs.get(RUN) is not None

    listing(api, story)
    assert caplog.text.count(words) == 2, "at once, and after a minute"
    assert "all is well now" in caplog.text


def _raise(answer: Any) -> httpx.Response:
    if isinstance(answer, Exception):
        raise answer
    assert isinstance(answer, httpx.Response)
    return answer


def test_an_api_server_that_comes_back_is_found_soon() -> None:
    api = full()
    api.faults.append(lambda _: _raise(httpx.ConnectError("refused")) if virtualtime.clock() < 60 else None)

    async def story(one: Listing) -> None:
        await one.sync.prime()
        assert virtualtime.clock() < 63
        assert one.store.seen(FLOWRUNS, RUN)

    listing(api, story)


def crowd(finished: int = 60) -> FakeApi:
    api = FakeApi(page=7)
    for number in range(finished):
        name = f"a{number:02}"
        kind = ("Completed", "Failed", "Crashed", "Cancelled")[number % 4]
        api.put("flowruns", flowrun(name, uid=name, status={"state": state(kind)}))
        phase = {"phase": "Succeeded" if number % 2 else "Failed"}
        api.put("pods", pod(f"{name}-1", run=name, owner=name, uid=f"{name}-pod", status=phase))
    for name, kind in (("y-new", ""), ("z-live", "Running")):
        api.put("flowruns", flowrun(name, uid=name, status={"state": state(kind)} if kind else {}))
    api.put("pods", pod("z-live-1", run="z-live", owner="z-live", uid="z-pod", status={"phase": "Running"}))
    return api


def test_what_lives_is_known_first_and_is_enough_to_begin() -> None:
    async def story(one: Listing) -> None:
        await one.sync.prime()
        assert {key.name for key in one.named} == {"y-new", "z-live"}
        assert one.store.pods.get(Key("default", "z-live-1")) is not None
        assert not one.sync.complete.is_set()
        await listed(one)
        assert len(one.store.runs) == 62
        assert len(one.store.pods) == 61
        assert dict(one.store.states())["Completed"] == 15

    listing(crowd(), story)


def test_a_server_that_filters_no_runs_lists_them_all() -> None:
    """Before 1.31: field label not supported."""
    api = crowd()

    def old(request: Any) -> httpx.Response | None:
        if request.resource == "flowruns" and request.query.get("fieldSelector"):
            return refusal(400, "BadRequest", "field label not supported: status.state.type")
        return None

    api.faults.append(old)

    async def story(one: Listing) -> None:
        await one.sync.prime()
        assert len(one.store.runs) == 62
        await one.sync.prime()

    listing(api, story)
    assert len([r for r in api.requests if r.query.get("fieldSelector") and r.resource == "flowruns"]) == 1


def test_what_happens_during_a_listing_goes_over_it() -> None:
    """An event of the watch, and a deletion, are newer than the page that comes behind them."""
    api = crowd(20)

    async def story(one: Listing) -> None:
        stale = [api.get("flowruns", name) for name in ("a03", "z-live")]
        one.store.apply(FLOWRUNS, api.remove("flowruns", "a03"), deleted=True)
        one.store.apply(FLOWRUNS, api.change("flowruns", "z-live", {"status": {"state": state("Failed")}}))
        for raw in stale:
            api.objects[("flowruns", "default", raw["metadata"]["name"])] = raw  # as the listing's snapshot has them
        await one.sync.once()
        assert one.store.run(Key("default", "a03")) is None
        found = one.store.run(Key("default", "z-live"))
        assert found is not None
        assert found.status.state is not None
        assert found.status.state.type == "Failed"

    listing(api, story)


def test_one_object_does_not_hide_the_rest_of_a_page() -> None:
    api = FakeApi()
    for name in ("a", "c"):
        api.put("flowruns", flowrun(name, uid=name))
    api.put(
        "flowruns",
        flowrun("b", uid="b", spec={"flowSpec": {"entrypoint": "f.py:f"}, "scheduledTime": "0000-01-01T00:00:00Z"}),
    )

    async def story(one: Listing) -> None:
        await one.sync.prime()
        assert {key.name for key in one.named} == {"a", "b", "c"}
        assert dict(one.store.unreadables())["flowruns"] in (0, 1)
        await one.sync.once()

    listing(api, story)


def test_a_listing_that_fails_by_our_own_fault_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left = [OverflowError("date value out of range"), RecursionError()]
    real = Store.apply

    def apply(self: Store, *arguments: Any, **more: Any) -> tuple[Key, ...] | None:
        if left:
            raise left.pop()
        return real(self, *arguments, **more)

    monkeypatch.setattr(Store, "apply", apply)

    async def story(one: Listing) -> None:
        await one.sync.prime()
        assert one.store.run(RUN) is not None

    listing(full(), story)
    assert not left


REFUSED = [
    (refusal(404, "NotFound", "404 page not found"), "are the CRDs of penstock.dev installed"),
    (refusal(403, "Forbidden", "no"), "a right is missing"),
    (refusal(500, "InternalError", "etcd"), None),
]


@pytest.mark.parametrize(("answer", "words"), REFUSED)
def test_what_does_not_pass_by_itself_is_known_to_readiness_until_it_is_gone(answer: Any, words: str | None) -> None:
    api = full()
    broken = [True]
    api.faults.append(lambda r: answer if broken and r.resource == "flowruns" and r.verb == "list" else None)

    async def story(one: Listing) -> None:
        one.sync.begins(FLOWRUNS, None)
        task = asyncio.create_task(one.sync.run(lambda: 300.0))
        await asyncio.sleep(1)
        assert (one.sync.refused or "").count(words or "") == (1 if words else len(one.sync.refused or "") + 1)
        broken.clear()
        await asyncio.sleep(10)
        assert one.sync.refused is None
        assert one.store.run(RUN) is not None
        task.cancel()

    listing(api, story)
