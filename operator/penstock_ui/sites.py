"""A site for each person who looks: what their own rights have brought, apart from everybody else's.

A page finds its data by the request's site and by nothing else, so there is no filter between persons that could be forgotten. A site
begins with the first request of its person and ends when nobody has looked for a while, or when its rights have changed: then it is closed
and made anew, and whoever still looks at the old one is sent to load the page again. `access` says who asks and what they may list.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import web

from .access import FRESH_SECONDS, AwayError, StrangerError
from .site import SHARED, Site, note, site_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .access import Access, Caller
    from .feed import Feed

__all__ = ["IDLE_SECONDS", "MOST", "SITES", "FullError", "Sites", "admitted", "still"]

MOST: Final = 50
IDLE_SECONDS: Final = 120.0
# Whoever has not asked for so long has no page open: a stream asks more often.
_AWAY_SECONDS: Final = 30.0


class FullError(Exception):
    """As many people look as this server may serve."""


@dataclass(slots=True)
class _Open:
    """A site that is filled."""

    site: Site
    checked: float
    used: float
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Sites:
    """All sites of a server.

    Args:
        access: says what a caller may list.
        namespaces: those that are shown; None: all.
        make: makes the empty site of a caller, for these namespaces.
        feeds: make what fills a site from a namespace (None: from all).
        most: sites at a time.
        fresh: seconds that an answer about rights counts.
        idle: seconds after which a site that nobody looks at is closed.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        access: Access,
        namespaces: Sequence[str] | None,
        make: Callable[[Caller, tuple[str, ...] | None], Site],
        feeds: Callable[[Site, str | None], Sequence[Feed]],
        *,
        most: int = MOST,
        fresh: float = FRESH_SECONDS,
        idle: float = IDLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._access = access
        self._namespaces = None if namespaces is None else tuple(namespaces)
        self._make = make
        self._feeds = feeds
        self._most = most
        self._fresh = fresh
        self._idle = idle
        self._clock = clock
        self._open: dict[str, _Open] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def of(self, caller: Caller, namespace: str | None = None) -> Site:
        """Return a caller's site.

        Args:
            caller: who asks.
            namespace: one that is asked for, and is shown too if the caller may list its runs.

        Raises:
            FullError: there are as many as there may be, and all are looked at.
            AwayError: the API server does not say what the caller may list.
        """
        self._close_idle()
        async with self._locks.setdefault(caller.key, asyncio.Lock()):
            found = self._open.get(caller.key)
            if found is not None:
                found = await self._checked(caller, found)
            if found is None:
                found = await self._opened(caller)
            if namespace and found.site.namespaces is not None and namespace not in found.site.namespaces:
                await self._widen(caller, found, namespace)
            found.used = self._clock()
            return found.site

    async def close(self) -> None:
        """Close all."""
        tasks = [task for each in self._open.values() for task in each.tasks]
        for key in list(self._open):
            self._close(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _opened(self, caller: Caller) -> _Open:
        self._make_room()
        namespaces = await self._access.allowed(caller, self._namespaces)
        now = self._clock()
        made = self._open[caller.key] = _Open(self._make(caller, namespaces), now, now)
        for each in (None,) if namespaces is None else namespaces:
            self._fill(made, each)
        return made

    async def _checked(self, caller: Caller, found: _Open) -> _Open | None:
        """Return the site if its rights are as they were; else close it."""
        if self._clock() - found.checked <= self._fresh:
            return found
        if found.site.namespaces == ():  # there was nothing to see: perhaps there is now
            self._close(caller.key)
            return None
        try:
            allowed = await self._access.allowed(caller, found.site.namespaces)
        except AwayError:
            return found  # nothing is concluded from silence; the page says since when it is blind
        if allowed != found.site.namespaces:
            self._close(caller.key)
            return None
        found.checked = self._clock()
        return found

    async def _widen(self, caller: Caller, found: _Open, namespace: str) -> None:
        if self._namespaces is not None and namespace not in self._namespaces:
            return
        if await self._access.allowed(caller, (namespace,)):
            found.site.namespaces = (*(found.site.namespaces or ()), namespace)
            self._fill(found, namespace)

    def _fill(self, found: _Open, namespace: str | None) -> None:
        for feed in self._feeds(found.site, namespace):
            found.site.feeds.append(feed)
            found.tasks.append(asyncio.create_task(feed.run(), name=f"feed of {namespace or 'all namespaces'}"))

    def _close(self, key: str) -> None:
        found = self._open.pop(key)
        for task in found.tasks:
            task.cancel()
        found.site.end()

    def _close_idle(self) -> None:
        old = self._clock() - self._idle
        for key in [key for key, each in self._open.items() if each.used < old]:
            self._close(key)
        for key in [key for key, lock in self._locks.items() if key not in self._open and not lock.locked()]:
            del self._locks[key]

    def _make_room(self) -> None:
        if len(self._open) < self._most:
            return
        key, oldest = min(self._open.items(), key=lambda item: item[1].used)
        if self._clock() - oldest.used < _AWAY_SECONDS:
            raise FullError
        self._close(key)


SITES: Final = web.AppKey("sites", Sites)


async def admitted(request: web.Request) -> None:
    """Find out who asks, and what they see; see `access.Access.admit` and `Sites.of` for what it raises."""
    caller = await request.app[SHARED].access.admit(request)
    note(request, caller, None)
    asked = request.match_info.get("namespace") or request.query.get("namespace")
    note(request, caller, await request.app[SITES].of(caller, asked))


async def still(request: web.Request) -> bool:
    """Whether the one who was admitted would be admitted again, and sees the same: a stream lasts longer than rights may."""
    site = site_of(request)
    try:
        caller = await request.app[SHARED].access.admit(request)
        return await request.app[SITES].of(caller) is site
    except AwayError:
        return not site.over
    except (StrangerError, FullError):
        return False
