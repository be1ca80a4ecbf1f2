"""Requests to an API server for one command: synchronous, with errors worded as kubectl words them."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .errors import CliError
from .exits import Exit

# httpx brings a command line of its own along, and with it rich and pygments: half of the time that it takes to load.
_alone = sys.modules.setdefault("httpx._main", None) is None  # type: ignore[arg-type]
import httpx  # noqa: E402

if _alone:
    del sys.modules["httpx._main"]

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from penstock_operator.runtime.credentials import Credentials

__all__ = ["JSON", "TABLE", "Api", "Json", "ServerError"]

Json = dict[str, Any]
JSON = "application/json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
# A watch is quiet between bookmarks (a minute); a followed log for as long as the flow is.
_QUIET = 90.0


class ServerError(CliError):
    """The API server refused a request.

    Attributes:
        status: the HTTP status.
        reason: the machine-readable word.
        message: the server's sentence.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        text = f"Error from server ({reason}): {message}" if reason else f"Error from server: {message}"
        super().__init__(text, Exit.NOT_FOUND if status == 404 else Exit.FAILED)
        self.status = status
        self.reason = reason
        self.message = message


def _refusal(response: httpx.Response) -> ServerError:
    text = response.read().decode(errors="replace")
    try:
        document = json.loads(text)
        return ServerError(response.status_code, str(document.get("reason", "")), str(document.get("message") or text))
    except (ValueError, AttributeError):
        return ServerError(response.status_code, "", text.strip() or f"HTTP {response.status_code}")


class Api:
    """One API server, for one command. Close it, or use it as a context manager.

    Threads may share it: no connection is closed under one that reads it, for its number would stand for another one then. The last reader
    closes them.

    Args:
        credentials: where it is, and who asks.
        patience: seconds that an answer may take.
    """

    def __init__(self, credentials: Credentials, *, patience: float = 30.0) -> None:
        context = credentials.ssl_context()
        self.namespace = credentials.endpoint.namespace
        self._credentials = credentials
        self._lock = threading.Lock()
        self._streams: set[int] = set()
        self._readers = 0
        self._left = False
        self._server = credentials.endpoint.server
        self._http = httpx.Client(
            base_url=self._server,
            verify=True if context is None else context,
            proxy=credentials.endpoint.proxy_by(os.environ),
            trust_env=False,
            timeout=httpx.Timeout(patience, connect=min(patience, 5)),
        )

    @property
    def server(self) -> str:
        """Its address."""
        return self._server

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        with self._reading():  # as one more that ends
            self._left = True

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """While a thread has a connection."""
        with self._lock:
            self._readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._readers -= 1
                last = self._left and not self._readers
            if last:
                self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Json:
        """Send a request and return the answer's document.

        Raises:
            ServerError: the server refused.
            CliError: it could not be reached.
        """
        # As letters, not as JSON's escapes: a server reads what is applied as YAML, which has no escape for an emoji.
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {**self._identity(), "Accept": accept} | ({"Content-Type": content_type} if content else {})
        with self._reading(), self._reachable():
            response = self._http.request(method, path, params=params, content=content, headers=headers)
        if response.status_code >= 400:
            raise _refusal(response)
        document: Json = response.json() if response.content else {}
        return document

    def get(self, path: str, params: Mapping[str, str] | None = None, accept: str = JSON) -> Json:
        """GET a document."""
        return self.request("GET", path, params=params, accept=accept)

    def find(self, path: str) -> Json | None:
        """GET an object; None when there is none."""
        try:
            return self.get(path)
        except ServerError as error:
            if error.status == 404:
                return None
            raise

    def lines(
        self,
        path: str,
        params: Mapping[str, str],
        *,
        accept: str = "*/*",
        quiet: float | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[str]:
        """Yield the lines of an answer as they come.

        Args:
            path: of what is read.
            params: the query.
            accept: the form that is asked for.
            quiet: how many seconds may pass between two lines.
            stop: what is set before `end_streams`: an answer that begins only then is not read.
        """
        headers = {**self._identity(), "Accept": accept}
        timeout = httpx.Timeout(30, connect=5, read=quiet)
        with ExitStack() as stack:
            stack.enter_context(self._reading())
            stack.enter_context(self._reachable())
            request = self._http.stream("GET", path, params=dict(params), headers=headers, timeout=timeout)
            response = stack.enter_context(request)
            if response.status_code >= 400:
                raise _refusal(response)
            stack.enter_context(self._listed(response))
            if stop is not None and stop.is_set():
                return
            rest = b""
            for chunk in response.iter_bytes():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield line.decode(errors="replace")
            if rest:
                yield rest.decode(errors="replace")

    def end_streams(self) -> None:
        """End what other threads read with `lines` and `watch` just now; it looks to them as if the connection broke."""
        with self._lock:  # none of them is closed meanwhile
            for descriptor in self._streams:
                with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
                    connection.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _listed(self, response: httpx.Response) -> Iterator[None]:
        """Let `end_streams` find a connection while its answer is read."""
        descriptor = response.extensions["network_stream"].get_extra_info("socket").fileno()
        with self._lock:
            self._streams.add(descriptor)
        try:
            yield
        finally:
            with self._lock:
                self._streams.discard(descriptor)

    def watch(
        self,
        path: str,
        params: Mapping[str, str],
        *,
        accept: str = JSON,
        quiet: float = _QUIET,
        stop: threading.Event | None = None,
    ) -> Iterator[Json]:
        """Yield the events of one watch; it ends when the server ends it.

        Args:
            path: of the collection.
            params: selectors and the version to begin at.
            accept: the form that is asked for.
            quiet: how many seconds may pass without an event, or a bookmark, until the connection counts as broken.
            stop: as in `lines`.

        Raises:
            ServerError: refused, or an ERROR event (status 410: the version is too old, list again).
        """
        query = {"watch": "true", "allowWatchBookmarks": "true", **params}
        for line in self.lines(path, query, accept=accept, quiet=min(quiet, _QUIET), stop=stop):
            event: Json = json.loads(line)
            if event["type"] == "ERROR":
                status = event["object"]
                raise ServerError(
                    int(status.get("code") or 500), str(status.get("reason", "")), str(status.get("message", ""))
                )
            yield event

    def _identity(self) -> dict[str, str]:
        token = self._credentials.token()
        return {"Authorization": f"Bearer {token}"} if token else {}

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        where = urlsplit(self._server).netloc
        try:
            yield
        except httpx.ConnectError as error:
            if "refused" in str(error).lower():
                raise CliError(
                    f"The connection to the server {where} was refused - is it running? (`penstock dev` starts one on this machine)"
                ) from error
            raise CliError(f"Unable to connect to the server {where}: {error}") from error
        except httpx.TimeoutException as error:
            raise CliError(f"Unable to connect to the server {where}: no answer in time") from error
        except httpx.TransportError as error:
            raise CliError(f"The connection to the server {where} broke: {error}") from error
