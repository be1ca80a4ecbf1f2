"""What the API server refuses, in the words of who called: which right is missing, and what grants it.

Pure. Neighbours: every request here goes through `told`.
"""

from __future__ import annotations

import re
from typing import Any

from penstock.base.exceptions import (
    BadRequestError,
    ClusterError,
    NotAllowedError,
    ObjectAlreadyExists,
    ObjectNotFound,
)
from penstock.kube.errors import ApiError, NoAccessError

_DENIED = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)"'
)
_ACCOUNT = re.compile(r"system:serviceaccount:(?P<namespace>[^:]+):(?P<name>.+)")


class told:  # noqa: N801  (used as a statement: `with told("start a run"):`)
    """Put what goes wrong into words.

    Args:
        doing: What is being done: "start a run of the Flow etl".

    Raises:
        ClusterError: What went wrong.
    """

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Say what went wrong. A class, for a generator would leave a frame of the standard library in users' tracebacks."""
        if isinstance(error, NoAccessError):
            raise ClusterError(f"cannot {self._doing}: {error}") from None
        if isinstance(error, ApiError):
            raise worded(error, self._doing) from None


def worded(error: ApiError, doing: str) -> Exception:
    """Give the exception that an answer means."""
    if error.code == 403:
        return NotAllowedError(f"cannot {doing}: {_rights(error.message)}", 403, error.reason)
    if error.code == 404:
        return ObjectNotFound(error, f"cannot {doing}: {error.message}")
    if error.code == 409 and error.reason == "AlreadyExists":
        return ObjectAlreadyExists(error, f"cannot {doing}: {error.message}")
    if error.code == 401:
        return ClusterError(
            f"cannot {doing}: the API server does not know who asks ({error.message})", 401, error.reason
        )
    if error.code in (400, 422):
        return BadRequestError(f"cannot {doing}: {error.message}", error.code, error.reason)
    return ClusterError(f"cannot {doing}: {error.message}", error.code, error.reason)


def _rights(message: str) -> str:
    """Which rule is missing, whose, and how it is granted; the server's words where it was no matter of rules."""
    found = _DENIED.search(message)
    if found is None:
        return message
    group, resource, verb, user = found["group"], found["resource"], found["verb"], found["user"]
    rule = f'{{apiGroups: ["{group}"], resources: [{resource}], verbs: [{verb}]}}'
    account = _ACCOUNT.fullmatch(user)
    if account is None:
        return f"{user} lacks the rule {rule}; the ClusterRole `edit` of the namespace includes it (chart value aggregateRoles)"
    return (
        f"the ServiceAccount {account['name']} of the namespace {account['namespace']} lacks the rule {rule}. A flow that starts "
        "other runs needs the chart's opt-in Role: engine.serviceAccount.create=true, .name=NAME, .startRuns=true, with "
        "engine.namespaces; or bind a Role with that rule to this account"
    )
