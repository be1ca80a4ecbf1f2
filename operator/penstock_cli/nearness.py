"""Near names for one that does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .api import Api, ServerError
    from .kinds import Kind

__all__ = ["near", "with_near"]

_MOST = 2000  # names that are looked at


def near(name: str, known: Iterable[str], alike: float = 0.6) -> str:
    """Return a sentence with the near ones of what is known, with a blank before it; empty if none is near."""
    from penstock_operator.core.nearnames import likest

    found = likest(name, known, alike)
    return f" Did you mean {' or '.join(map(repr, found))}?" if found else ""


def with_near(api: Api, kind: Kind, namespace: str | None, name: str, error: ServerError) -> ServerError:
    """Return the refusal of an object that is not there, with the near names that are there.

    Args:
        api: the API server; who may not list is told no names.
        kind: of the object.
        namespace: that it was looked for in.
        name: that was asked for.
        error: what the server said.
    """
    if error.status != 404 or error.reason != "NotFound":
        return error
    from .api import TABLE, ServerError

    try:
        rows = api.get(kind.path(namespace), {"limit": str(_MOST)}, TABLE).get("rows") or []
        hint = near(name, [str(row["object"]["metadata"]["name"]) for row in rows])
    except (CliError, LookupError, TypeError):
        return error
    return ServerError(404, error.reason, f"{error.message}.{hint}") if hint else error
