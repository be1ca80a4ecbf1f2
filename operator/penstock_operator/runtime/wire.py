"""One request and its answer over HTTP, and the one home of aiohttp on the operator's side.

aiohttp, since kopf brings it into this process anyway, and since it costs a fifth of the CPU that httpx needs for a request (0.16 ms
against 0.8 ms): at five runs a second that is most of what the operator does. Everything about Kubernetes is in `client`; tests put a
server in memory in this place. Neighbours: `session` makes kopf's own connection in the same way.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from .credentials import Credentials

CONNECTIONS = 256  # more than there are keys in work: what is slow must not take them all
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
IDLE_SECONDS = 60.0


class NoAnswerError(Exception):
    """No answer came; the message says why. Attribute `kind`: the failure's own name."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(f"{kind}: {words}" if words else kind)
        self.kind = kind


class TooMuchError(Exception):
    """The answer has more bytes than were asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    warnings: tuple[str, ...] = ()  # of the API server's: texts of its Warning headers


class Wire(Protocol):
    """Sends requests to one server."""

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        content: bytes | None,
        most: int = 0,
    ) -> Answer:
        """Send a request.

        Args:
            method: of the request.
            path: on the server.
            query: behind the path.
            headers: of the request.
            content: its body.
            most: bytes of an answer; 0: any number.

        Raises:
            NoAnswerError: nothing came back, or not in time.
            TooMuchError: the answer is larger.
        """

    async def close(self) -> None:
        """Close all connections."""


class AiohttpWire:
    """The real one: a pool of connections, opened with the first request.

    Args:
        credentials: where the server is, and what is trusted of it; tokens are the caller's.
        agent: how this program calls itself.
    """

    def __init__(self, credentials: Credentials, agent: str) -> None:
        self._credentials = credentials
        self._agent = agent
        self._session: aiohttp.ClientSession | None = None
        self._timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        content: bytes | None,
        most: int = 0,
    ) -> Answer:
        """Send a request; see `Wire.send`."""
        if self._session is None:
            self._session = open_session(self._credentials, {"User-Agent": self._agent}, limit=CONNECTIONS)
        url = self._credentials.endpoint.server + path
        try:
            async with self._session.request(
                method, url, params=query, headers=headers, data=content, timeout=self._timeout, allow_redirects=False
            ) as answer:
                warnings = tuple(_warning(header) for header in answer.headers.getall("Warning", ()))
                return Answer(answer.status, answer.headers, await _read(answer, most), warnings)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoAnswerError(type(error).__name__, str(error)) from error

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        await close_session(session)


async def _read(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """Return the body. What is too much is not read to its end: the connection goes with it."""
    if not most:
        return await answer.read()
    pieces, size = [], 0
    async for piece in answer.content.iter_any():
        size += len(piece)
        if size > most:
            answer.close()
            raise TooMuchError(f"more than {most} bytes")
        pieces.append(piece)
    return b"".join(pieces)


_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


def _warning(header: str) -> str:
    """Return the text of a Warning header as API servers write it: `299 - "text"`."""
    match = _WARNING.match(header)
    return re.sub(r"\\(.)", r"\1", match[1]) if match is not None else header


def open_session(
    credentials: Credentials, headers: Mapping[str, str], *, limit: int = 0, **more: Any
) -> aiohttp.ClientSession:
    """Open a session to the API server.

    Args:
        credentials: for TLS and proxies.
        headers: of every request.
        limit: connections at the same time; 0: any number.
        more: further arguments of `aiohttp.ClientSession`.
    """
    endpoint, context = credentials.endpoint, credentials.ssl_context()
    connector = aiohttp.TCPConnector(
        limit=limit, keepalive_timeout=IDLE_SECONDS, ssl=context if context is not None else True
    )
    return aiohttp.ClientSession(
        connector=connector,
        headers=headers,
        proxy=endpoint.proxy_by(os.environ),
        cookie_jar=aiohttp.DummyCookieJar(),
        **more,
    )


async def close_session(session: aiohttp.ClientSession | None) -> None:
    """Close the connections of a session, if it was ever opened."""
    if session is not None:
        await session.close()
        # A TLS connection says good-bye in the loop's next turn; ended before that, it would complain.
        await asyncio.sleep(0)
