"""What goes wrong between the operator and the API server, as values that the rest of the runtime can match on.

`ApiError` is every answer that is no success, and every request without an answer (code 0). Nothing here decides what to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NO_ANSWER = 0
UNREADABLE = 200  # an answer, but none that can be understood

CONFLICT = 409
FORBIDDEN = 403
GONE = 410
INVALID = 422
NOT_FOUND = 404
TOO_LARGE = 413
TOO_MANY_REQUESTS = 429
UNAUTHORIZED = 401

# etcd's request limit, and its client's message limit, as API servers pass them on.
_TOO_LARGE = ("request is too large", "trying to send message larger than max")


class NoClusterError(Exception):
    """No API server is configured, or its configuration can't be read: one line for the person who started the operator."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of `Status.details.causes`: which field, and what is wrong with it."""

    field: str
    reason: str
    message: str


class ApiError(Exception):
    """A request that did not succeed.

    Attributes:
        code: the HTTP status; 0 when no answer came.
        reason: `Status.reason` (`AlreadyExists`, `Forbidden`, …); without an answer the kind of failure.
        message: the server's own words.
        retry_after: seconds that the server asked to wait, if it did.
        causes: the fields that a validation refused.
        what: the request, `patch flowruns/status default/etl`.
        about: the object that a `Status` names; empty where the server has no such kind of object.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        retry_after: float | None = None,
        causes: tuple[Cause, ...] = (),
        what: str = "",
        about: str = "",
    ) -> None:
        super().__init__(f"{what}: {message}" if what else message)
        self.code = code
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.causes = causes
        self.what = what
        self.about = about

    @property
    def lasting(self) -> bool:
        """Whether the server understood the request, and refused it for what it is about, not for who asks or when."""
        return not self.transient and self.code not in (UNAUTHORIZED, CONFLICT)

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed a little later."""
        return not self.too_large and (self.code == NO_ANSWER or self.code == TOO_MANY_REQUESTS or self.code >= 500)

    @property
    def too_large(self) -> bool:
        """Whether the object would be larger than an API server or its etcd takes: both say so, the latter through a 500."""
        return self.code == TOO_LARGE or (self.code >= 500 and any(words in self.message for words in _TOO_LARGE))


class UnreadableError(ApiError):
    """An object that the API server has, and this operator can't read: it is left alone."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(UNREADABLE, "Unreadable", why, what=what)


def from_status(code: int, body: Any, *, retry_after: float | None, what: str, text: str = "") -> ApiError:
    """Make the error of an answer.

    Args:
        code: the HTTP status.
        body: the parsed body: a `Status`, or whatever a proxy on the way said.
        retry_after: the header's value in seconds.
        what: the request in words.
        text: the body as text, used when it is no `Status`.
    """
    if not isinstance(body, dict):
        return ApiError(code, f"HTTP{code}", text.strip()[:300] or f"HTTP {code}", retry_after=retry_after, what=what)
    details = body.get("details") or {}
    if retry_after is None and isinstance(details.get("retryAfterSeconds"), int) and details["retryAfterSeconds"] > 0:
        retry_after = float(details["retryAfterSeconds"])
    return ApiError(
        code,
        # A webhook that denies often gives no reason: it is the API server's word all the same.
        body.get("reason") or ("" if body.get("kind") == "Status" else f"HTTP{code}"),
        body.get("message") or f"HTTP {code}",
        retry_after=retry_after,
        causes=tuple(
            Cause(c.get("field", ""), c.get("reason", ""), c.get("message", "")) for c in details.get("causes") or ()
        ),
        what=what,
        about=str(details.get("name") or ""),
    )
