"""One run: what it is and why, what to do, its attempts, its task runs, its log, and everything that is known of it besides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from penstock_operator.api.paths import NotANameError
from penstock_operator.runtime.errors import ApiError
from penstock_operator.runtime.resources import FLOWRUNS
from penstock_reading.runs import Run

from ..live import Patch, Sent, stream
from ..objects import Key
from ..rundetail import detail
from ..site import caller_of, page, rendered, site_of

if TYPE_CHECKING:
    from ..rundetail import Detail

__all__ = ["add"]


def add(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/runs/{namespace}/{name}", _run)
    app.router.add_get("/runs/{namespace}/{name}/live", _live)


async def _run(request: web.Request) -> web.Response:
    view = _View(request)
    await site_of(request).listed()
    run = await view.find()
    if run is None:
        what = f"there is no run {view.key}: it was deleted, or its namespace is not shown here"
        return page(request, "missing.html", status=404, what=what, back="/runs")
    return page(request, "run.html", key=view.key, **await view.values(run))


async def _live(request: web.Request) -> web.StreamResponse:
    view = _View(request)
    with site_of(request).runs.listening(view.key) as changed:
        return await stream(request, view, changed)


class _View:
    """The page of one reader."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._site = site_of(request)
        self.key = Key(request.match_info["namespace"], request.match_info["name"])
        self._last: Run | None = None

    async def find(self) -> Run | None:
        """Return the run as it was last seen; None: there is none."""
        site = self._site
        body = site.runs.body(self.key)
        if body is None:
            try:
                body = await site.client.find(FLOWRUNS.path(*self.key))
            except (NotANameError, ApiError):
                return None
        return Run(body) if body is not None else None

    async def values(self, run: Run, *, gone: bool = False) -> dict[str, Any]:
        """Return what the templates show."""
        found: Detail = await detail(self._site, caller_of(self._request), run)
        title = str(run.body["spec"].get("displayName") or run.name)
        return {"run": run, "title": title, "detail": found, "gone": gone}

    async def patch(self, sent: Sent) -> Patch | None:
        """See `live.Page.patch`."""
        run = await self.find()
        gone = run is None
        if run is None:
            if self._last is None:
                return None
            run = self._last
        self._last = run
        values = await self.values(run, gone=gone)
        regions = {
            name: rendered(self._request, f"run_{name}.html", **values)
            for name in ("head", "facts", "outcome", "attempts", "conditions", "events")
        }
        regions["health"] = rendered(self._request, "health.html")
        return Patch(sent.regions(regions))
