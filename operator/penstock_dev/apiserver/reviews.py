"""Reviews: a client asks who it is, or whether it may do something. Answered, never stored. Neighbours: `authorization`, `tokens`, `discovery`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import discovery
from .status import no_such_path

if TYPE_CHECKING:
    from .authorization import Authorizer
    from .requests import Target
    from .tokens import User

__all__ = ["KINDS", "answer"]

KINDS = frozenset(plural for _, plural in discovery.REVIEWS)


def answer(target: Target, body: dict[str, Any], user: User, authorizer: Authorizer | None) -> dict[str, Any]:
    """Return the review with its status.

    Args:
        target: what was asked for.
        body: the request.
        user: who asks.
        authorizer: decides; None: nobody is refused anything.

    Raises:
        ApiError: 404, there is no such review in that group.
    """
    about = discovery.REVIEWS.get((target.group, target.plural))
    if about is None:
        raise no_such_path()
    made = {"kind": about["kind"], "apiVersion": f"{target.group}/{target.version}", "metadata": {}}
    if about["kind"] == "SelfSubjectReview":
        return {**made, "status": {"userInfo": {key: value for key, value in user.info().items() if value}}}
    spec = body.get("spec") or {}
    return {**made, "spec": spec, "status": {"allowed": authorizer is None or _allowed(spec, user, authorizer)}}


def _allowed(spec: dict[str, Any], user: User, authorizer: Authorizer) -> bool:
    asked = spec.get("resourceAttributes")
    if not asked:  # a path that is no resource: whoever is known may read those that are served
        verb = (spec.get("nonResourceAttributes") or {}).get("verb", "")
        return verb == "get" or authorizer.allows(user, verb, "", "")
    resource = "/".join(filter(None, (asked.get("resource", ""), asked.get("subresource", ""))))
    where = (asked.get("namespace", ""), asked.get("name", ""))
    return authorizer.allows(user, asked.get("verb", ""), asked.get("group", ""), resource, *where)
