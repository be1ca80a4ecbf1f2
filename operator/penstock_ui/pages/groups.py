"""The concurrency groups: their limits, the Flows that share them, who holds their slots and who waits, in order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from penstock_reading import slots

from ..flowdetail import pool_views
from ..live import Patch, Sent, stream
from ..sharing import Reader
from ..site import page, rendered, site_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..flowdetail import PoolView
    from ..flowrow import FlowRow
    from ..flowwatch import LimitsWatch
    from ..runrow import RunRow

__all__ = ["add"]

_MOST_NAMESPACES: Final = 50
_READ_SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class _Space:
    """The groups of a namespace.

    Attributes:
        namespace: its name.
        pools: the groups, by name.
        own: the Flows' own slots, where somebody waits for one.
        trouble: why limits are not known; empty: they are.
    """

    namespace: str
    pools: Sequence[PoolView]
    own: Sequence[PoolView]
    trouble: str


def add(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/groups", _groups)
    app.router.add_get("/groups.live", _live)


async def _groups(request: web.Request) -> web.Response:
    site = site_of(request)
    await site.listed(site.flows)
    with _View(request) as view:
        return page(request, "groups.html", **await view.values())


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
        self._limits: dict[str, LimitsWatch] = {}

    def _listen(self) -> None:
        self._shared.enter_context(self._site.flows.listening(None, self.changed))
        self._shared.enter_context(self._site.runs.listening(None, self.changed))

    @property
    def tick(self) -> float:
        """See `live.Page.tick`."""
        return 10.0

    async def values(self) -> dict[str, Any]:
        """Return what the templates show."""
        flows: dict[str, list[FlowRow]] = {}
        for flow in self._site.flows.rows:
            flows.setdefault(flow.key.namespace, []).append(flow)
        runs: dict[str, list[RunRow]] = {}
        for run in self._site.runs.rows:
            if run.place:
                runs.setdefault(run.key.namespace, []).append(run)
        concerned = sorted(name for name, found in flows.items() if any(flow.groups or flow.limit for flow in found))
        shown = concerned[:_MOST_NAMESPACES]
        await self._read([name for name in shown if any(flow.groups for flow in flows[name])])
        spaces = [self._space(name, flows[name], runs.get(name, [])) for name in shown]
        return {
            "spaces": spaces, "more": len(concerned) - len(shown), "deaf": self._site.blind_of(self._site.flows),
        }  # fmt: skip

    def _space(self, namespace: str, flows: list[FlowRow], runs: list[RunRow]) -> _Space:
        watch = self._limits.get(namespace)
        limits = watch.limits if watch is not None else None
        named = sorted({*(group for flow in flows for group in flow.groups), *(limits or ())})
        groups = [slots.Pool(group, slots.group_limit(limits, group)) for group in named]
        own = [slots.Pool("", flow.limit, "Queue", (flow.key.name,)) for flow in flows if flow.limit]
        return _Space(
            namespace,
            pool_views(groups, runs, flows),
            [view for view in pool_views(own, runs, flows) if view.held or view.queued],
            watch.trouble if watch is not None else "",
        )

    async def _read(self, namespaces: Sequence[str]) -> None:
        new = [name for name in namespaces if name not in self._limits]
        for name in new:
            watch = self._limits[name] = self._shared.enter_context(self._site.limits.used(name))
            self._shared.enter_context(watch.bell.heard(self.changed))
        try:
            async with asyncio.timeout(_READ_SECONDS):
                for name in new:
                    await self._limits[name].read.wait()
        except TimeoutError:
            pass

    async def patch(self, sent: Sent) -> Patch | None:
        """See `live.Page.patch`."""
        values = await self.values()
        regions = {
            "health": rendered(self._request, "health.html"),
            "groups": rendered(self._request, "groups_spaces.html", **values),
        }
        return Patch(sent.regions(regions))
