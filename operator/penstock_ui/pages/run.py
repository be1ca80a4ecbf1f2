"""One run: what it is and why, what to do, its attempts, its task runs, its log, and everything that is known of it besides."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from ..live import Patch, Sent, stream
from ..logview import LogView, attempt_of
from ..looking import Look
from ..rundetail import SHOWN, detail
from ..site import key_of, page, rendered, site_of

if TYPE_CHECKING:
    from penstock_reading.runs import Run

    from ..runrow import RunRow

__all__ = ["add"]

_REGIONS: Final = ("head", "side", "outcome", "tasks", "history", "attempts", "children", "commands", "more")
_LINES: Final = 300
_ALL_TASKS: Final = 1_000
_MOST_CHILDREN: Final = 100


def add(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/runs/{namespace}/{name}", _run)
    app.router.add_get("/runs/{namespace}/{name}/live", _live)


async def _run(request: web.Request) -> web.Response:
    await site_of(request).listed()
    with _look(request) as look:
        run = await look.at()
        if run is None and look.unsaid:
            why = f"the API server does not say whether there is a run {key_of(request)}: {look.unsaid}"
            return page(request, "waiting.html", status=503, why=why)
        if run is None:
            what = f"there is no run {key_of(request)}: it was deleted, or its namespace is not shown here"
            return page(request, "missing.html", status=404, what=what, back="/runs")
        view = _View(request, look)
        return page(request, "run.html", **view.values(run), live=view.log.place)


async def _live(request: web.Request) -> web.StreamResponse:
    with _look(request) as look:
        return await stream(request, _View(request, look), look.changed)


def _look(request: web.Request) -> Look:
    return Look(site_of(request), key_of(request), attempt=attempt_of(request))


class _View:
    """The page of one reader."""

    listed = False

    def __init__(self, request: web.Request, look: Look) -> None:
        self._request = request
        self._look = look
        self.log = LogView(request, look, _LINES)
        self._mark: object = None
        self._made = 0.0

    @property
    def tick(self) -> float:
        """See `live.Page.tick`: bars of what runs grow."""
        run = self._look.run
        return 1.5 if run is not None and run.state[0] in ("Running", "Cancelling") else 5.0

    def values(self, run: Run) -> dict[str, Any]:
        """Return what the templates show."""
        site = site_of(self._request)
        limit = _ALL_TASKS if self._request.query.get("tasks") == "all" else SHOWN
        told = detail(run, self._look, site.program, site.clock(), limit=limit)
        return {
            "key": key_of(self._request), "detail": told, "children": self._children(), **self.log.values(run),
        }  # fmt: skip

    def _children(self) -> list[RunRow]:
        """The runs that this one has started; they are found anew when the page changes, for there is one look at all."""
        key = key_of(self._request)
        rows = site_of(self._request).runs.rows
        return [row for row in rows if row.parent == key.name and row.key.namespace == key.namespace][:_MOST_CHILDREN]

    async def patch(self, sent: Sent) -> Patch | None:
        """See `live.Page.patch`."""
        run = await self._look.at()
        if run is None:
            return Patch() if self._look.unsaid else None
        patch = Patch(sent.regions(self._regions(run)) if self._due(run) else {})
        self.log.bring(patch)
        return patch

    def _due(self, run: Run) -> bool:
        """Whether anything but the log may have changed: what a log says comes often, and the rest is much to make."""
        look, now = self._look, time.monotonic()
        watch, log = look.watch, look.log
        mark = (
            run.body["metadata"].get("resourceVersion"), look.gone, look.attempt,
            watch and (id(watch.pods), id(watch.events), watch.no_pods, watch.no_events),
            log and (log.mark, log.tasks.version, log.over, log.trouble), site_of(self._request).blind,
        )  # fmt: skip
        if mark == self._mark and now - self._made < self.tick:
            return False
        self._mark, self._made = mark, now
        return True

    def _regions(self, run: Run) -> dict[str, str]:
        values = self.values(run)
        filled = site_of(self._request).filled  # else the runs that it has started are not all known yet
        shown = [name for name in _REGIONS if filled or name != "children"]
        regions = {name: rendered(self._request, f"run_{name}.html", **values) for name in shown}
        regions["health"] = rendered(self._request, "health.html")
        regions["loghead"] = rendered(self._request, "log_head.html", **values)
        return regions
