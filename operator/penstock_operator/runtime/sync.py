"""Listings: the store filled at the start, corrected whenever a watch begins, and every few minutes.

What lives is listed first, and is enough to begin with: a server filters by state and phase, and there may be twenty finished runs for each
that goes on. The rest comes behind it, a few objects at a time, while the operator works. A watch tells nothing of what was there before it;
so whenever one begins, everything is listed again beside it: versions say what is news, and what no page shows is gone. Everything is also
listed now and then; what differs is counted, corrected and looked at. The first listing finds out whether the operator can work at all, and
says in one line why not. Neighbours: `store`, `source`, which tells that a watch begins, and `app`, which runs this.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from . import errors
from .client import ApiClient
from .errors import ApiError
from .metrics import Metrics
from .paging import Page
from .resources import FLOWRUNS, WATCHED, Key, Resource, live_selector, selector
from .store import Store

SAY_AGAIN_SECONDS = 60.0
LONGEST_WAIT = 10.0
FIRST_WAIT = 0.25
AT_A_TIME = 25  # objects of a page; then it is others' turn on the operator's loop
BAD_REQUEST = 400
BREATH_SECONDS = 0.02  # between two pages of what has ended: who begins now goes first
_REFUSED: Final = (errors.NOT_FOUND, errors.FORBIDDEN, errors.UNAUTHORIZED)

log = logging.getLogger(__name__)

Place = tuple[Resource, str | None]


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
        self._places: tuple[Place, ...] = tuple(
            (resource, namespace) for resource in WATCHED for namespace in tuple(namespaces) or (None,)
        )
        self._metrics = metrics
        self._clock = clock
        self._sleep = sleep
        self._begun: dict[Place, None] = {}
        self._listed: set[Place] = set()
        self._news = asyncio.Event()
        self._filters = True
        self.refused: str | None = None  # why nothing can be listed, where that is nothing that passes; None: it can
        self.complete = asyncio.Event()  # everything was listed once, what has ended too

    async def prime(self) -> None:
        """List what lives, however long it takes to get there; say once a minute what is in the way."""
        said: str | None = None
        said_at = 0.0
        wait = FIRST_WAIT
        while True:
            problem, retry_after, longest = "", 0.0, LONGEST_WAIT
            try:
                for place in self._places:
                    await self._live(place, repair=False)
            except ApiError as error:
                problem, retry_after = explain(error), error.retry_after or 0.0
                longest = LONGEST_WAIT if error.code != errors.NO_ANSWER else 2.0
                self._refuse(error)
            except Exception as error:
                log.exception("the listing could not be taken")
                problem = f"the listing could not be taken: {type(error).__name__}: {error}"
            if not problem:
                self.refused = None
                if said is not None:
                    log.info("the API server answers: all is well now")
                return
            if problem != said or self._clock() - said_at >= SAY_AGAIN_SECONDS:
                log.warning("%s; trying again", problem)
                said, said_at = problem, self._clock()
            await self._sleep(max(wait, min(retry_after, LONGEST_WAIT)))
            wait = min(wait * 2, longest)

    def begins(self, resource: Resource, namespace: str | None) -> None:
        """A watch begins: what was there before it, it does not tell."""
        self._begun[resource, namespace] = None
        self._news.set()

    async def run(self, every: Callable[[], float]) -> None:
        """List what a watch begins with, and everything now and then, until cancelled.

        Args:
            every: gives the seconds until everything is listed again.
        """
        due = self._clock() + every()
        while True:
            try:
                async with asyncio.timeout(max(0.0, due - self._clock())):
                    await self._news.wait()
            except TimeoutError:
                due = self._clock() + every()
                places: tuple[Place, ...] = self._places
            else:
                self._news.clear()
                places = tuple(self._begun)
                self._begun.clear()
            await self._again(places)

    async def _again(self, places: Sequence[Place]) -> None:
        """List; what could not be is listed later, behind whatever else is due."""
        try:
            for place in places:
                await self._live(place)
            for place in places:
                await self._whole(*place)
        except ApiError as error:
            log.info("the caches were not compared with a listing: %s", explain(error))
            self._refuse(error)
        except Exception:
            log.exception("the caches were not compared with a listing")
        else:
            self.refused = None
            # Watches begin one after the other: each may have been listed in a round of its own.
            self._listed.update(places)
            if self._listed >= set(self._places):
                self.complete.set()
            return
        await self._sleep(LONGEST_WAIT / 4)
        for place in places:
            self.begins(*place)

    async def once(self, *, repair: bool = True) -> None:
        """List everything once, and bring the store up to it.

        Args:
            repair: whether a difference is one that a watch should have delivered (counted), or just the beginning.

        Raises:
            ApiError: a list failed; what came before it is applied.
        """
        for resource, namespace in self._places:
            await self._whole(resource, namespace, repair=repair)

    async def _live(self, place: Place, *, repair: bool = True) -> None:
        """List what has not ended. A server that can't filter runs lists all of them."""
        resource, namespace = place
        fields = live_selector(resource) if self._filters or resource != FLOWRUNS else None
        try:
            await self._list(resource, namespace, fields, repair=repair)
        except ApiError as error:
            if error.code != BAD_REQUEST or resource != FLOWRUNS or not self._filters:
                raise
            self._filters = False
            await self._list(resource, namespace, None, repair=repair)

    async def _whole(self, resource: Resource, namespace: str | None, *, repair: bool = True) -> None:
        await self._list(resource, namespace, None, repair=repair)

    async def _list(self, resource: Resource, namespace: str | None, fields: str | None, *, repair: bool) -> None:
        pages = self._client.pages(resource, namespace, label_selector=selector(resource), field_selector=fields)
        async for page in pages:
            changed = 0
            for number, raw in enumerate(page.items):
                if number % AT_A_TIME == AT_A_TIME - 1:
                    await asyncio.sleep(0)
                changed += self._store.apply(resource, raw, size=page.size) is not None
            if page.last and fields is None:
                changed += self._prune(resource, namespace, page)
            if repair:
                # A change whose event is on its way counts too: the figure is an upper bound.
                self._metrics.pruned.labels(resource.plural).inc(changed)
            if not page.last and fields is None:
                await self._sleep(BREATH_SECONDS)

    def _prune(self, resource: Resource, namespace: str | None, page: Page) -> int:
        """Forget what no page showed; return how much that was."""
        if not page.resource_version.isdecimal():
            return 0

        def covers(key: Key) -> bool:
            return namespace is None or key.namespace == namespace

        return len(self._store.prune(resource, page.shown, int(page.resource_version), covers))

    def _refuse(self, error: ApiError) -> None:
        self.refused = explain(error) if error.code in _REFUSED else None


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
