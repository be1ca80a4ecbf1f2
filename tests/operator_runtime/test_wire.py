"""Requests over a real connection: what is sent, what comes back, and every way in which nothing does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from penstock_operator.runtime import wire
from penstock_operator.runtime.credentials import Credentials, Endpoint
from penstock_operator.runtime.wire import AiohttpWire, Answer, NoAnswerError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def answered(handler: Handler, method: str = "GET", path: str = "/x", **more: Any) -> Answer:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one = AiohttpWire(credentials(f"http://127.0.0.1:{runner.addresses[0][1]}"), "tests")
    try:
        return await one.send(method, path, **{"query": {}, "headers": {}, "content": None, **more})
    finally:
        await one.close()
        await runner.cleanup()


def credentials(server: str) -> Credentials:
    return Credentials(Endpoint(server, "default"), lambda: None, clock=lambda: 0.0)


def test_there_and_back() -> None:
    async def echo(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer t"
        assert request.headers["User-Agent"] == "tests"
        told = f"{request.method} {request.path_qs} {request.content_type} {await request.text()}"
        return web.Response(status=422, text=told, headers={"Retry-After": "3"})

    headers = {"Authorization": "Bearer t", "Content-Type": "application/merge-patch+json"}
    sent = {"query": {"fieldManager": "me"}, "headers": headers, "content": b"{}"}
    answer = asyncio.run(answered(echo, "PATCH", "/apis/x", **sent))
    assert (answer.status, answer.headers["retry-after"]) == (422, "3")
    assert answer.content == b"PATCH /apis/x?fieldManager=me application/merge-patch+json {}"


def test_a_redirect_is_an_answer() -> None:
    """A token must not follow it to another host."""

    async def moved(_: web.Request) -> web.Response:
        raise web.HTTPFound("http://elsewhere/")

    assert asyncio.run(answered(moved)).status == 302


async def drops(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def stops_halfway(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "100"})
    await answer.prepare(request)
    await answer.write(b"half")
    assert request.transport is not None
    request.transport.close()
    return answer


async def hangs(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


@pytest.mark.parametrize("handler", [drops, stops_halfway, hangs])
def test_no_whole_answer(handler: Handler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "ANSWER_SECONDS", 0.3)
    with pytest.raises(NoAnswerError):
        asyncio.run(answered(handler))


def test_nobody_there() -> None:
    async def main() -> None:
        one = AiohttpWire(credentials("http://127.0.0.1:1"), "tests")
        try:
            with pytest.raises(NoAnswerError, match=r"127\.0\.0\.1:1") as caught:
                await one.send("GET", "/x", query={}, headers={}, content=None)
            assert caught.value.kind == "ClientConnectorError"
        finally:
            await one.close()

    asyncio.run(main())
