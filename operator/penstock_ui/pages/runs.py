"""The runs: a live table, filters that stand in the address, counts by state, and the last 24 hours as a strip."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .. import filters
from ..live import Listed, Patch, Sent, stream
from ..runrow import STATES, UNSEEN
from ..site import page, rendered, site_of
from ..strip import bars

if TYPE_CHECKING:
    from ..filters import Filter
    from ..runrow import RunRow

__all__ = ["add"]

_MOST_CHOICES = 500


def add(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/", _home)
    app.router.add_get("/runs", _runs)
    app.router.add_get("/runs.live", _live)


async def _home(request: web.Request) -> web.Response:
    raise web.HTTPFound("/runs")


async def _runs(request: web.Request) -> web.Response:
    site = site_of(request)
    await site.listed()
    view = _View(request)
    found = await view.found()
    return page(
        request,
        "runs.html",
        filter=view.filter,
        view=found,
        choices=view.choices(found.all),
        orders=filters.ORDERS,
        spans=filters.SPANS,
    )


async def _live(request: web.Request) -> web.StreamResponse:
    with site_of(request).runs.listening() as changed:
        return await stream(request, _View(request), changed)


@dataclass(frozen=True, slots=True)
class _Found:
    """What is to be shown.

    Attributes:
        all: the rows that there are.
        shown: those of this page.
        total: how many fit the filter.
        pages: how many pages they fill.
        counts: by state, of those that fit the filter but for the state.
        counted: of all states.
        bars: the strip.
        highest: its highest count.
    """

    all: list[RunRow]
    shown: list[RunRow]
    total: int
    pages: int
    counts: list[tuple[str, int]]
    counted: int
    bars: Any
    highest: int


class _View:
    """The table of one reader."""

    listed = True
    tick = 5.0

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._site = site_of(request)
        query = request.query
        several = {name: query.getall(name, []) for name in ("state", "label")}
        self.filter: Filter = filters.read(query, several)
        self._strip: tuple[Any, str] | None = None

    async def found(self) -> _Found:
        """Look."""
        site, wanted, now = self._site, self.filter, self._site.clock()
        rows = site.runs.rows
        whatever = filters.Filter(namespace=wanted.namespace, flow=wanted.flow, labels=wanted.labels, text=wanted.text)
        context = whatever.chosen(rows, now) if whatever.narrow else rows
        made, highest = bars(context, now)
        timed = filters.Filter(span=wanted.span, begin=wanted.begin, end=wanted.end)
        within = timed.chosen(context, now) if timed.narrow else context
        counts = Counter(row.kind for row in within)
        chosen = [row for row in within if row.kind in wanted.states] if wanted.states else within
        pages = max(1, -(-len(chosen) // filters.PAGE))
        at = min(wanted.page, pages) - 1
        shown = wanted.ordered(chosen, now)[at * filters.PAGE : (at + 1) * filters.PAGE]
        told = [(kind, counts[kind]) for kind in (UNSEEN, *STATES) if counts[kind] or kind in wanted.states]
        return _Found(rows, shown, len(chosen), pages, told, len(within), made, highest)

    def choices(self, rows: list[RunRow]) -> dict[str, list[str]]:
        """Return the flows and namespaces that can be chosen."""
        flows = sorted({row.flow for row in rows if row.flow})[:_MOST_CHOICES]
        return {"flows": flows, "namespaces": sorted({row.key.namespace for row in rows})[:_MOST_CHOICES]}

    def _drawn(self, found: _Found) -> str:
        """The strip: much to make, and few changes of a run are seen in it."""
        if self._strip is None or self._strip[0] != found.bars:
            html = rendered(self._request, "runs_strip.html", filter=self.filter, view=found)
            self._strip = found.bars, html
        return self._strip[1]

    async def patch(self, sent: Sent) -> Patch | None:
        """See `live.Page.patch`."""
        found = await self.found()
        values = {"filter": self.filter, "view": found}
        regions = {
            "health": rendered(self._request, "health.html"),
            "counts": rendered(self._request, "runs_counts.html", **values),
            "strip": self._drawn(found),
            "paging": rendered(self._request, "runs_paging.html", **values),
        }
        rows = {row.uid: row for row in found.shown}
        changed, moved = sent.changed_rows("runs", rows)
        lists = {}
        if changed or moved:
            made = {uid: rendered(self._request, "runs_row.html", run=rows[uid], filter=self.filter) for uid in changed}
            lists["runs"] = Listed(list(rows), made)
        return Patch(sent.regions(regions), lists)
