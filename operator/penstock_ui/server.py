"""The application: routes, who may ask, and the headers that every answer has.

`application` is all that its users need: `penstock ui` and `penstock dev --ui` serve it on loopback, the chart's Deployment in the cluster.
No request changes anything: there are no routes but GET.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from aiohttp import web

from penstock_operator.runtime.resources import FLOWRUNS

from . import pages
from .access import Access, Caller, StrangerError
from .assets import asset
from .feed import Feed
from .site import Site, note, page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from .client import Client

__all__ = ["application"]

# Nothing but this server's own style and script, nothing inline, nowhere in a frame; and the token in an address goes to nobody.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_SITE = web.AppKey("site", Site)
_ACCESS = web.AppKey("access", Access)

log = logging.getLogger(__name__)


def application(
    client: Client, *, namespaces: Sequence[str] | None, access: Access, program: str = "penstock"
) -> web.Application:
    """Return the page as an application.

    Args:
        client: asks the API server for the read model; closed with the application.
        namespaces: those that are shown; None: all.
        access: decides who may look at what.
        program: what commands to copy begin with.
    """
    site = Site(client, None if namespaces is None else tuple(namespaces), pages.LINKS, program=program)
    for namespace in site.namespaces or (None,):
        site.feeds.append(Feed(client, FLOWRUNS.path(namespace), namespace, site.runs))
    app = web.Application(middlewares=[_answered])
    app[_SITE], app[_ACCESS] = site, access
    app.router.add_get("/static/{name}", asset)
    app.router.add_get("/healthz", _healthy)
    for add in pages.ROUTES:
        add(app)
    app.cleanup_ctx.append(_watching)
    return app


async def _watching(app: web.Application) -> AsyncIterator[None]:
    site = app[_SITE]
    tasks = [asyncio.create_task(feed.run(), name=f"feed {at}") for at, feed in enumerate(site.feeds)]
    yield
    for task in tasks:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
    await site.client.close()


@web.middleware
async def _answered(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        response = await _allowed(request, handler)
    except web.HTTPException as raised:
        raised.headers.update(_HEADERS)
        raise
    if not response.prepared:
        response.headers.update(_HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
    return response


async def _allowed(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if request.match_info.handler in (asset, _healthy):
        return await handler(request)
    site = request.app[_SITE]
    try:
        note(request, await request.app[_ACCESS].admit(request), site)
    except StrangerError as error:
        note(request, Caller("", site.client, ""), site)
        return page(request, "stranger.html", status=401, message=str(error))
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return page(request, "missing.html", status=404, what=f"there is no page {request.path}", back="/runs")
    except (web.HTTPException, ConnectionError):
        raise
    except Exception:
        # An object that no page was made for must not take the others with it.
        log.exception("%s could not be made", request.path)
        return page(
            request,
            "missing.html",
            status=500,
            what="this page could not be made; the server's log says why",
            back="/runs",
        )


async def _healthy(request: web.Request) -> web.Response:
    return web.Response(text="ok\n")
