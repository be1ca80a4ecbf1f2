"""The proxy does to requests what its weather says, and carries everything else through as it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support.chaos.proxy import Proxy
from tests.support.chaos.weather import Dice, Fault


class Loaded(Dice):
    """Dice that always show the same."""

    def __init__(self, fault: Fault | None) -> None:
        super().__init__(0)
        self.shown = fault

    def fault(self, kind: str, method: str, *, watch: bool) -> Fault | None:
        return self.shown if kind != "calm" else None

    def between(self, least: float, most: float) -> float:
        return least


@dataclass
class Upstream:
    """Stands for the API server: notes what it was asked, and answers a watch with events until it is told to end."""

    asked: list[tuple[str, str, str]] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.raw_path, await request.text()))
        if "watch" not in request.query:
            return web.json_response({"number": len(self.asked)}, status=201, headers={"Audit-Id": "x"})
        stream = web.StreamResponse()
        await stream.prepare(request)
        for number in range(3):
            await stream.write(json.dumps({"type": "MODIFIED", "number": number}).encode() + b"\n")
        self.begun.set()
        await self.over.wait()
        return stream


@dataclass
class Room:
    """A proxy before an upstream, and a client before the proxy."""

    upstream: Upstream
    proxy: Proxy
    client: aiohttp.ClientSession
    weather: list[str]

    async def post(self) -> tuple[int, dict[str, Any]]:
        async with self.client.post(f"{self.proxy.url}/api/v1/pods?a=b%26c", data="body") as answer:
            return answer.status, await answer.json()

    async def watch(self) -> list[dict[str, Any]]:
        async with self.client.get(f"{self.proxy.url}/api/v1/pods?watch=true") as answer:
            return [json.loads(line) async for line in answer.content]


@asynccontextmanager
async def room(fault: Fault | None) -> AsyncIterator[Room]:
    upstream = Upstream()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", upstream.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    weather = ["bad"]
    proxy = Proxy(f"http://127.0.0.1:{runner.addresses[0][1]}", "", Loaded(fault), lambda: weather[0])
    await proxy.start()
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as client:
            yield Room(upstream, proxy, client, weather)
    finally:
        upstream.over.set()
        await proxy.stop()
        await runner.cleanup()


def play(fault: Fault | None, story: Callable[[Room], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with room(fault) as made:
            await story(made)

    asyncio.run(whole())


def test_without_a_fault_everything_passes() -> None:
    async def story(it: Room) -> None:
        assert await it.post() == (201, {"number": 1})
        assert it.upstream.asked == [("POST", "/api/v1/pods?a=b%26c", "body")]

    play(None, story)


@pytest.mark.parametrize(
    ("fault", "code", "asked"),
    [
        (Fault.ERROR, {500, 503}, 0),
        (Fault.ERROR_AFTER, {500, 504}, 1),
        (Fault.THROTTLED, {429}, 0),
        (Fault.CONFLICT, {409}, 0),
        (Fault.UNAUTHORIZED, {401}, 0),
        (Fault.SLOW, {201}, 1),
        (Fault.SLOW_ANSWER, {201}, 1),
        (Fault.REPEATED, {201}, 2),
    ],
)
def test_answers(fault: Fault, code: set[int], asked: int) -> None:
    """What the operator is told, and how often it was carried out."""

    async def story(it: Room) -> None:
        status, body = await it.post()
        assert status in code
        assert body.get("kind") == ("Status" if status >= 400 else None)
        assert len(it.upstream.asked) == asked
        assert it.proxy.struck == {fault: 1}

    play(fault, story)


@pytest.mark.parametrize(("fault", "asked"), [(Fault.DROPPED, 0), (Fault.LOST, 1)])
def test_connections_that_end(fault: Fault, asked: int) -> None:
    async def story(it: Room) -> None:
        with pytest.raises(aiohttp.ClientError):
            await it.post()
        assert len(it.upstream.asked) == asked

    play(fault, story)


def test_nobody_listens_for_a_while() -> None:
    async def story(it: Room) -> None:
        port = it.proxy.port
        await it.proxy.refuse()
        with pytest.raises(aiohttp.ClientConnectorError):
            await it.post()
        await it.proxy.listen()
        assert it.proxy.port == port
        assert (await it.post())[0] == 201

    play(None, story)


@pytest.mark.parametrize(("fault", "code"), [(Fault.EXPIRED, 410), (Fault.BROKEN, 500)])
def test_a_watch_that_ends_with_an_error(fault: Fault, code: int) -> None:
    """One that lives meets the weather when it changes."""

    async def story(it: Room) -> None:
        it.weather[0] = "calm"
        watching = asyncio.create_task(it.watch())
        await it.upstream.begun.wait()
        it.weather[0] = "bad"
        events = await watching
        assert [e["type"] for e in events][-1] == "ERROR"
        assert events[-1]["object"]["code"] == code

    play(fault, story)


def test_a_watch_that_is_cut() -> None:
    async def story(it: Room) -> None:
        with pytest.raises((aiohttp.ClientError, ValueError)):  # in the middle of a line
            await it.watch()

    play(Fault.CUT, story)


def test_a_watch_that_is_late() -> None:
    """All events come, in order, after a while."""

    async def story(it: Room) -> None:
        it.upstream.over.set()
        begun = asyncio.get_running_loop().time()
        assert [e["number"] for e in await it.watch()] == [0, 1, 2]
        assert asyncio.get_running_loop().time() - begun >= 0.4

    play(Fault.HELD, story)
