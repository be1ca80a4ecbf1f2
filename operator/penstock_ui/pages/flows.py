"""The Flows: whether each can be used, how many of its runs are active and wait, when it runs next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from ..live import Listed, Patch, Sent, stream
from ..site import page, rendered, site_of

if TYPE_CHECKING:
    from ..flowrow import FlowRow

__all__ = ["add"]

_MOST: Final = 1_000


def add(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/flows", _flows)
    app.router.add_get("/flows.live", _live)


async def _flows(request: web.Request) -> web.Response:
    await site_of(request).listed(site_of(request).flows)
    return page(request, "flows.html", **_View(request).values())


async def _live(request: web.Request) -> web.StreamResponse:
    with site_of(request).flows.listening() as changed:
        return await stream(request, _View(request), changed)


class _View:
    """The page of one reader: all Flows, or those whose name has a text."""

    listed = True

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._site = site_of(request)
        self._text = request.query.get("text", "")[:200]
        self._namespace = request.query.get("namespace", "")[:200]

    @property
    def tick(self) -> float:
        """See `live.Page.tick`."""
        return 10.0

    def values(self) -> dict[str, Any]:
        """Return what the templates show."""
        rows = self._rows()
        return {
            "rows": rows[:_MOST], "more": max(0, len(rows) - _MOST), "total": len(self._site.flows), "text": self._text,
            "namespace": self._namespace, "deaf": self._site.blind_of(self._site.flows),
        }  # fmt: skip

    def _rows(self) -> list[FlowRow]:
        text = self._text.casefold()
        rows = [
            row
            for row in self._site.flows.rows
            if text in row.key.name.casefold() and self._namespace in ("", row.key.namespace)
        ]
        return sorted(rows, key=lambda row: row.key)

    async def patch(self, sent: Sent) -> Patch | None:
        """See `live.Page.patch`."""
        values = self.values()
        regions = {
            "health": rendered(self._request, "health.html"),
            "about": rendered(self._request, "flows_about.html", **values),
        }
        rows = {row.uid: row for row in self._rows()[:_MOST]}
        changed, moved = sent.changed_rows("flows", rows)
        lists = {}
        if changed or moved:
            made = {uid: rendered(self._request, "flows_row.html", flow=rows[uid]) for uid in changed}
            lists["flows"] = Listed(list(rows), made)
        return Patch(sent.regions(regions), lists)
