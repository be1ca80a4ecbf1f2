"""Who may do what with Flows and FlowRuns: the administrator everything, a ServiceAccount what the engine's role allows.

There are no Roles here, so a ServiceAccount has on these kinds what the chart's role gives the engine of every pod, and nothing more: a pod
that would be refused by a cluster is refused here. On every other kind nobody is refused. Neighbours: `http` asks for each request,
`admission` for the rights that policies ask for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock_operator.api.constants import GROUP
from penstock_operator.runtime.rights import ENGINE

from .status import forbidden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .requests import Target
    from .tokens import User

_ADMINISTRATORS = "system:masters"
_ENGINE = frozenset((right.group, right.resource, verb) for right in ENGINE for verb in right.verbs)


def allowed(user: User, verb: str, group: str, resource: str) -> bool:
    """Whether a user may do this; the resource has its subresource behind a slash."""
    return _ADMINISTRATORS in user.groups or (group, resource, verb) in _ENGINE


def authorize(user: User, method: str, query: Mapping[str, str], target: Target) -> None:
    """Refuse a request for a kind of ours that its user may not make.

    Raises:
        ApiError: 403, in the words of a cluster.
    """
    resource = "/".join(filter(None, (target.plural, target.subresource)))
    verb = _verb(method, query, one=bool(target.name))
    if target.group != GROUP or allowed(user, verb, target.group, resource):
        return
    where = f' in the namespace "{target.namespace}"' if target.namespace else " at the cluster scope"
    why = f'User "{user.name}" cannot {verb} resource "{resource}" in API group "{target.group}"{where}'
    raise forbidden(target.group, target.plural, target.name, why)


def _verb(method: str, query: Mapping[str, str], *, one: bool) -> str:
    if method in ("GET", "HEAD"):
        return "get" if one else "watch" if query.get("watch") in ("true", "1") else "list"
    if method == "DELETE":
        return "delete" if one else "deletecollection"
    return {"POST": "create", "PUT": "update"}.get(method, "patch")
