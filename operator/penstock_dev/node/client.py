"""The node's HTTP client: requests and watches on one API server, nothing else.

Errors of the server arrive as `ApiError`; anything below HTTP (refused, reset, timed out) as `ApiUnreachable`, so that callers can
tell "no" from "not now".
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from penstock_operator.runtime.credentials import Credentials

__all__ = ["ApiError", "ApiUnreachable", "Client", "Json"]

Json = dict[str, Any]

_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)
# Bookmarks come at least once a minute, so a watch that is silent for longer is dead.
_WATCH_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=5, sock_read=90)


class ApiUnreachable(Exception):  # noqa: N818 - a condition that passes, not a mistake
    """The API server could not be reached, or the connection broke."""


class ApiError(Exception):
    """The API server refused a request.

    Attributes:
        status: the HTTP status.
        reason: the machine-readable word, as `NotFound`.
        message: the server's words.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (401, 429) or self.status >= 500


def _error(status: int, body: bytes) -> ApiError:
    try:
        document = json.loads(body)
        return ApiError(status, str(document.get("reason", "")), str(document.get("message", "")))
    except (ValueError, AttributeError):
        return ApiError(status, "", body[:200].decode(errors="replace"))


class Client:
    """Requests to one API server. Use it as an async context manager; it belongs to one event loop."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._server = credentials.endpoint.server
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        context = self._credentials.ssl_context()
        connector = aiohttp.TCPConnector(limit=64, ssl=True if context is None else context)
        self._session = aiohttp.ClientSession(connector=connector, trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The open session."""
        if self._session is None:
            raise RuntimeError("the client is not open: use it as an async context manager")
        return self._session

    async def _headers(self) -> dict[str, str]:
        credentials = self._credentials
        # An exec plugin runs a program; everything else is read from memory or a file.
        slow = credentials.blocking and credentials.stale
        token = await asyncio.to_thread(credentials.token) if slow else credentials.token()
        return {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> Json:
        """Send one request and return the answer's document.

        Raises:
            ApiError: the server refused.
            ApiUnreachable: it did not answer.
        """
        headers = await self._headers()
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = content_type
        try:
            async with self.session.request(
                method, self._server + path, params=params, data=data, headers=headers, timeout=_TIMEOUT
            ) as response:
                answer = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnreachable(f"{method} {path}: {str(error) or type(error).__name__}") from error
        if response.status >= 400:
            if response.status == 401:
                self._credentials.forget_token()
            raise _error(response.status, answer)
        document: Json = json.loads(answer) if answer else {}
        return document

    async def watch(self, path: str, params: Mapping[str, str]) -> AsyncIterator[Json]:
        """Yield the events of one watch until the server ends it.

        Raises:
            ApiError: the server refused, at once or by an ERROR event (status 410: list again).
            ApiUnreachable: the connection broke.
        """
        query = {"watch": "true", "allowWatchBookmarks": "true", **params}
        headers = await self._headers()
        try:
            async with self.session.get(
                self._server + path, params=query, headers=headers, timeout=_WATCH_TIMEOUT
            ) as response:
                if response.status >= 400:
                    raise _error(response.status, await response.read())
                async for line in _lines(response.content):
                    event: Json = json.loads(line)
                    if event["type"] == "ERROR":
                        raise _error(int(event["object"].get("code", 500)), json.dumps(event["object"]).encode())
                    yield event
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnreachable(f"watch {path}: {str(error) or type(error).__name__}") from error


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield lines of any length: the reader's own readline has a limit that a large object exceeds."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
