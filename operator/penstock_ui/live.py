"""Server-sent events: what of a page has changed, as the HTML that takes its place.

A page is made of regions, elements with an id, and lists, whose rows have ids. A stream knows what it has sent and sends what differs;
whatever changes meanwhile is taken together, so that a slow reader gets the newest and never a queue. It ends by itself after some
minutes, when the browser opens it again, and soon after its reader may not look any more (`sites.still`): then the browser loads the page
again, and is told why. `static/live.js` is the other half.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from .site import SHARED, rendered, site_of
from .sites import still

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Listed", "Patch", "Sent", "digest", "stream"]

# Between two messages: a burst of changes costs a few. What is quickly made is sent sooner than what takes this server long.
_PAUSE_SECONDS = 0.35
_SHORTEST_PAUSE_SECONDS = 0.1
_SHARE = 10
_BEAT_SECONDS = 15.0
_LIFE_SECONDS = 300.0
# After a connection that broke the browser waits a moment; after one that this server ended it comes again at once.
_BROKEN, _ENDED = b"retry: 1000\n\n", b"retry: 20\n\n"


class Page(Protocol):
    """What a stream shows.

    Attributes:
        listed: whether it is made of lists: then nothing of it is sent before they are here.
    """

    listed: bool

    @property
    def tick(self) -> float:
        """Seconds after which it is looked at though nothing has changed."""

    async def patch(self, sent: Sent) -> Patch | None:
        """Return what differs from what was sent; None: the page is over, and never changes again."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Rows of a list: the ids of all in their order, and the HTML of those that are new or have changed."""

    order: Sequence[str]
    rows: Mapping[str, str]


@dataclass(slots=True)
class Patch:
    """What a message says.

    Attributes:
        regions: HTML by the id of the element that it becomes the content of.
        lists: rows by the id of the list.
        added: HTML that comes to the end of an element, by its id.
        place: what the browser says when it comes again; empty: as before.
    """

    regions: dict[str, str] = field(default_factory=dict)
    lists: dict[str, Listed] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)
    place: str = ""

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "regions": {name: [digest(html), html] for name, html in self.regions.items()},
            "lists": {name: {"order": each.order, "rows": each.rows} for name, each in self.lists.items()},
            "added": self.added,
        }

    def __bool__(self) -> bool:
        return bool(self.regions or self.lists or self.added)


class Sent:
    """What a stream has sent so far."""

    def __init__(self) -> None:
        self._regions: dict[str, str] = {}
        self._rows: dict[str, dict[str, Any]] = {}
        self.memory: dict[str, Any] = {}

    def regions(self, now: Mapping[str, str]) -> dict[str, str]:
        """Return the regions that differ from what was sent, and note them as sent."""
        marks = {name: digest(html) for name, html in now.items()}
        changed = {name: html for name, html in now.items() if self._regions.get(name) != marks[name]}
        self._regions.update(marks)
        return changed

    def changed_rows(self, name: str, rows: Mapping[str, Any]) -> tuple[set[str], bool]:
        """Return the ids whose value differs from what was sent, and whether order or number does; note all as sent."""
        known = self._rows.get(name)
        self._rows[name] = dict(rows)
        if known is None:
            return set(rows), True
        return {each for each, value in rows.items() if known.get(each) != value}, list(known) != list(rows)


def digest(html: str) -> str:
    """Return a short mark of a text, by which the browser tells whether it has it already."""
    return blake2b(html.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


async def stream(request: web.Request, page: Page, changed: asyncio.Event) -> web.StreamResponse:
    """Send a page's changes until the reader goes, or the page is over.

    Args:
        request: of the browser's EventSource.
        page: what is shown.
        changed: is set when something may have changed.
    """
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    response.headers["X-Accel-Buffering"] = "no"  # proxies that gather answers would hold it back
    await response.prepare(request)
    site, sent, spoken, asked = site_of(request), Sent(), time.monotonic(), time.monotonic()
    end, fresh = asked + _LIFE_SECONDS, request.app[SHARED].fresh
    try:
        await response.write(_BROKEN)
        while time.monotonic() < end and not _closing(request):
            changed.clear()
            if site.over or time.monotonic() - asked > fresh:
                asked = time.monotonic()
                if not await still(request):
                    await response.write(b"event: leave\ndata: {}\n\n")
                    break
            begun = time.monotonic()
            # What a page shows of another server, or of an earlier token, is not taken away by a list that is on its way.
            patch = await page.patch(sent) if site.filled or not page.listed else _waiting(request, sent)
            took = time.monotonic() - begun
            if patch is None:
                await response.write(b"event: over\ndata: {}\n\n")
                break
            if patch:
                text = json.dumps(patch.document(), ensure_ascii=True, separators=(",", ":"))
                place = f"id: {patch.place}\n" if patch.place else ""
                await response.write(f"event: patch\n{place}data: {text}\n\n".encode())
                spoken = time.monotonic()
            elif time.monotonic() - spoken > _BEAT_SECONDS:
                await response.write(b": still here\n\n")
                spoken = time.monotonic()
            await asyncio.sleep(_pause(patch, took))
            if not changed.is_set():
                try:
                    async with asyncio.timeout(min(page.tick, fresh)):
                        await changed.wait()
                except TimeoutError:
                    pass
        else:
            await response.write(_ENDED)
    except (ConnectionResetError, ConnectionError):
        pass
    return response


def _waiting(request: web.Request, sent: Sent) -> Patch:
    return Patch(sent.regions({"health": rendered(request, "health.html")}))


def _pause(patch: Patch, took: float) -> float:
    """Return seconds until the next message. Lines of a log come all the time, and nobody reads ten times a second."""
    return _PAUSE_SECONDS if patch.added else min(_PAUSE_SECONDS, max(_SHORTEST_PAUSE_SECONDS, took * _SHARE))


def _closing(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
