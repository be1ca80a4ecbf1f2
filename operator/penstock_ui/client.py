"""Requests to the API server for the page: reads only, each as the person who asks.

Nothing here writes: the page has no verb but GET, and POST for reviews, which the server answers and does not keep. Neighbours: `feed` watches
with it, the pages read pods, Events and logs with that of their caller, see `access`.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

from penstock_operator.runtime import errors, jsontext
from penstock_operator.runtime.errors import ApiError
from penstock_operator.runtime.wire import close_session, open_session

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from penstock_operator.runtime.credentials import Credentials

__all__ = ["Client"]

_AGENT = "penstock-ui"
_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 20.0
# A server's bookmarks come once a minute: a watch that is silent for longer is broken, whatever TCP says.
_QUIET_SECONDS = 75.0
# What one line of a watch or a log may have; an object of the API server is smaller.
_LONGEST_LINE = 4 * 2**20


class Client:
    """Ask one API server as one person. Close it, or leave that to the one that it was derived from.

    Args:
        credentials: where the server is, and who asks.
        token: a bearer token that is sent instead of that of the credentials.
    """

    def __init__(self, credentials: Credentials, *, token: str | None = None) -> None:
        self._credentials = credentials
        self._given = token
        self._session: aiohttp.ClientSession | None = None
        self._root: Client = self

    @property
    def server(self) -> str:
        """Its address."""
        return self._credentials.endpoint.server

    @property
    def namespace(self) -> str:
        """The namespace that the kubeconfig names."""
        return self._credentials.endpoint.namespace

    def bearing(self, token: str) -> Client:
        """Return a client that asks with another person's token, over the same connections.

        Raises:
            ValueError: these connections prove by a certificate who asks: whatever token is sent, it would be answered for that person.
        """
        if self._credentials.endpoint.certificate:
            raise ValueError("a client certificate would answer for everybody: use a service account's token")
        other = Client(self._credentials, token=token)
        other._root = self._root
        return other

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        await close_session(session)

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """GET a document.

        Raises:
            ApiError: refused, or no answer.
        """
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS, sock_connect=_CONNECT_SECONDS)
        return await self._document(self._answer(path, params or {}, timeout), path)

    async def _document(self, asked: AbstractAsyncContextManager[aiohttp.ClientResponse], path: str) -> dict[str, Any]:
        async with asked as answer:
            try:
                document = jsontext.parse(await answer.read())
            except ValueError as error:
                raise ApiError(errors.UNREADABLE, "NotJSON", "the answer is no JSON", what=path) from error
        if not isinstance(document, dict):
            raise ApiError(errors.UNREADABLE, "NotJSON", "the answer is no object", what=path)
        return document

    async def review(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST a review: a question about who asks that the API server answers, and keeps nothing of.

        Raises:
            ApiError: refused, or no answer.
        """
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS, sock_connect=_CONNECT_SECONDS)
        return await self._document(self._answer(path, {}, timeout, body), path)

    async def find(self, path: str) -> dict[str, Any] | None:
        """GET an object; None when there is none."""
        try:
            return await self.get(path)
        except ApiError as error:
            if error.code == errors.NOT_FOUND:
                return None
            raise

    async def lines(self, path: str, params: Mapping[str, str], *, quiet: float | None = None) -> AsyncIterator[bytes]:
        """Yield the lines of an answer as they come.

        Args:
            path: of the request.
            params: its query.
            quiet: seconds that may pass without a byte; None: any.

        Raises:
            ApiError: refused, or the connection broke.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=quiet)
        async with self._answer(path, params, timeout) as answer:
            async for line in _lines(answer.content):
                yield line

    async def watch(
        self, path: str, params: Mapping[str, str]
    ) -> AsyncGenerator[tuple[str, dict[str, Any], int], None]:
        """Yield type, object and size in bytes of each event of one watch; it ends when the server ends it.

        First of all comes `OPENED`, when the server has taken it: it may be quiet from then on. Bookmarks are given too.

        Raises:
            ApiError: refused, broken, or an ERROR event (410: the version is too old, list again).
        """
        query = {"watch": "true", "allowWatchBookmarks": "true", **params}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_QUIET_SECONDS)
        async with self._answer(path, query, timeout) as answer:
            yield "OPENED", {"metadata": {}}, 0
            async for line in _lines(answer.content):
                try:
                    event = jsontext.parse(line)
                    kind, found = str(event["type"]), event["object"]
                    found["metadata"].get("name") if kind != "ERROR" else None
                except (ValueError, LookupError, TypeError, AttributeError) as error:
                    raise ApiError(errors.UNREADABLE, "NotAnEvent", "a watch sent no event", what=path) from error
                if kind == "ERROR":
                    raise errors.from_status(int(found.get("code") or 500), found, retry_after=None, what=path)
                yield kind, found, len(line)

    @asynccontextmanager
    async def _answer(
        self,
        path: str,
        params: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,
        review: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Authorization": f"Bearer {token}"} if (token := await self._token()) else {}
        method, url = "GET" if review is None else "POST", self.server + path
        try:
            async with self._opened().request(
                method, url, params=params, json=review, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                if answer.status >= 300:
                    text = await answer.read()
                    if answer.status == errors.UNAUTHORIZED:
                        self._credentials.forget_token()
                    raise _refusal(answer.status, text, path)
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(errors.NO_ANSWER, type(error).__name__, _words(error), what=path) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._root is not self:
            return self._root._opened()
        if self._session is None:
            self._session = open_session(self._credentials, {"User-Agent": _AGENT})
        return self._session

    async def _token(self) -> str | None:
        if self._given is not None:
            return self._given
        if self._credentials.blocking and self._credentials.stale:
            return await asyncio.to_thread(self._credentials.token)
        return self._credentials.token()


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in content.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line
        if len(rest) > _LONGEST_LINE:
            yield rest
            rest = b""
    if rest:
        yield rest


def _refusal(status: int, content: bytes, path: str) -> ApiError:
    try:
        document = jsontext.parse(content)
    except ValueError:
        document = None
    return errors.from_status(
        status, document, retry_after=None, what=path, text=content[:300].decode("utf-8", "replace")
    )


def _words(error: BaseException) -> str:
    """What a connection's failure is called: its cause's own words, without addresses of memory and the like."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        return os.strerror(error.os_error.errno) if error.os_error.errno else str(error.os_error)
    return str(error) or type(error).__name__
