"""The operator's one client to the API server, and the one home of httpx on this side of the fence.

It knows how to ask (paths, content types, retries, rate) and what an answer means (`ApiError`), nothing of runs. Whatever it repeats is
safe to repeat: reads, patches that carry a resourceVersion or UID, deletes with a UID, POSTs of objects with a fixed name.
Neighbours: `credentials` says where and as whom, `ratelimit` how fast, `metrics` counts by verb, resource and code.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import errors
from .credentials import Credentials
from .errors import ApiError
from .metrics import Metrics
from .ratelimit import TokenBucket
from .resources import Resource

if TYPE_CHECKING:
    import httpx

MERGE_PATCH = "application/merge-patch+json"
FIELD_MANAGER = "penstock-operator"
PAGE = 500
CONNECTIONS = 64
LONGEST_INNER_WAIT = 5.0  # a longer Retry-After is left to the work queue: a worker must not sleep on it

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a list, and the version that it shows."""

    items: list[dict[str, Any]]
    resource_version: str


class ApiClient:
    """Ask the API server.

    Args:
        credentials: where it is, and as whom.
        bucket: the operator's own rate limit.
        metrics: where requests are counted.
        transport: replaces the network in tests.
        sleep: waits so many seconds between tries.
        random: a number in [0, 1), the jitter of these waits.
    """

    def __init__(
        self,
        credentials: Credentials,
        bucket: TokenBucket,
        metrics: Metrics,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        module = _httpx()
        endpoint = credentials.endpoint
        self._credentials = credentials
        self._bucket = bucket
        self._metrics = metrics
        self._sleep = sleep
        self._random = random
        self._clock = clock
        self._failure: type[Exception] = module.HTTPError
        self._pool_failure: type[Exception] = module.PoolTimeout
        self.answered_at: float | None = None  # when the server last answered anything, monotonic
        verify: ssl.SSLContext | bool = credentials.ssl_context() or False
        self._http: httpx.AsyncClient = module.AsyncClient(
            base_url=endpoint.server,
            verify=verify,
            transport=transport,
            proxy=endpoint.proxy,
            trust_env=endpoint.trust_env and endpoint.proxy is None,
            limits=module.Limits(
                max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=60.0
            ),
            timeout=module.Timeout(30.0, connect=5.0, pool=60.0),
            headers={"Accept": "application/json", "User-Agent": FIELD_MANAGER},
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def get(self, resource: Resource, namespace: str, name: str, *, priority: bool = False) -> dict[str, Any]:
        """Read one object, live (not from the server's watch cache)."""
        return await self.request("get", resource, namespace, name, priority=priority)

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Listing:
        """Read all objects, in pages.

        A page that expired (410) means that the list took longer than the server remembers; it is begun again, once.
        """
        selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
        query = {name: value for name, value in selectors.items() if value}
        for first_time in (True, False):
            items: list[dict[str, Any]] = []
            more: dict[str, str] = {}
            try:
                while True:
                    page = await self.request("list", resource, namespace, params={**query, "limit": str(PAGE), **more})
                    items += page.get("items") or ()
                    meta = page.get("metadata") or {}
                    if not meta.get("continue"):
                        return Listing(items, str(meta.get("resourceVersion", "")))
                    more = {"continue": meta["continue"]}
            except ApiError as error:
                if error.code != errors.GONE or not first_time:
                    raise
        raise AssertionError("unreachable")

    async def create(
        self, resource: Resource, namespace: str, body: Mapping[str, Any], *, tries: int = 3, priority: bool = False
    ) -> dict[str, Any]:
        """POST an object."""
        return await self.request(
            "create",
            resource,
            namespace,
            params={"fieldManager": FIELD_MANAGER},
            body=body,
            tries=tries,
            priority=priority,
        )

    async def replace(
        self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any], *, priority: bool = False
    ) -> dict[str, Any]:
        """PUT an object."""
        return await self.request(
            "update", resource, namespace, name, params={"fieldManager": FIELD_MANAGER}, body=body, priority=priority
        )

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Mapping[str, Any],
        *,
        sub: str | None = None,
        priority: bool = False,
    ) -> dict[str, Any]:
        """Merge-patch an object or its subresource."""
        return await self.request(
            "patch",
            resource,
            namespace,
            name,
            sub=sub,
            params={"fieldManager": FIELD_MANAGER},
            body=body,
            content_type=MERGE_PATCH,
            priority=priority,
        )

    async def delete(
        self, resource: Resource, namespace: str, name: str, options: Mapping[str, Any], *, priority: bool = False
    ) -> dict[str, Any]:
        """DELETE an object; the answer is the object on its way, or a Status."""
        return await self.request("delete", resource, namespace, name, body=options, priority=priority)

    async def request(
        self,
        verb: str,
        resource: Resource,
        namespace: str | None = None,
        name: str | None = None,
        *,
        sub: str | None = None,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        tries: int = 3,
        priority: bool = False,
    ) -> dict[str, Any]:
        """Ask, and ask again when the server was out of breath.

        Args:
            verb: as RBAC names it: get, list, create, update, patch, delete.
            resource: the kind of object.
            namespace: None: all namespaces.
            name: None for list and create.
            sub: the subresource.
            params: query parameters.
            body: sent as JSON.
            content_type: of the body.
            tries: how often at most, in all; between them 0.1, 0.2, 0.4 … s with jitter, or what the server asked for.
            priority: don't wait for the rate limit.

        Raises:
            ApiError: no success after all tries.
        """
        plural = f"{resource.plural}/{sub}" if sub else resource.plural
        what = " ".join(filter(None, (verb, plural, f"{namespace}/{name}" if name else namespace)))
        failures = 0
        refused = False
        while True:
            self._metrics.throttled.inc(await self._bucket.take(priority=priority))
            try:
                return await self._once(
                    verb, plural, what, resource.path(namespace, name, sub), params, body, content_type
                )
            except ApiError as error:
                failures += 1
                if error.code == errors.UNAUTHORIZED and not refused:
                    refused = True
                    self._credentials.forget_token()
                    continue
                wait = max(0.1 * 2 ** (failures - 1) * (0.5 + self._random()), error.retry_after or 0.0)
                if not error.transient or failures >= tries or wait > LONGEST_INNER_WAIT:
                    raise
                log.debug("%s; asking again in %.1f s", error, wait)
            await self._sleep(wait)

    async def _once(
        self,
        verb: str,
        plural: str,
        what: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        content_type: str,
    ) -> dict[str, Any]:
        headers: dict[str, str] = {}
        token = await self._token()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        content: bytes | None = None
        if body is not None:
            headers["Content-Type"] = content_type
            content = json.dumps(body, separators=(",", ":")).encode()
        begun = self._clock()
        code = "0"
        try:
            response = await self._http.request(_METHODS[verb], path, params=params, content=content, headers=headers)
            code = str(response.status_code)
        except (self._failure, OSError) as error:
            words = f"{type(error).__name__}: {error}".rstrip(": ")
            raise ApiError(errors.NO_ANSWER, type(error).__name__, words, what=what) from error
        finally:
            self._metrics.requests.labels(verb, plural, code).inc()
            self._metrics.request_seconds.labels(verb).observe(self._clock() - begun)
        self.answered_at = self._clock()
        try:
            answer = json.loads(response.content)
        except ValueError:
            answer = None
        if response.status_code >= 400 or not isinstance(answer, dict):
            raise errors.from_status(
                response.status_code,
                answer,
                retry_after=_seconds(response.headers.get("Retry-After")),
                what=what,
                text=response.text,
            )
        return answer

    async def _token(self) -> str | None:
        if self._credentials.blocking and self._credentials.stale:
            return await asyncio.to_thread(self._credentials.token)
        return self._credentials.token()


_METHODS = {"get": "GET", "list": "GET", "create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}


def _seconds(header: str | None) -> float | None:
    # The API server sends whole seconds; the date form comes from proxies only, and the usual wait is as good.
    try:
        return float(header) if header is not None else None
    except ValueError:
        return None


def _httpx() -> Any:
    """Import httpx without its command line, which would load rich and pygments where they are installed (0.1 s, 10 MB)."""
    absent = "httpx" not in sys.modules and "httpx._main" not in sys.modules
    if absent:
        sys.modules["httpx._main"] = None  # type: ignore[assignment]
    try:
        import httpx
    finally:
        if absent:
            sys.modules.pop("httpx._main", None)
    return httpx
