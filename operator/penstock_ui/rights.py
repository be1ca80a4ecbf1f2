"""Who asks in the cluster: whoever the API server knows by the token of the request, with that person's rights and no others.

This server has no rights of its own, and sends no request that a person's token does not go with; one without a token is not sent on. So
nothing that is asked of it can reach further than what the person could ask of the API server directly. That a token is good, and what it
may list, is the API server's answer, some seconds old at most; no answer changes nothing of what was known. The reasons are in ADR 48.
Neighbours: `tokens` finds the token, `sites` keeps what each person's token has brought apart from everybody else's, `signin` takes a token
from a form.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from penstock_operator.api.constants import GROUP
from penstock_operator.api.paths import NotANameError, path, segment
from penstock_operator.runtime import errors
from penstock_operator.runtime.errors import ApiError

from .access import FRESH_SECONDS, AwayError, Caller, StrangerError
from .tokens import token_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiohttp import web

    from .client import Client

__all__ = ["BearerAccess"]

_FORGOTTEN_SECONDS: Final = 900.0
# Lists and watches of one person, a connection each, where no list of all namespaces is allowed.
MOST_NAMESPACES: Final = 50
_AT_A_TIME: Final = 8
_WHO: Final = path("authentication.k8s.io", "v1", "selfsubjectreviews")
_MAY: Final = path("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
_NAMESPACES: Final = path("", "v1", "namespaces")


@dataclass(slots=True)
class _Known:
    """A token that the API server has accepted."""

    caller: Caller
    checked: float
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class BearerAccess:
    """Requests answered with the rights of the tokens that they bring; see `access.Access`.

    Args:
        connection: to the API server; its own credentials, if it has any, are never used.
        fresh: seconds that an answer of the API server counts.
        clock: monotonic seconds.
    """

    def __init__(
        self, connection: Client, *, fresh: float = FRESH_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._fresh = fresh
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def admit(self, request: web.Request) -> Caller:
        """See `access.Access.admit`."""
        token = token_of(request.headers, request.cookies)
        if token is None:
            raise StrangerError("this page shows what your token may see, and this request has none")
        return await self.by_token(token)

    async def by_token(self, token: str) -> Caller:
        """Return whose token it is.

        Raises:
            StrangerError: none that the API server knows.
            AwayError: it does not say.
        """
        key = hashlib.sha256(token.encode()).hexdigest()
        known = self._known.get(key)
        if known is None:
            caller = await self._asked(Caller("", self._connection.bearing(token), key))
            self._forget_old()
            known = self._known.setdefault(key, _Known(caller, self._clock()))
        async with known.lock:
            if self._clock() - known.checked > self._fresh:
                try:
                    known.caller = await self._asked(known.caller)
                except AwayError:
                    return known.caller
                except StrangerError:
                    self._known.pop(key, None)
                    raise
                known.checked = self._clock()
        return known.caller

    async def allowed(self, caller: Caller, namespaces: Iterable[str] | None) -> tuple[str, ...] | None:
        """See `access.Access.allowed`."""
        given = None if namespaces is None else tuple(namespaces)
        if await self._may_list(caller, None):
            return given
        wanted = given if given is not None else await self._namespaces(caller)
        turn = asyncio.Semaphore(_AT_A_TIME)

        async def may(namespace: str) -> bool:
            async with turn:
                return await self._may_list(caller, namespace)

        answers = await asyncio.gather(*(may(namespace) for namespace in wanted))
        found = [namespace for namespace, yes in zip(wanted, answers, strict=True) if yes]
        return tuple(found[:MOST_NAMESPACES])

    async def _asked(self, caller: Caller) -> Caller:
        """Return the caller with the name that the API server knows.

        Raises:
            StrangerError: the token is none of its.
            AwayError: no answer.
        """
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            answer = await caller.client.review(_WHO, body)
        except ApiError as error:
            if error.code == errors.UNAUTHORIZED:
                raise StrangerError(
                    "the API server does not accept this token: it has expired, was withdrawn, or is another cluster's"
                ) from error
            if error.code in (errors.FORBIDDEN, errors.NOT_FOUND):
                return caller  # a cluster where nobody may ask who they are: the token is good, it has no name here
            raise AwayError(error.message) from error
        name = ((answer.get("status") or {}).get("userInfo") or {}).get("username")
        return Caller(str(name or ""), caller.client, caller.key)

    async def _may_list(self, caller: Caller, namespace: str | None) -> bool:
        """Whether the caller may list and watch the runs of a namespace (None: of all).

        Raises:
            AwayError: no answer.
        """
        if namespace is not None:
            try:
                segment(namespace)
            except NotANameError:
                return False
        for verb in ("list", "watch"):
            about = {"group": GROUP, "resource": "flowruns", "verb": verb, "namespace": namespace or ""}
            body = {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": about},
            }
            if not _yes(await self._answer(caller, body)):
                return False
        return True

    async def _answer(self, caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return await caller.client.review(_MAY, body)
        except ApiError as error:
            if error.code in (errors.UNAUTHORIZED, errors.FORBIDDEN):
                return {}
            raise AwayError(error.message) from error

    async def _namespaces(self, caller: Caller) -> list[str]:
        """Return the namespaces that the caller may know of; few may list them."""
        try:
            items = (await caller.client.get(_NAMESPACES, {"limit": "500"})).get("items") or []
        except ApiError:
            return []
        return [str(item["metadata"]["name"]) for item in items]

    def _forget_old(self) -> None:
        old = self._clock() - _FORGOTTEN_SECONDS
        for key in [key for key, known in self._known.items() if known.checked < old]:
            del self._known[key]


def _yes(review: dict[str, Any]) -> bool:
    status = review.get("status") or {}
    return status.get("allowed") is True and not status.get("denied")
