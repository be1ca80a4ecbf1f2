"""The application: routes, who may ask, and the headers that every answer has.

`application` is all that its users need: `penstock ui` and `penstock dev --ui` serve it on loopback, the chart's Deployment in the cluster.
No request changes anything: there are no routes but GET, and the form that takes a token and gives it back as a cookie.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from aiohttp import web

from penstock_operator.runtime.resources import FLOWRUNS, FLOWS

from . import pages, signin
from .access import FRESH_SECONDS, AwayError, StrangerError
from .assets import asset
from .feed import Feed
from .site import SHARED, Shared, Site, page, site_of
from .sites import IDLE_SECONDS, MOST, SITES, FullError, Sites, admitted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from .access import Access, Caller
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

log = logging.getLogger(__name__)


def application(
    client: Client,
    *,
    namespaces: Sequence[str] | None,
    access: Access,
    program: str = "penstock",
    sign_in: Callable[[str], Awaitable[Caller]] | None = None,
    most: int = MOST,
    fresh: float = FRESH_SECONDS,
    owner: Caller | None = None,
) -> web.Application:
    """Return the page as an application.

    Args:
        client: the connections to the API server, whose credentials `access` uses or not; closed with the application.
        namespaces: those that are shown; None: all.
        access: decides who may look at what.
        program: what commands to copy begin with.
        sign_in: asks whose token it is, for a form that takes one; None: there is no such form.
        most: how many persons may look at a time.
        fresh: seconds that an answer about rights counts.
        owner: the one person that this server is for: what they see is read from the start on, and kept while nobody looks.
    """

    def made(caller: Caller, shown: tuple[str, ...] | None) -> Site:
        return Site(caller.client, shown, program)

    app = web.Application(middlewares=[_allowed])
    app.on_response_prepare.append(_with_headers)
    app[SHARED] = Shared(client, access, pages.LINKS, program, sign_in, fresh)
    app[SITES] = Sites(
        access, namespaces, made, _feeds, most=most, fresh=fresh, idle=IDLE_SECONDS if owner is None else math.inf
    )
    app.router.add_get("/static/{name}", asset)
    for path in _PROBES:
        app.router.add_get(path, _healthy)
    for add in (*pages.ROUTES, *((signin.add,) if sign_in else ())):
        add(app)
    if owner is not None:

        async def begin(app: web.Application) -> None:
            await app[SITES].of(owner)

        app.on_startup.append(begin)
    app.cleanup_ctx.append(_closing)
    return app


def _feeds(site: Site, namespace: str | None) -> list[Feed]:
    """What fills a site from a namespace (None: from all)."""
    return [
        Feed(site.client, FLOWRUNS.path(namespace), namespace, site.runs),
        Feed(site.client, FLOWS.path(namespace), namespace, site.flows),
    ]


async def _closing(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[SITES].close()
    await app[SHARED].client.close()


async def _with_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers on every answer, streams and errors too."""
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")


@web.middleware
async def _allowed(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if request.match_info.handler in _FOR_ALL:
        return await handler(request)
    if (refusal := await _refusal(request)) is not None:
        return refusal
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


async def _refusal(request: web.Request) -> web.Response | None:
    """Find out who asks, and return why they get no page; None: they do."""
    try:
        await admitted(request)
    except StrangerError as error:
        headers = {"WWW-Authenticate": 'Bearer realm="penstock"'}
        answer = page(request, "stranger.html", status=401, message=str(error), wanted=signin.wanted(request))
        answer.headers.update(headers)
        return answer
    except AwayError as error:
        why = f"the API server does not say who you are, and what you may see: {error}"
        return page(request, "waiting.html", status=503, why=why)
    except FullError:
        why = "as many people look at these pages as this server may serve"
        return page(request, "waiting.html", status=503, why=why)
    site, asked = site_of(request), request.match_info.get("namespace") or request.query.get("namespace", "")
    if site.namespaces == () or (asked and site.namespaces is not None and asked not in site.namespaces):
        return page(request, "forbidden.html", status=403, asked=asked)
    return None


async def _healthy(request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


_PROBES = ("/healthz", "/livez", "/readyz")
# Nobody's data is in these; the form is how one becomes somebody.
_FOR_ALL = (asset, _healthy, signin.sign_in, signin.sign_out)
