"""The operator's one client to the API server.

It knows how to ask (paths, content types, retries, rate) and what an answer means (`ApiError`), nothing of runs. Whatever it repeats is
safe to repeat: reads, patches that carry a resourceVersion or UID, deletes with a UID, POSTs of objects with a fixed name.
Neighbours: `wire` carries requests, `credentials` says as whom, `ratelimit` how fast, `metrics` counts by verb, resource and code.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from penstock_operator.api.paths import NotANameError

from . import errors, jsontext
from .credentials import Credentials
from .errors import ApiError
from .metrics import Metrics
from .paging import Page, page_of
from .ratelimit import TokenBucket
from .resources import Key, Resource
from .wire import AiohttpWire, NoAnswerError, TooMuchError, Wire

JSON = "application/json"
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
MERGE_PATCH = "application/merge-patch+json"
FIELD_MANAGER = "penstock-operator"
PAGE = 500  # objects at most
FIRST_PAGE = 100  # before anything is known of their size
PAGE_BYTES = 2**20  # what a page is meant to have
MOST_BYTES = 3 * 2**20  # and what it may; an object alone may have any size
READ_SECONDS = 10.0  # for one object: whoever waits for it holds a worker
LONGEST_INNER_WAIT = 5.0  # a longer Retry-After is left to the work queue: a worker must not sleep on it

Warnings = list[str]  # inside the client `list` is a verb

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
        wire: carries the requests; default: the network.
        sleep: waits so many seconds between tries.
        random: a number in [0, 1), the jitter of these waits.
    """

    def __init__(
        self,
        credentials: Credentials,
        bucket: TokenBucket,
        metrics: Metrics,
        *,
        wire: Wire | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = credentials
        self._bucket = bucket
        self._metrics = metrics
        self._sleep = sleep
        self._random = random
        self._clock = clock
        self._wire: Wire = wire if wire is not None else AiohttpWire(credentials, FIELD_MANAGER)
        self.answered_at: float | None = None  # when the server last answered anything, monotonic
        self.refused_since: float | None = None  # since when it has not accepted the credentials; None: it does

    @property
    def at_its_limit(self) -> bool:
        """Whether requests wait for the operator's own rate limit."""
        return self._bucket.exhausted

    async def close(self) -> None:
        """Close all connections."""
        await self._wire.close()

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
        metadata_only: bool = False,
    ) -> Listing:
        """Read all objects, and keep them: for few. `metadata_only`: what they hold stays where it is."""
        items: list[dict[str, Any]] = []
        version = ""
        pages = self.pages(
            resource,
            namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            accept=METADATA if metadata_only else JSON,
        )
        async for page in pages:
            if len(page.shown) == len(page.items):  # the first, also of a list that is begun again
                items = []
            items += page.items
            version = page.resource_version
        return Listing(items, version)

    async def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        accept: str = JSON,
    ) -> AsyncIterator[Page]:
        """Read all objects, page by page, so that only the present one is in memory.

        Pages have as many objects as fit into a bound of bytes. A page that expired (410) means that the list took longer than the server
        remembers; it is begun again, once.
        """
        selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
        query = {name: value for name, value in selectors.items() if value}
        for first_time in (True, False):
            shown: set[Key] = set()
            more: dict[str, str] = {}
            limit = FIRST_PAGE
            try:
                while True:
                    params = {**query, "limit": str(limit), **more}
                    try:
                        body = await self.request(
                            "list",
                            resource,
                            namespace,
                            params=params,
                            most=MOST_BYTES if limit > 1 else 0,
                            accept=accept,
                        )
                    except TooMuchError:
                        limit = max(1, limit // 8)
                        continue
                    page = page_of(body, shown, getattr(body, "size", 0))
                    more = {"continue": body["metadata"]["continue"]} if not page.last else {}
                    limit = max(1, min(PAGE, PAGE_BYTES // page.size)) if page.size else limit
                    del body
                    yield page
                    if page.last:
                        return
            except ApiError as error:
                if error.code != errors.GONE or not first_time:
                    raise
        raise AssertionError("unreachable")

    async def create(
        self,
        resource: Resource,
        namespace: str,
        body: Mapping[str, Any],
        *,
        tries: int = 3,
        priority: bool = False,
        strict: bool = False,
        warnings: Warnings | None = None,
    ) -> dict[str, Any]:
        """POST an object.

        Args:
            resource: the kind of object.
            namespace: where it is to be.
            body: the object.
            tries: see `request`.
            priority: see `request`.
            strict: whether a field that the server doesn't know is refused instead of dropped.
            warnings: what the server warns of is added to it.
        """
        return await self.request(
            "create",
            resource,
            namespace,
            params={"fieldManager": FIELD_MANAGER, **({"fieldValidation": "Strict"} if strict else {})},
            body=body,
            tries=tries,
            priority=priority,
            warnings=warnings,
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
        most: int = 0,
        accept: str = JSON,
        warnings: Warnings | None = None,
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
            most: bytes of the answer; 0: any number.
            accept: the form in which the answer is wanted.
            warnings: what the server warns of is added to it.

        Raises:
            ApiError: no success after all tries; 404 at once for a name that no object can have.
            TooMuchError: the answer is larger.
        """
        plural = f"{resource.plural}/{sub}" if sub else resource.plural
        what = " ".join(filter(None, (verb, plural, f"{namespace}/{name}" if name else namespace)))
        try:
            path = resource.path(namespace, name, sub)
        except NotANameError as error:
            # What no object can be called is not there: the same answer, and nothing is asked.
            raise ApiError(errors.NOT_FOUND, "NotFound", str(error), what=what) from error
        failures = 0
        refused = False
        while True:
            self._metrics.throttled.inc(await self._bucket.take(priority=priority))
            try:
                return await self._once(verb, plural, what, path, params, body, content_type, most, accept, warnings)
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
        most: int,
        accept: str,
        warnings: Warnings | None,
    ) -> dict[str, Any]:
        headers = {"Accept": accept}
        if most:
            headers["Accept-Encoding"] = "identity"  # packing a page costs the server more than sending it
        token = await self._token()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        content: bytes | None = None
        if body is not None:
            headers["Content-Type"] = content_type
            content = jsontext.written(body)
        begun = self._clock()
        code = "0"
        try:
            async with asyncio.timeout(READ_SECONDS if verb == "get" else None):
                answer = await self._wire.send(
                    _METHODS[verb], path, query=params or {}, headers=headers, content=content, most=most
                )
            code = str(answer.status)
        except TimeoutError as error:
            words = f"no answer in {READ_SECONDS:g} s"
            raise ApiError(errors.NO_ANSWER, "Timeout", words, what=what) from error
        except NoAnswerError as error:
            raise ApiError(errors.NO_ANSWER, error.kind, str(error), what=what) from error
        finally:
            self._metrics.requests.labels(verb, plural, code).inc()
            self._metrics.request_seconds.labels(verb).observe(self._clock() - begun)
        self.answered_at = self._clock()
        if answer.status != errors.UNAUTHORIZED:
            self.refused_since = None
        elif self.refused_since is None:
            self.refused_since = self._clock()
        try:
            parsed = jsontext.parse_sized(answer.content)
        except ValueError:
            parsed = None
        if answer.status >= 400 or not isinstance(parsed, dict):
            raise errors.from_status(
                answer.status,
                parsed,
                retry_after=_seconds(answer.headers.get("Retry-After")),
                what=what,
                text=answer.content.decode("utf-8", "replace"),
            )
        if warnings is not None:
            warnings += answer.warnings
        return parsed

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
