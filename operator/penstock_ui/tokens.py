"""The token that a request brings: whose rights it is answered with.

A request proves who asks by a token that the API server knows, and by nothing else. That a proxy in front has found out a name
(`X-Forwarded-User` and its like) is never looked at: whoever reached this server without the proxy could write the same. So no header has
to be trusted, and it does no harm to be asked by anybody. Pure. Neighbours: `rights` asks the API server whose token it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["COOKIE", "LONGEST", "by_form", "is_token", "token_of"]

# The cookie of the sign-in form. A cookie has 4 kB at most: a longer token comes with a proxy's header.
COOKIE: Final = "penstock-token"
LONGEST: Final = 16_384
# What RFC 6750 calls b64token: all that a bearer token can be. Nothing of it ends a header.
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_BEARER: Final = "bearer "
# oauth2-proxy: `--pass-authorization-header` sends the ID token as Authorization, `--pass-access-token` this one.
_FORWARDED: Final = "X-Forwarded-Access-Token"


def is_token(text: str) -> bool:
    """Whether a text can be a bearer token (RFC 6750, section 2.1)."""
    return len(text) <= LONGEST and _TOKEN.fullmatch(text) is not None


def token_of(headers: Mapping[str, str], cookies: Mapping[str, str]) -> str | None:
    """Return the token of a request; None: it has none that can be one.

    The first that is there counts: `Authorization: Bearer`, what oauth2-proxy passes as `X-Forwarded-Access-Token`, the cookie of the
    sign-in form. One that is there and can't be a token is not passed over for the next: the person would be taken for somebody else.

    Args:
        headers: of the request; their names in any case.
        cookies: of the request.
    """
    given = _by_header(headers)
    if given is None:
        given = cookies.get(COOKIE)
    return given if given is not None and is_token(given) else None


def by_form(headers: Mapping[str, str], cookies: Mapping[str, str]) -> bool:
    """Whether the token of a request is that of the sign-in form: what a proxy passes on is the proxy's to take back.

    Args:
        headers: of the request; their names in any case.
        cookies: of the request.
    """
    return COOKIE in cookies and _by_header(headers) is None


def _by_header(headers: Mapping[str, str]) -> str | None:
    authorization = headers.get("Authorization", "")
    if authorization[: len(_BEARER)].lower() == _BEARER:
        return authorization[len(_BEARER) :].strip()
    return headers[_FORWARDED].strip() if _FORWARDED in headers else None
