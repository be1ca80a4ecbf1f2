"""One request to the Kubernetes API, and its answer as a value: also when no answer came.

The one home of httpx in the engine. Nothing is repeated here: whoever asks decides what an answer means (a pod's reporter,
or `cluster`). Times are bounded: a second or two to connect, a total for the rest; of a stream, the quiet between two lines.
Threads may share a client.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.kube import jsontext

if TYPE_CHECKING:
    import ssl

    import httpx

    from penstock.kube.credentials import TokenSource

CONNECT_SECONDS = 1.0
JSON = "application/json"
JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said, or that it said nothing.

    Attributes:
        status: The HTTP status; 0 when there was no answer.
        body: The JSON object of the answer; empty when there was none.
        retry_after: Seconds that the server asked to wait.
        problem: Why no answer came; empty when one did.
    """

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    retry_after: float | None = None
    problem: str = ""

    @property
    def message(self) -> str:
        """The server's own words, or why there are none."""
        if self.problem:
            return self.problem
        said = self.body.get("message")
        return said if isinstance(said, str) and said else f"HTTP {self.status}"


class Refused(Exception):  # noqa: N818  (an answer, not a fault of this program)
    """A stream was not opened, or the server put an end to it with a status.

    Attributes:
        answer: What was said instead.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.message)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Trust:
    """How a server proves who it is, and this client who it is.

    Attributes:
        ca_file: Certificates to trust; empty: those of the machine.
        ca_data: The same as PEM; goes before the file.
        insecure: Whether any certificate will do.
        server_name: The name that the certificate is for, if not the URL's.
        context: Made by the caller, with a client's certificate; None: made from the others.
    """

    ca_file: str = ""
    ca_data: str = ""
    insecure: bool = False
    server_name: str = ""
    context: ssl.SSLContext | None = None


@dataclass
class _Connections:
    """Connections, and how many answers are read from them just now."""

    client: httpx.Client
    users: int = 0


class KubeClient:
    """Ask one API server.

    Args:
        server: Base URL, ``https://10.0.0.1:443``; plain http carries no certificates.
        token: Where the bearer token comes from; it is put on each request, since it changes while connections live.
        trust: Certificates; a text is the file with those to trust.
        proxy: URL of the proxy that leads there; None: it is reached directly, whatever the environment says.
    """

    def __init__(
        self,
        server: str,
        token: TokenSource,
        trust: Trust | str,
        proxy: str | None = None,
    ) -> None:
        self._proxy = proxy
        self._server = server.rstrip("/")
        self._token = token
        self._trust = trust if isinstance(trust, Trust) else Trust(ca_file=trust)
        self._connections: _Connections | None = None
        self._lock = threading.Lock()
        self._streams: dict[object, int] = {}  # which answers go on, and their sockets

    @property
    def server(self) -> str:
        """The base URL."""
        return self._server

    def prepare(self) -> None:
        """Do what the first request would do before anything is sent: import httpx, read the certificates."""
        with contextlib.suppress(OSError, ImportError, ValueError):
            httpx = _httpx()
            with self._lock:
                self._opened(httpx)

    def patch(self, path: str, operations: Sequence[Mapping[str, Any]], seconds: float) -> Answer:
        """Send a JSON patch; see ``request``."""
        return self.request("PATCH", path, seconds, body=operations, content_type=JSON_PATCH)

    def request(
        self,
        method: str,
        path: str,
        seconds: float,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
        connect: float = CONNECT_SECONDS,
    ) -> Answer:
        """Send a request.

        Args:
            method: GET, POST, PATCH, DELETE.
            path: The resource's path, from ``/api`` or ``/apis`` on.
            seconds: How long the request may take in all.
            query: What stands behind the path.
            body: A JSON value.
            content_type: What kind of it.
            connect: How long connecting may take, seconds.

        Returns:
            The answer; status 0 and the reason when the server could not be reached, or was too slow.
        """
        end = time.monotonic() + seconds
        content = None if body is None else json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        try:
            with self._open(method, path, query, content, content_type, seconds, min(connect, seconds)) as response:
                received = bytearray()
                for chunk in response.iter_bytes():
                    received += chunk
                    # httpx bounds each read, not their sum: a server that trickles must not hold a report.
                    if time.monotonic() > end:
                        return Answer(0, problem=f"no whole answer within {seconds:g} s")
                return _answer(response, received)
        except self._failures() as error:
            return Answer(0, problem=self._worded(error))

    @contextlib.contextmanager
    def lines(
        self,
        path: str,
        query: Mapping[str, str],
        *,
        quiet: float,
        connect: float = CONNECT_SECONDS,
        opened: Callable[[Callable[[], None]], object] | None = None,
    ) -> Iterator[Iterator[bytes]]:
        """Open an answer that goes on, and give its lines as they come.

        Args:
            path: The resource's path.
            query: What stands behind the path.
            quiet: How many seconds may pass between two lines.
            connect: How long connecting may take, seconds.
            opened: Is given what ends this answer from another thread; for its lines it looks as if the connection broke.

        Raises:
            Refused: It could not be opened, or broke; the answer's status is 0 where the connection did.
        """
        try:
            with self._open("GET", path, query, None, JSON, quiet, connect) as response:
                if response.status_code != 200:
                    raise Refused(_answer(response, response.read()))
                with self._listed(response) as stream:
                    if opened is not None:
                        opened(functools.partial(self._end, stream))
                    yield _lines(response)
        except self._failures() as error:
            raise Refused(Answer(0, problem=self._worded(error))) from error

    @contextlib.contextmanager
    def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        content: bytes | None,
        content_type: str,
        seconds: float,
        connect: float,
    ) -> Iterator[httpx.Response]:
        httpx = _httpx()
        headers = {"Accept": "application/json"} | ({"Content-Type": content_type} if content is not None else {})
        token = self._token.read()
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        name = self._trust.server_name
        with (
            self._using(httpx) as client,
            client.stream(
                method,
                self._server + path,
                params=query,
                content=content,
                headers=headers,
                timeout=httpx.Timeout(seconds, connect=connect),
                extensions={"sni_hostname": name} if name else {},
            ) as response,
        ):
            yield response

    @staticmethod
    def _failures() -> tuple[type[Exception], ...]:
        # A broken installation of httpx counts as an answer that did not come. The last two: a proxy whose URL is none, or of
        # a kind that needs a library.
        with contextlib.suppress(ImportError):
            httpx = _httpx()
            return (httpx.HTTPError, httpx.InvalidURL, OSError, ImportError, ValueError)
        return (OSError, ImportError, ValueError)

    def _worded(self, error: Exception) -> str:
        return f"{type(error).__name__}: {error}".rstrip(": ") + self._way

    def end_streams(self) -> None:
        """End what other threads read with ``lines`` just now; it looks to them as if the connection broke."""
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            self._end(stream)

    def _end(self, stream: object) -> None:
        import os
        import socket

        # Under the lock the descriptor is still that connection's; later it may stand for another one.
        with self._lock:
            descriptor = self._streams.get(stream)
            if descriptor is None:
                return
            # One of our own, for to make a socket of theirs would close it.
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
                connection.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def _listed(self, response: httpx.Response) -> Iterator[object]:
        """Let others end a connection while its answer is read."""
        stream = object()
        with self._lock:
            self._streams[stream] = response.extensions["network_stream"].get_extra_info("socket").fileno()
        try:
            yield stream
        finally:
            with self._lock:
                del self._streams[stream]

    def forget_token(self) -> None:
        """Read the token file again before the next request."""
        self._token.forget()

    def close(self) -> None:
        """Close the connections, those that are in use when they are no more; a request after that opens new ones."""
        with self._lock:
            left, self._connections = self._connections, None
            if left is None or left.users:
                return
        left.client.close()

    @contextlib.contextmanager
    def _using(self, httpx: Any) -> Iterator[httpx.Client]:
        """Lend the connections: none is closed under a thread that reads it, for its number would stand for another one then."""
        with self._lock:
            lent = self._opened(httpx)
            lent.users += 1
        try:
            yield lent.client
        finally:
            with self._lock:
                lent.users -= 1
                last = not lent.users and lent is not self._connections
            if last:
                lent.client.close()

    def _opened(self, httpx: Any) -> _Connections:
        """Open them, under the lock."""
        if self._connections is None:
            self._connections = _Connections(self._made(httpx))
        return self._connections

    def _made(self, httpx_: Any) -> httpx.Client:
        verify: Any = False
        if self._server.startswith("https:"):
            verify = self._trust.context or tls_context(self._trust)
        made: httpx.Client = httpx_.Client(verify=verify, trust_env=False, proxy=self._proxy)
        return made

    @property
    def _way(self) -> str:
        if self._proxy is None:
            return ""
        from penstock.kube.proxies import shown

        return f" (to {self._server} through the proxy {shown(self._proxy)}; NO_PROXY does not name that server)"


def _httpx() -> Any:
    """Import httpx without its command line, which loads rich and pygments where they are installed (100 ms)."""
    absent = "httpx" not in sys.modules and "httpx._main" not in sys.modules
    if absent:
        # httpx takes an ImportError here for "not installed", and says so when its command is used.
        sys.modules["httpx._main"] = None  # type: ignore[assignment]
    try:
        import httpx
    finally:
        if absent:
            sys.modules.pop("httpx._main", None)
    return httpx


def tls_context(trust: Trust) -> ssl.SSLContext:
    """Make what TLS needs."""
    import ssl

    context = ssl.create_default_context(
        cafile=None if trust.ca_data else trust.ca_file or None, cadata=trust.ca_data or None
    )
    # Python 3.13 refuses certificates without an authority key identifier, as many clusters have them; client-go does not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if trust.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _lines(response: httpx.Response) -> Iterator[bytes]:
    rest = b""
    for chunk in response.iter_bytes():
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _answer(response: httpx.Response, content: bytes | bytearray) -> Answer:
    return Answer(response.status_code, _parse(content), _retry_after(response.headers.get("Retry-After")))


def _parse(content: bytes | bytearray) -> Mapping[str, Any]:
    try:
        body = jsontext.parse(content)
    except ValueError:
        return {"message": content[:200].decode("utf-8", "replace")} if content else {}
    return body if isinstance(body, dict) else {}


def _retry_after(header: str | None) -> float | None:
    # The API server sends whole seconds; the date form comes from proxies, and is not worth a parser.
    try:
        return float(header) if header is not None else None
    except ValueError:
        return None
