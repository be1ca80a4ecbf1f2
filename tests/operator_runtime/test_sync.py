"""Listings: the beginning, what is in its way, and what they correct."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from penstock_operator.runtime.metrics import Metrics
from penstock_operator.runtime.resources import FLOWRUNS, PODS, Key
from penstock_operator.runtime.store import Store
from penstock_operator.runtime.sync import Sync
from tests.support import virtualtime
from tests.support.fakeapi import FakeApi, refusal
from tests.support.runtimeobjects import flow, flowrun, pod
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
