"""Listings: the store filled at the start, corrected whenever a watch begins, and every few minutes.

What is deleted while no watch is there, nothing tells: not the events afterwards, only what the listing before the next watch does not show.
And everything is listed again now and then, in pages; what differs is counted, corrected and looked at. The first listing also finds out
whether the operator can work at all, and says in one line why not. Neighbours: `store`, and `app`, which runs this before the watches begin.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from . import errors
from .client import ApiClient, Page
from .errors import ApiError
from .metrics import Metrics
from .resources import WATCHED, Key, Resource, selector
from .store import Store

SAY_AGAIN_SECONDS = 60.0
LONGEST_WAIT = 10.0

log = logging.getLogger(__name__)


class Sync:
    """Fill and correct the store by listings.

    Args:
        client: to the API server.
        store: what is filled; it tells who is concerned.
        namespaces: to be listed; empty: all.
        metrics: where corrections are counted.
        clock: monotonic seconds.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        client: ApiClient,
        store: Store,
        namespaces: Sequence[str],
        metrics: Metrics,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._store = store
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._metrics = metrics
        self._clock = clock
        self._sleep = sleep

    async def prime(self) -> None:
        """List everything, however long it takes to get there; say once a minute what is in the way."""
        said: str | None = None
        said_at = 0.0
        wait = 0.25
        while True:
            try:
                await self.once(repair=False)
            except ApiError as error:
                problem = explain(error)
                if problem != said or self._clock() - said_at >= SAY_AGAIN_SECONDS:
                    log.warning("%s; trying again", problem)
                    said, said_at = problem, self._clock()
                await self._sleep(max(wait, min(error.retry_after or 0.0, LONGEST_WAIT)))
                wait = min(wait * 2, LONGEST_WAIT if error.code != errors.NO_ANSWER else 2.0)
            else:
                if said is not None:
                    log.info("the API server answers: all is well now")
                return

    async def once(self, *, repair: bool = True) -> None:
        """List everything once, and bring the store up to it.

        Args:
            repair: whether a difference is one that a watch should have delivered (counted), or just the beginning.

        Raises:
            ApiError: a list failed; what came before it is applied.
        """
        for resource in WATCHED:
            for namespace in self._namespaces:
                await self._list(resource, namespace, repair=repair)

    async def _list(self, resource: Resource, namespace: str | None, *, repair: bool) -> None:
        async for page in self._client.pages(resource, namespace, label_selector=selector(resource)):
            self.take(resource, namespace, page, repair=repair)

    def take(self, resource: Resource, namespace: str | None, page: Page, *, repair: bool = True) -> None:
        """Bring the store up to a listing, ours or the one that a watch begins with; what none of its pages shows is gone.

        Args:
            resource: what is listed.
            namespace: where; None: everywhere.
            page: the next of its pages.
            repair: whether a difference is one that a watch should have delivered.
        """
        changed = 0
        for raw in page.items:
            if self._store.apply(resource, raw):
                changed += 1
        gone: tuple[Key, ...] = ()
        if page.last and page.resource_version.isdecimal():
            at = int(page.resource_version)
            gone = self._store.prune(
                resource, page.shown, at, lambda key: namespace is None or key.namespace == namespace
            )
        if repair:
            # A change whose event is on its way counts too: the figure is an upper bound, and zero while watches work and nothing happens.
            self._metrics.pruned.labels(resource.plural).inc(changed + len(gone))


def explain(error: ApiError) -> str:
    """Say in one line why a request of the operator's own needs does not succeed, and what to do."""
    if error.code == errors.NO_ANSWER:
        return f"the API server can't be reached ({error})"
    if error.code == errors.NOT_FOUND:
        return f"{error.what}: there is no such resource; are the CRDs of penstock.dev installed (they come with the chart)?"
    if error.code == errors.FORBIDDEN:
        return f"a right is missing: {error.message} (the chart's Role grants it)"
    if error.code == errors.UNAUTHORIZED:
        return f"the API server does not accept the operator's credentials ({error})"
    return f"the API server can't serve this now: {error}"
