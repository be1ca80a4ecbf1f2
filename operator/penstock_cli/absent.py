"""What is said of an object that is not there: the server's words, and the near names that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .api import TABLE, ServerError
from .errors import CliError
from .nearness import near

if TYPE_CHECKING:
    from .api import Api
    from .kinds import Kind

__all__ = ["with_near"]

_MOST = 2000  # names that are looked at


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
    try:
        rows = api.get(kind.path(namespace), {"limit": str(_MOST)}, TABLE).get("rows") or []
        hint = near(name, [str(row["object"]["metadata"]["name"]) for row in rows])
    except (CliError, LookupError, TypeError):
        return error
    return ServerError(404, error.reason, f"{error.message}.{hint}") if hint else error
