"""One run: what it is and why, what to do, its attempts, its task runs, its log, and everything that is known of it besides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from ..live import Patch, Sent, stream
from ..logview import LogView, attempt_of
from ..looking import Look
from ..objects import Key
from ..rundetail import SHOWN, detail
from ..site import page, rendered, site_of

if TYPE_CHECKING:
    from penstock_reading.runs import Run

__all__ = ["add"]

_REGIONS: Final = ("head", "side", "outcome", "tasks", "history", "attempts", "commands", "more")
_LINES: Final = 300
_ALL_TASKS: Final = 1_000


def add(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/runs/{namespace}/{name}", _run)
    app.router.add_get("/runs/{namespace}/{name}/live", _live)


async def _run(request: web.Request) -> web.Response:
    await site_of(request).listed()
    with _look(request) as look:
        run = await look.at()
        if run is None:
            what = f"there is no run {_key(request)}: it was deleted, or its namespace is not shown here"
            return page(request, "missing.html", status=404, what=what, back="/runs")
        view = _View(request, look)
        return page(request, "run.html", **view.values(run), live=view.log.place)


async def _live(request: web.Request) -> web.StreamResponse:
    with _look(request) as look:
        return await stream(request, _View(request, look), look.changed)


def _key(request: web.Request) -> Key:
    return Key(request.match_info["namespace"], request.match_info["name"])


def _look(request: web.Request) -> Look:
    return Look(site_of(request), _key(request), attempt=attempt_of(request))


class _View:
    """The page of one reader."""

    def __init__(self, request: web.Request, look: Look) -> None:
        self._request = request
        self._look = look
        self.log = LogView(request, look, _LINES)

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
            "run": run, "key": _key(self._request), "detail": told, "gone": self._look.gone,
            "attempt": self._look.attempt, **self.log.values(run),
        }  # fmt: skip

    async def patch(self, sent: Sent) -> Patch | None:
        """See `live.Page.patch`."""
        run = await self._look.at()
        if run is None:
            return None
        values = self.values(run)
        regions = {name: rendered(self._request, f"run_{name}.html", **values) for name in _REGIONS}
        regions["health"] = rendered(self._request, "health.html")
        regions["loghead"] = rendered(self._request, "log_head.html", **values)
        patch = Patch(sent.regions(regions))
        self.log.bring(patch)
        return patch
