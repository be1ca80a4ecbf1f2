"""The operator: who leads, how long ago each watch was heard, what waits, and how fast it goes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from penstock_reading import operators

from ..live import Patch, Sent, stream
from ..site import page, rendered, site_of

if TYPE_CHECKING:
    from ..operatorwatch import OperatorWatch

__all__ = ["add"]

_READ_SECONDS: Final = 1.0


def add(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/operator", _operator)
    app.router.add_get("/operator.live", _live)


async def _operator(request: web.Request) -> web.Response:
    with site_of(request).operators.used("") as watch:
        try:
            async with asyncio.timeout(_READ_SECONDS):
                await watch.read.wait()
        except TimeoutError:
            pass
        return page(request, "operator.html", **_View(request, watch).values())


async def _live(request: web.Request) -> web.StreamResponse:
    changed = asyncio.Event()
    with site_of(request).operators.used("") as watch, watch.bell.heard(changed):
        return await stream(request, _View(request, watch), changed)


class _View:
    """The page of one reader."""

    listed = False

    def __init__(self, request: web.Request, watch: OperatorWatch) -> None:
        self._request = request
        self._watch = watch

    @property
    def tick(self) -> float:
        """See `live.Page.tick`."""
        return 10.0

    def values(self) -> dict[str, Any]:
        """Return what the templates show."""
        now = datetime.fromtimestamp(site_of(self._request).clock(), UTC)
        leases = [
            (lease["metadata"].get("namespace") or "", *operators.leader(lease, now)) for lease in self._watch.leases
        ]
        told = []
        for each in self._watch.operators:
            reading, before = each.now, each.before
            told.append(
                {
                    "of": each,
                    "leads": any(holder.partition("_")[0] == each.name for _, holder, _ in leases),
                    "state": list(operators.state(reading)) if reading else [],
                    "watches": operators.watches(reading) if reading else [],
                    "rates": list(operators.rates(before, reading)) if reading and before else [],
                }
            )
        return {
            "leases": leases,
            "operators": told,
            "troubles": self._watch.troubles,
            "read": self._watch.read.is_set(),
        }

    async def patch(self, sent: Sent) -> Patch | None:
        """See `live.Page.patch`."""
        regions = {
            "health": rendered(self._request, "health.html"),
            "operators": rendered(self._request, "operator_all.html", **self.values()),
        }
        return Patch(sent.regions(regions))
