"""One Flow: what it is and why, when it runs next, how its last runs went, its revisions and how they differ, who holds its slots."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from penstock_operator.api.paths import NotANameError
from penstock_operator.runtime.errors import ApiError
from penstock_operator.runtime.resources import FLOWS
from penstock_reading import flows

from ..flowdetail import compared, detail
from ..live import Patch, Sent, stream
from ..sharing import Reader
from ..site import key_of, page, rendered, site_of

if TYPE_CHECKING:
    from ..flowwatch import FlowWatch, LimitsWatch

__all__ = ["add"]

_REGIONS: Final = ("head", "side", "next", "chart", "slots", "revisions", "commands", "more")
_READ_SECONDS: Final = 0.3
_TIMES: Final = 10
_TIMES_SECONDS: Final = 5.0


def add(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/flows/{namespace}/{name}", _flow)
    app.router.add_get("/flows/{namespace}/{name}/live", _live)


async def _flow(request: web.Request) -> web.Response:
    site = site_of(request)
    await site.listed(site.flows)
    with _View(request) as view:
        values = await view.values()
        if values is None:
            what = f"there is no Flow {view.key}: it was deleted, or its namespace is not shown here, or you may not see it"
            return page(request, "missing.html", status=404, what=what, back="/flows")
        return page(request, "flow.html", **values)


async def _live(request: web.Request) -> web.StreamResponse:
    with _View(request) as view:
        return await stream(request, view, view.changed)


class _View(Reader):
    """The page of one reader; a context manager, which gives back what is shared with others who look."""

    listed = True

    def __init__(self, request: web.Request) -> None:
        super().__init__()
        self._request = request
        self._site = site_of(request)
        self._body: dict[str, Any] | None = None
        self._gone = False
        self._watch: FlowWatch | None = None
        self._limits: LimitsWatch | None = None
        self._times: tuple[tuple[Any, int], tuple[Any, Any]] | None = None
        self.key = key_of(request)

    def _listen(self) -> None:
        self._shared.enter_context(self._site.flows.listening(self.key, self.changed))
        self._shared.enter_context(self._site.runs.listening(None, self.changed))

    @property
    def tick(self) -> float:
        """See `live.Page.tick`."""
        return 5.0

    async def values(self) -> dict[str, Any] | None:
        """Return what the templates show; None: there is no such Flow."""
        await self._look()
        if self._body is None:
            return None
        watch, limits = self._watch, self._limits
        namespace, now = self.key.namespace, datetime.fromtimestamp(self._site.clock(), UTC)
        told = detail(
            self._body,
            [row for row in self._site.runs.rows if row.key.namespace == namespace],
            [row for row in self._site.flows.rows if row.key.namespace == namespace],
            limits.limits if limits is not None else None,
            watch.events if watch is not None else (),
            self._next_times(self._body, now),
            self._site.program,
            now,
        )
        query = self._request.query
        found = watch.revisions if watch is not None else ()
        return {
            "key": self.key, "detail": told, "gone": self._gone, "watch": watch, "limits": limits,
            "current": str((self._body.get("status") or {}).get("revision") or ""),
            "compared": compared(found, query.get("before", ""), query.get("after", "")),
        }  # fmt: skip

    def _next_times(self, body: dict[str, Any], now: datetime) -> tuple[Any, Any]:
        """The next times, worked out anew when the Flow has changed, and every few seconds: runs change more often."""
        key = (body["metadata"].get("generation"), int(now.timestamp() // _TIMES_SECONDS))
        if self._times is None or self._times[0] != key:
            self._times = key, flows.next_times(body.get("spec") or {}, now, _TIMES)
        return self._times[1]

    async def _look(self) -> None:
        body = self._site.flows.body(self.key)
        if body is None and (self._body is None or self._site.blind_of(self._site.flows) is None):
            body = await self._asked()
        if body is not None and (self._body is None or body["metadata"]["uid"] == self._body["metadata"]["uid"]):
            self._body, self._gone = body, False
        elif self._body is not None and body is None and self._site.blind_of(self._site.flows) is None:
            self._gone = True
        if self._body is not None and self._watch is None:
            self._watch = self._shared.enter_context(
                self._site.flow_watches.used((self.key, str(self._body["metadata"]["uid"])))
            )
            self._shared.enter_context(self._watch.bell.heard(self.changed))
            self._limits = self._shared.enter_context(self._site.limits.used(self.key.namespace))
            self._shared.enter_context(self._limits.bell.heard(self.changed))
            try:
                async with asyncio.timeout(_READ_SECONDS):
                    await self._watch.read.wait()
                    await self._limits.read.wait()
            except TimeoutError:
                pass

    async def _asked(self) -> dict[str, Any] | None:
        if self._site.namespaces is not None and self.key.namespace not in self._site.namespaces:
            return None
        try:
            return await self._site.client.find(FLOWS.path(*self.key))
        except (NotANameError, ApiError):
            return self._body  # silence says nothing of it

    async def patch(self, sent: Sent) -> Patch | None:
        """See `live.Page.patch`."""
        values = await self.values()
        if values is None:
            return None
        regions = {name: rendered(self._request, f"flow_{name}.html", **values) for name in _REGIONS}
        regions["health"] = rendered(self._request, "health.html")
        return Patch(sent.regions(regions))
