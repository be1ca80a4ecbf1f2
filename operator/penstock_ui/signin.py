"""The form that takes a token, for those who come without a proxy: it is given back as a cookie, and kept nowhere else.

The cookie is for this server's pages only (HttpOnly, SameSite, of no script), ends with the browser, and is sent over TLS alone where the form
was. A form of another site cannot sign anybody in or out. Neighbours: `tokens` reads the cookie, `rights` asks whose token it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiohttp import web

from .access import AwayError, StrangerError
from .site import SHARED, page
from .tokens import COOKIE, is_token

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["add", "sign_in", "sign_out", "wanted"]

# Of a cookie's 4,096 bytes, name and attributes take some.
LONGEST: Final = 3_800
_TEXT: Final = "application/x-www-form-urlencoded"


def add(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_post("/signin", sign_in)
    app.router.add_post("/signout", sign_out)


def wanted(request: web.Request) -> str:
    """Return the page that a stranger asked for, to go there afterwards."""
    return str(request.rel_url) if request.method in ("GET", "HEAD") else "/runs"


async def sign_in(request: web.Request) -> web.Response:
    """Take the token of the form, if the API server knows it."""
    form = await _form(request)
    token, after = form.get("token", "").strip(), inner(form.get("next", ""))
    if not is_token(token):
        return _refused(request, "this is no token: it is one word of letters, digits and -._~+/=", after)
    if len(token) > LONGEST:
        return _refused(request, "this token is too long for a cookie: a proxy in front can pass it on", after)
    ask = request.app[SHARED].sign_in
    assert ask is not None
    try:
        await ask(token)
    except StrangerError as error:
        return _refused(request, str(error), after)
    except AwayError as error:
        return page(request, "waiting.html", status=503, why=f"the API server does not say whose token it is: {error}")
    answer = web.Response(status=303, headers={"Location": after})
    answer.set_cookie(COOKIE, token, path="/", httponly=True, samesite="Lax", secure=_over_tls(request))
    return answer


async def sign_out(request: web.Request) -> web.Response:
    """Forget the cookie."""
    _own(request)
    answer = web.Response(status=303, headers={"Location": "/runs"})
    answer.del_cookie(COOKIE, path="/", httponly=True, samesite="Lax", secure=_over_tls(request))
    return answer


async def _form(request: web.Request) -> Mapping[str, str]:
    """Return the fields of a form that one of our own pages has sent."""
    _own(request)
    if request.content_type != _TEXT:
        raise web.HTTPUnsupportedMediaType(text=f"a form is sent as {_TEXT}\n")
    return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}


def _own(request: web.Request) -> None:
    """Refuse what a page of another site sends: browsers say so, and those that do not say where the form was.

    Raises:
        aiohttp.web.HTTPForbidden: it is one.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    own = origin is None or urlsplit(origin).netloc == request.host if site is None else site in ("same-origin", "none")
    if not own:
        raise web.HTTPForbidden(text="this form was sent by a page of another site\n")


def inner(address: str) -> str:
    """Return an address if it leads to a page of this server, else that of the runs."""
    parts = urlsplit(address)
    plain = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if plain and not parts.scheme and not parts.netloc else "/runs"


def _refused(request: web.Request, message: str, after: str) -> web.Response:
    return page(request, "stranger.html", status=401, message=message, wanted=after)


def _over_tls(request: web.Request) -> bool:
    """Whether the browser came by TLS: to this server, or to the proxy in front."""
    return request.secure or request.headers.get("X-Forwarded-Proto", "").split(",")[0].strip() == "https"
