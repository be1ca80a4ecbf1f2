"""The log of an attempt: searched through, by task, by level, as it comes; and as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from penstock_operator.api.constants import ENGINE_CONTAINER
from penstock_operator.runtime.errors import ApiError
from penstock_operator.runtime.resources import PODS
from penstock_reading.entries import readable
from penstock_reading.wholelines import WholeLines

from ..live import Patch, Sent, stream
from ..logview import LogView, attempt_of, wanted_of
from ..looking import Look
from ..podlog import KEPT
from ..site import key_of, page, rendered, site_of

if TYPE_CHECKING:
    from penstock_reading.runs import Run

__all__ = ["add"]

_READ_SECONDS = 1.0


def add(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/runs/{namespace}/{name}/log", _log)
    app.router.add_get("/runs/{namespace}/{name}/log/live", _live)
    app.router.add_get("/runs/{namespace}/{name}/log.txt", _text)


def _look(request: web.Request) -> Look:
    return Look(site_of(request), key_of(request), attempt=attempt_of(request), wanted=wanted_of(request))


async def _log(request: web.Request) -> web.Response:
    with _look(request) as look:
        run = await look.at()
        if run is None:
            return page(request, "missing.html", status=404, what=f"there is no run {key_of(request)}", back="/runs")
        if look.log is not None:
            await look.log.settled(_READ_SECONDS)
        view = LogView(request, look, KEPT)
        return page(request, "log.html", key=key_of(request), **view.values(run), live=view.place)


async def _live(request: web.Request) -> web.StreamResponse:
    with _look(request) as look:
        return await stream(request, _View(request, look), look.changed)


class _View:
    """The page of one reader."""

    listed = False
    tick = 5.0

    def __init__(self, request: web.Request, look: Look) -> None:
        self._request = request
        self._look = look
        self._log = LogView(request, look, KEPT)

    async def patch(self, sent: Sent) -> Patch | None:
        """See `live.Page.patch`."""
        run: Run | None = await self._look.at()
        if run is None:
            return None
        values = {"key": key_of(self._request), **self._log.values(run)}
        regions = {name: rendered(self._request, f"{file}.html", **values) for name, file in _REGIONS.items()}
        patch = Patch(sent.regions(regions))
        self._log.bring(patch)
        return patch


_REGIONS = {"health": "health", "loghead": "log_head"}


async def _text(request: web.Request) -> web.StreamResponse:
    """The whole log, as a plain process prints it."""
    with _look(request) as look:
        run = await look.at()
        pod = look.watch.attempts.get(look.attempt) if look.watch is not None else None
        if run is None or pod is None:
            raise web.HTTPNotFound(text="there is no log: the attempt's pod is not there\n")
        response = web.StreamResponse(
            headers={"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
        )
        name = f"{run.name}-{look.attempt}.log"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        try:
            path = PODS.path(run.namespace, pod, "log")
            whole = WholeLines()
            async for raw in site_of(request).client.lines(path, {"container": ENGINE_CONTAINER}):
                if not response.prepared:
                    await response.prepare(request)
                await _send(response, whole.take("", raw.decode("utf-8", "replace")))
            await _send(response, whole.rest())
        except ApiError as error:
            if not response.prepared:
                raise web.HTTPBadGateway(text=f"the log cannot be read: {error.message}\n") from error
            await response.write(f"--- the log could not be read further: {error.message}\n".encode())
        if not response.prepared:
            await response.prepare(request)
        return response


async def _send(response: web.StreamResponse, lines: list[tuple[str, str]]) -> None:
    for _, line in lines:
        if (shown := readable(line)) is not None:
            await response.write(f"{shown}\n".encode("utf-8", "replace"))
