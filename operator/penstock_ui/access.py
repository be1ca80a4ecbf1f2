"""Who asks, and as whom a request is answered.

Two kinds: on a person's own machine (here), where whoever knows the token in the address is that person; and in the cluster (`rights`),
where each request brings its own. All that a page shows was fetched with the client of the caller who asks, so the API server has decided;
`sites` keeps it for callers of the same key and for nobody else.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .client import Client

__all__ = ["FRESH_SECONDS", "Access", "AwayError", "Caller", "LocalAccess", "StrangerError"]

# How long an answer about rights counts: so long after one has ended its data may still be shown.
FRESH_SECONDS: Final = 10.0
_MONTH = 30 * 86_400


class StrangerError(Exception):
    """Nobody that is known asks; the message tells a person what to do."""


class AwayError(Exception):
    """The API server does not say who asks, or what they may see: nothing is known of it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The person who asks.

    Attributes:
        name: who it is, for the page; empty: the one person that this server is for.
        client: asks the API server as that person.
        key: what is fetched for one caller is shared with callers of the same key, and with nobody else.
    """

    name: str
    client: Client
    key: str


class Access(Protocol):
    """Decides who may look at what."""

    async def admit(self, request: web.Request) -> Caller:
        """Return who asks.

        Raises:
            StrangerError: nobody that is known.
            AwayError: the API server does not say.
            aiohttp.web.HTTPException: another answer is due first, a redirect for one.
        """

    async def allowed(self, caller: Caller, namespaces: Sequence[str] | None) -> tuple[str, ...] | None:
        """Return those of some namespaces whose runs the caller may list and watch; None: of all that there are.

        Args:
            caller: who asks.
            namespaces: those that are asked about; None: all.

        Raises:
            AwayError: the API server does not say.
        """


class LocalAccess:
    """One person on one machine: the token of the address, once; then a cookie that this server gave. Or the token as a bearer's.

    The kubeconfig is that person's own, so what the read model holds is what they may see. An address of another name than this
    machine's is refused: a page of the network could have its own name lead here.

    Args:
        client: asks as the owner of the kubeconfig.
        token: the secret.
        port: of this server: cookies are shared between ports, so theirs has it in its name.

    Attributes:
        owner: the person.
    """

    def __init__(self, client: Client, token: str, port: int) -> None:
        self.owner: Final = Caller("", client, "owner")
        self._token = token
        self._cookie = f"penstock-ui-{port}"

    async def admit(self, request: web.Request) -> Caller:
        """See `Access.admit`; the token is taken out of the address, which people copy."""
        if not _of_this_machine(request.host):
            raise StrangerError(
                f"this page is for this machine only, and {request.host!r} may be anybody's name for it"
            )
        if (given := request.query.get("token")) is not None:
            if not self._is_token(given):
                raise StrangerError(
                    "the token in this address is another server's: use the one that penstock ui printed"
                )
            found = web.HTTPSeeOther(
                str(request.rel_url.with_query([(k, v) for k, v in request.query.items() if k != "token"]))
            )
            found.set_cookie(self._cookie, self._token, max_age=_MONTH, httponly=True, samesite="Lax", path="/")
            raise found
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._is_token(request.cookies.get(self._cookie, "")) or self._is_token(bearer):
            return self.owner
        raise StrangerError("open the address that penstock ui printed: it has a token in it, and this one has none")

    async def allowed(self, caller: Caller, namespaces: Sequence[str] | None) -> tuple[str, ...] | None:
        """See `Access.allowed`: whatever is asked about, for it is listed with that person's rights, and a refusal is shown."""
        return None if namespaces is None else tuple(namespaces)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())


def _of_this_machine(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
