"""One request to the Kubernetes API, and its answer as a value: also when no answer came.

The one home of httpx in the engine. Nothing is repeated here: whoever asks decides what an answer means.
Times are bounded: one second to connect, a total for the rest.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.kube import jsontext
from penstock.kube.credentials import TokenFile

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 1.0
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


class KubeClient:
    """Send patches to one API server.

    Args:
        server: Base URL, ``https://10.0.0.1:443``; plain http carries no certificates.
        token: Where the bearer token comes from; it is put on each request, since it changes while connections live.
        ca_file: Certificates to trust for https.
        proxy: URL of the proxy that leads there; None: it is reached directly, whatever the environment says.
    """

    def __init__(self, server: str, token: TokenFile, ca_file: str, proxy: str | None = None) -> None:
        self._proxy = proxy
        self._server = server.rstrip("/")
        self._token = token
        self._ca_file = ca_file
        self._client: httpx.Client | None = None

    def prepare(self) -> None:
        """Do what the first request would do before anything is sent: import httpx, read the certificates."""
        with contextlib.suppress(OSError, ImportError, ValueError):
            self._connected(_httpx())

    def patch(self, path: str, operations: Sequence[Mapping[str, Any]], seconds: float) -> Answer:
        """Send a JSON patch.

        Args:
            path: The resource's path, from ``/apis`` on.
            operations: The patch.
            seconds: How long the request may take in all.

        Returns:
            The answer; status 0 and the reason when the server could not be reached, or was too slow.
        """
        httpx = _httpx()
        headers = {"Content-Type": JSON_PATCH, "Accept": "application/json"}
        token = self._token.read()
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        end = time.monotonic() + seconds
        try:
            client = self._connected(httpx)
            with client.stream(
                "PATCH",
                self._server + path,
                content=json.dumps(operations, separators=(",", ":")).encode(),
                headers=headers,
                timeout=httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds)),
            ) as response:
                content = bytearray()
                for chunk in response.iter_bytes():
                    content += chunk
                    # httpx bounds each read, not their sum: a server that trickles must not hold a report.
                    if time.monotonic() > end:
                        return Answer(0, problem=f"no whole answer within {seconds:g} s")
                return Answer(response.status_code, _parse(content), _retry_after(response.headers.get("Retry-After")))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ImportError, ValueError) as error:
            # The last two: a proxy whose URL is none, or of a kind that needs a library.
            return Answer(0, problem=f"{type(error).__name__}: {error}".rstrip(": ") + self._way)

    def forget_token(self) -> None:
        """Read the token file again before the next request."""
        self._token.forget()

    def close(self) -> None:
        """Close the connections; a request after that opens new ones."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self, httpx: Any) -> httpx.Client:
        if self._client is None:
            verify: Any = False
            if self._server.startswith("https:"):
                import ssl

                verify = ssl.create_default_context(cafile=self._ca_file)
                # Python 3.13 refuses certificates without an authority key identifier, as many clusters have them;
                # client-go does not.
                verify.verify_flags &= ~ssl.VERIFY_X509_STRICT
            self._client = httpx.Client(verify=verify, trust_env=False, proxy=self._proxy)
        return self._client

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
