"""A proxy between operator and API server that does to requests what the weather says, and otherwise nothing.

It speaks HTTP to the operator and TLS to the API server; credentials pass through. It never invents a success, and never reorders or drops
a watch's events as long as the watch lives: an API server does not either. Neighbours: `weather` decides, `campaign` starts it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import web

from .weather import Dice, Fault

HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "upgrade", "content-encoding"}
)
HOLD_SECONDS = (0.5, 3.0)
SLOW_SECONDS = (0.1, 2.0)
LOOK_SECONDS = 0.1  # how soon a watch that lives meets a change of the weather


class Proxy:
    """One proxy.

    Args:
        upstream: URL of the API server.
        ca: file of its certificate; empty: plain HTTP.
        dice: decides about each request.
        weather: the kind of weather now.
    """

    def __init__(self, upstream: str, ca: str, dice: Dice, weather: Callable[[], str]) -> None:
        self._upstream = upstream
        self._dice = dice
        self._weather = weather
        self._tls: ssl.SSLContext | bool = ssl.create_default_context(cafile=ca) if ca else True
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._session: aiohttp.ClientSession | None = None
        self._connections: set[asyncio.Transport] = set()
        self.port = 0
        self.struck: Counter[Fault] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
            auto_decompress=False,
        )
        application = web.Application(client_max_size=16 * 2**20)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await self.listen()

    async def stop(self) -> None:
        """Go away for good."""
        self._hang_up()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def listen(self) -> None:
        """Take connections (again)."""
        if self._site is None:
            assert self._runner is not None
            self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
            await self._site.start()
            self.port = int(self._runner.addresses[0][1])

    async def refuse(self) -> None:
        """End all connections, and refuse new ones until `listen`."""
        if self._site is not None:
            site, self._site = self._site, None
            await site.stop()
            self._hang_up()

    def _hang_up(self) -> None:
        for transport in list(self._connections):
            transport.abort()

    # --- requests -------------------------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            return web.Response(status=499)
        self._connections.add(transport)
        try:
            return await self._serve(request)
        except (aiohttp.ClientError, OSError):
            # The API server is away, or the operator is: to the other side a connection that ends.
            transport.abort()
            return web.Response(status=502)
        finally:
            self._connections.discard(transport)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        watch = request.query.get("watch") in ("1", "true")
        body = await request.read()
        fault = self._dice.fault(self._weather(), request.method, watch=watch)
        if fault is not None:
            self.struck[fault] += 1
        match fault:
            case Fault.ERROR:
                return _status(self._dice.one_of(500, 503), "InternalError", "injected: etcdserver: request timed out")
            case Fault.THROTTLED:
                return _status(429, "TooManyRequests", "injected: too many requests", {"Retry-After": "1"})
            case Fault.CONFLICT:
                return _status(409, "Conflict", "injected: Operation cannot be fulfilled: the object has been modified")
            case Fault.UNAUTHORIZED:
                return _status(401, "Unauthorized", "injected: Unauthorized")
            case Fault.DROPPED:
                raise ConnectionError("injected")
            case Fault.SLOW:
                await asyncio.sleep(self._dice.between(*SLOW_SECONDS))
            case Fault.REPEATED:
                await self._ask(request, body)
            case _:
                pass
        if watch:
            return await self._watch(request, fault)
        answer = await self._ask(request, body)
        match fault:
            case Fault.LOST:
                raise ConnectionError("injected")
            case Fault.ERROR_AFTER:
                return _status(self._dice.one_of(500, 504), "Timeout", "injected: request did not complete in time")
            case Fault.SLOW_ANSWER:
                await asyncio.sleep(self._dice.between(*SLOW_SECONDS))
            case _:
                pass
        return answer

    async def _ask(self, request: web.Request, body: bytes) -> web.Response:
        assert self._session is not None
        async with self._session.request(
            request.method, self._url(request), headers=_kept(request.headers), data=body or None
        ) as answer:
            return web.Response(
                status=answer.status, headers=_kept(answer.headers, coded=True), body=await answer.read()
            )

    def _url(self, request: web.Request) -> Any:
        from yarl import URL

        return URL(f"{self._upstream}{request.raw_path}", encoded=True)

    # --- watches --------------------------------------------------------------------------------------------------------------------

    async def _watch(self, request: web.Request, fault: Fault | None) -> web.StreamResponse:
        if fault is Fault.EXPIRED and self._dice.between(0, 1) < 0.5:
            return _status(410, "Expired", "injected: too old resource version")
        assert self._session is not None
        headers = {name: value for name, value in _kept(request.headers).items() if name.lower() != "accept-encoding"}
        async with self._session.get(self._url(request), headers=headers) as answer:
            if answer.status != 200:
                return web.Response(status=answer.status, headers=_kept(answer.headers), body=await answer.read())
            stream = web.StreamResponse(headers=_kept(answer.headers))
            await stream.prepare(request)
            reading = _Lines(answer.content)
            try:
                await self._pass_on(reading, stream)
            finally:
                reading.stop()
            return stream

    async def _pass_on(self, lines: _Lines, stream: web.StreamResponse) -> None:
        """Hand lines over; every now and then the weather has its say about a watch that lives."""
        weather = ""
        until = 0.0  # events are held until then
        loop = asyncio.get_running_loop()
        while True:
            if self._weather() != weather:
                weather = self._weather()
                fault = self._dice.fault(weather, "GET", watch=True)
                if fault in (Fault.CUT, Fault.EXPIRED, Fault.BROKEN, Fault.HELD):
                    self.struck[fault] += 1
                if fault is Fault.HELD:
                    until = loop.time() + self._dice.between(*HOLD_SECONDS)
                elif fault is not None and await self._spoil(fault, lines, stream):
                    return
            if loop.time() < until:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            line = await lines.next(LOOK_SECONDS)
            if line is None:
                continue
            if not line:
                return
            await stream.write(line)

    async def _spoil(self, fault: Fault, lines: _Lines, stream: web.StreamResponse) -> bool:
        """End the watch as the fault says; whether it did."""
        match fault:
            case Fault.CUT:
                await asyncio.sleep(self._dice.between(0, 0.5))
                line = await lines.next(LOOK_SECONDS)
                if line:
                    await stream.write(line[: len(line) // 2])
                raise ConnectionError("injected")
            case Fault.EXPIRED | Fault.BROKEN:
                code = 410 if fault is Fault.EXPIRED else 500
                reason = "Expired" if code == 410 else "InternalError"
                event = {"type": "ERROR", "object": _failure(code, reason, "injected: the watch is no good any more")}
                await stream.write(json.dumps(event).encode() + b"\n")
                return True
            case _:
                return False


class _Lines:
    """The lines of a stream, read ahead by a task so that looking elsewhere in between loses nothing."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content
        self._ready: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    def stop(self) -> None:
        self._task.cancel()

    async def next(self, seconds: float) -> bytes | None:
        """The next line; empty: the stream has ended; None: nothing came in that time."""
        if not self._ready:
            self._news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return None
        return self._ready.popleft()

    async def _read(self) -> None:
        rest = b""
        try:
            async for piece in self._content.iter_any():
                *whole, rest = (rest + piece).split(b"\n")
                self._put(*(line + b"\n" for line in whole))
        except (aiohttp.ClientError, OSError):
            pass
        self._put(b"")

    def _put(self, *lines: bytes) -> None:
        self._ready.extend(lines)
        if self._ready:  # a piece may hold no whole line
            self._news.set()


def _kept(headers: Any, *, coded: bool = False) -> dict[str, str]:
    """The headers that belong to the message, not to the connection."""
    hop = HOP - {"content-encoding"} if coded else HOP
    return {name: value for name, value in headers.items() if name.lower() not in hop}


def _failure(code: int, reason: str, message: str) -> dict[str, Any]:
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return {**head, "message": message, "reason": reason, "code": code}


def _status(code: int, reason: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(_failure(code, reason, message), status=code, headers=headers)
