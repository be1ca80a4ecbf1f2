"""Leader election: one at a time, hand-over, loss, and clocks that are never compared."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from penstock_operator.runtime.lease import Lease, Terms
from tests.support import virtualtime
from tests.support.fakeapi import FakeApi, Request, refusal
from tests.support.runtimerig import client, now

TERMS = Terms()


class Candidate:
    """An operator that wants to lead; `since` and `until` tell when it did."""

    def __init__(self, api: FakeApi, name: str) -> None:
        self.name = name
        self.client = client(api)
        self.lease = Lease(self.client, "default", "lease", name, now=now, clock=virtualtime.clock)
        self.since: float | None = None
        self.until: float | None = None

    async def lead(self) -> None:
        await self.lease.acquire()
        self.since = virtualtime.clock()
        await self.lease.keep()
        self.until = virtualtime.clock()


def story(api: FakeApi, tell: Callable[[Callable[[str], Candidate]], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        made: list[Candidate] = []

        def candidate(name: str) -> Candidate:
            made.append(Candidate(api, name))
            return made[-1]

        try:
            await tell(candidate)
        finally:
            for one in made:
                await one.client.close()

    virtualtime.run(main)


def holder(api: FakeApi) -> str:
    return str(api.get("leases", "lease")["spec"]["holderIdentity"])


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_the_first_one_leads_at_once_and_keeps_it() -> None:
    api = FakeApi()

    async def tell(candidate: Callable[[str], Candidate]) -> None:
        a, b = candidate("a"), candidate("b")
        tasks = [asyncio.create_task(a.lead()), asyncio.create_task(b.lead())]
        await asyncio.sleep(100)
        assert (a.since, a.until, b.since) == (0.0, None, None)
        assert holder(api) == "a"
        for task in tasks:
            await stop(task)

    story(api, tell)


@pytest.mark.parametrize("unheard", [False, True], ids=["at rest", "while it renewed, and the answer was not heard"])
def test_a_lease_that_was_given_back_is_taken_within_two_seconds(unheard: bool) -> None:
    api = FakeApi()

    async def tell(candidate: Callable[[str], Candidate]) -> None:
        a, b = candidate("a"), candidate("b")
        first, second = asyncio.create_task(a.lead()), asyncio.create_task(b.lead())
        await asyncio.sleep(30.5)
        await stop(first)
        if unheard:
            api.put("leases", {"metadata": {"name": "lease"}, "spec": api.get("leases", "lease")["spec"]})
        await a.lease.release()
        assert holder(api) == ""
        await asyncio.sleep(2)
        assert b.since is not None
        assert b.since - 30.5 <= 2.0
        assert holder(api) == "b"
        assert api.get("leases", "lease")["spec"]["leaseTransitions"] == 1
        await stop(second)

    story(api, tell)


def test_a_leader_that_died_is_followed_when_its_term_is_over() -> None:
    api = FakeApi()

    async def tell(candidate: Callable[[str], Candidate]) -> None:
        a, b = candidate("a"), candidate("b")
        first = asyncio.create_task(a.lead())
        await asyncio.sleep(31)
        second = asyncio.create_task(b.lead())  # looks at the lease for the first time now
        await stop(first)
        await asyncio.sleep(60)
        assert b.since is not None
        assert TERMS.duration < b.since - 31 <= TERMS.duration + 2 * TERMS.poll_every
        await stop(second)

    story(api, tell)


@pytest.mark.parametrize("renewed", ["2000-01-01T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z"])
def test_no_clock_is_compared_with_anothers(renewed: str) -> None:
    """Whatever a holder wrote about the time, it is followed one term after this process first saw that."""
    api = FakeApi()
    spec = {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": renewed}
    api.put("leases", {"metadata": {"name": "lease"}, "spec": spec})

    async def tell(candidate: Callable[[str], Candidate]) -> None:
        b = candidate("b")
        task = asyncio.create_task(b.lead())
        await asyncio.sleep(60)
        assert b.since is not None
        assert 15 < b.since <= 17
        await stop(task)

    story(api, tell)


def test_a_leader_that_cannot_renew_stops_before_another_may_begin() -> None:
    api = FakeApi()
    cut: list[str] = []

    def partition(request: Request) -> httpx.Response | None:
        if request.verb == "update" and request.body["spec"]["holderIdentity"] in cut:
            raise httpx.ConnectError("no route")
        return None

    api.faults.append(partition)

    async def tell(candidate: Callable[[str], Candidate]) -> None:
        a, b = candidate("a"), candidate("b")
        first, second = asyncio.create_task(a.lead()), asyncio.create_task(b.lead())
        await asyncio.sleep(20)
        cut.append("a")
        await asyncio.sleep(60)
        assert a.until is not None
        assert b.since is not None
        assert 20 + TERMS.renew_deadline - TERMS.renew_every <= a.until < b.since
        await stop(first)
        await stop(second)

    story(api, tell)


def test_a_short_outage_is_outlived() -> None:
    api = FakeApi()

    async def tell(candidate: Callable[[str], Candidate]) -> None:
        a = candidate("a")
        task = asyncio.create_task(a.lead())
        await asyncio.sleep(10)
        api.fail("update", "leases", *[refusal(503, "ServiceUnavailable", "away")] * 6)
        await asyncio.sleep(60)
        assert a.until is None
        await stop(task)

    story(api, tell)


def test_an_answer_that_was_lost_is_no_loss() -> None:
    """The renewal was written, its answer was not heard, and the repetition meets a newer version: its own."""
    api = FakeApi()
    lost: list[bool] = []

    def loses(request: Request) -> None:
        if request.verb == "update" and not lost:
            lost.append(True)
            raise httpx.ReadError("reset")

    async def tell(candidate: Callable[[str], Candidate]) -> None:
        a = candidate("a")
        task = asyncio.create_task(a.lead())
        await asyncio.sleep(5)
        api.after = loses
        await asyncio.sleep(60)
        assert lost
        assert a.until is None
        await stop(task)

    story(api, tell)


def test_an_answer_that_is_late_buys_no_time() -> None:
    """Another sees a renewal the moment it is written, so it counts from before it was asked for."""
    api = FakeApi()
    slow: list[bool] = []

    async def late(*arguments: Any, **more: Any) -> Any:
        answer = await FakeApi.send(api, *arguments, **more)
        if slow:
            await asyncio.sleep(7)  # written, and the answer is on its way
        return answer

    async def tell(candidate: Callable[[str], Candidate]) -> None:
        api.send = late  # type: ignore[method-assign]
        a = candidate("a")
        task = asyncio.create_task(a.lead())
        await asyncio.sleep(5)  # renewed at 2 and 4
        slow.append(True)  # asked at 6, written then, answered at 13
        await asyncio.sleep(8.5)
        api.faults.append(lambda _: refusal(503, "ServiceUnavailable", "away"))
        await asyncio.sleep(30)
        assert a.until is not None
        assert a.until <= 6 + TERMS.renew_deadline + TERMS.renew_every
        await stop(task)

    story(api, tell)


@pytest.mark.parametrize("answer", [refusal(403, "Forbidden", "no"), refusal(422, "Invalid", "no")])
def test_a_lease_that_may_not_be_made_is_not_held(answer: httpx.Response, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    api = FakeApi()
    api.fail("create", "leases", *[answer] * 100)

    async def tell(candidate: Callable[[str], Candidate]) -> None:
        a = candidate("a")
        task = asyncio.create_task(a.lead())
        await asyncio.sleep(20)
        assert a.since is None
        await stop(task)

    story(api, tell)
    assert "the lease can't be read or taken" in caplog.text


@pytest.mark.parametrize("deleted", [False, True])
def test_a_lease_that_another_took_is_lost(deleted: bool) -> None:
    api = FakeApi()

    async def tell(candidate: Callable[[str], Candidate]) -> None:
        a = candidate("a")
        task = asyncio.create_task(a.lead())
        await asyncio.sleep(5)
        if deleted:
            api.remove("leases", "lease")
        spec = {"holderIdentity": "b", "leaseDurationSeconds": 15}
        api.put("leases", {"metadata": {"name": "lease"}, "spec": spec})
        await asyncio.sleep(5)
        assert a.until is not None
        await a.lease.release()
        assert holder(api) == "b", "what is not held is not given back"
        await stop(task)

    story(api, tell)


def test_a_lease_that_was_deleted_is_made_again() -> None:
    api = FakeApi()

    async def tell(candidate: Callable[[str], Candidate]) -> None:
        a = candidate("a")
        task = asyncio.create_task(a.lead())
        await asyncio.sleep(5)
        api.remove("leases", "lease")
        await asyncio.sleep(5)
        assert a.until is None
        assert holder(api) == "a"
        await stop(task)

    story(api, tell)


def test_two_who_take_it_at_once_are_one() -> None:
    api = FakeApi()
    api.put("leases", {"metadata": {"name": "lease"}, "spec": {"holderIdentity": ""}})

    async def tell(candidate: Callable[[str], Candidate]) -> None:
        made = [candidate(f"c{n}") for n in range(5)]
        tasks = [asyncio.create_task(one.lead()) for one in made]
        await asyncio.sleep(10)
        assert sum(one.since is not None for one in made) == 1
        for task in tasks:
            await stop(task)

    story(api, tell)


def test_what_is_in_the_way_of_the_lease_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    api = FakeApi()
    words = 'leases "lease" is forbidden: cannot get resource "leases"'
    api.fail("get", "leases", *[refusal(403, "Forbidden", words)] * 5)

    async def tell(candidate: Callable[[str], Candidate]) -> None:
        a = candidate("a")
        task = asyncio.create_task(a.lead())
        await asyncio.sleep(20)
        assert a.since == 5.0
        await stop(task)

    story(api, tell)
    assert caplog.text.count(words) == 1
