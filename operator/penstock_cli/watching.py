"""A list and what changes in it, from then on: over ends of watches, lost connections and versions that the server has forgotten."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from .api import JSON, ServerError
from .errors import CliError
from .terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .api import Api, Json

__all__ = ["REFUSED_SECONDS", "changes"]

_RETRY_SECONDS = 0.5
# A server that stays away for so long is given up; a rolling upgrade of one takes less.
_PATIENCE_SECONDS = 60.0
_WATCH_SECONDS = 300
REFUSED_SECONDS = 15.0
"""A server that has just started refuses what it will allow, until it has read who may what. What was allowed before is asked again for so long."""


def changes(
    api: Api, path: str, query: Mapping[str, str], *, accept: str | None = None, until: float | None = None
) -> Iterator[Json]:
    """Yield a list, then each event (`type`, `object`); and the list again where events may have been missed.

    Args:
        api: the API server.
        path: of the collection.
        query: selectors.
        accept: the form that is asked for; a Table's list and the objects of its events are tables.
        until: monotonic seconds at which it ends; None: never.

    Raises:
        CliError: the server refuses, or cannot be reached for a minute.
    """
    form = accept or JSON
    listed = api.get(path, query, form)
    yield listed
    version = _version(listed)
    lost_at: float | None = None
    refused_at: float | None = None
    while until is None or time.monotonic() < until:
        left = math.inf if until is None else max(until - time.monotonic(), 0.001)
        try:
            if not version:
                listed = api.get(path, query, form)
                yield listed
                version = _version(listed)
            asked = {
                **query,
                "resourceVersion": version,
                "timeoutSeconds": str(min(_WATCH_SECONDS, math.ceil(min(left, 1e6)))),
            }
            for event in api.watch(path, asked, accept=form, quiet=left):
                lost_at = refused_at = None
                version = _version(event["object"]) or version
                if event["type"] != "BOOKMARK":
                    yield event
                elif until is not None and time.monotonic() >= until:
                    return
        except ServerError as error:
            if error.status == 410:
                version = ""  # too old: what there is now is told instead of what happened
            elif error.status in (429, 500, 502, 503, 504):
                lost_at = _lost(lost_at, error)
            elif (
                error.status in (401, 403, 404)
                and time.monotonic() - (refused_at or time.monotonic()) < REFUSED_SECONDS
            ):
                refused_at = refused_at or time.monotonic()
                time.sleep(_RETRY_SECONDS)
            else:
                raise
        except CliError as error:
            if until is not None and time.monotonic() >= until:
                return
            lost_at = _lost(lost_at, error)


def _lost(since: float | None, error: CliError) -> float:
    """Wait a moment before the next try; returns since when nothing was heard.

    Raises:
        CliError: it has been too long.
    """
    now = time.monotonic()
    if since is None:
        say(f"{error}; trying again for {_PATIENCE_SECONDS:.0f} s", error=True, flush=True)
    elif now - since > _PATIENCE_SECONDS:
        raise error
    time.sleep(_RETRY_SECONDS)
    return now if since is None else since


def _version(document: Json) -> str:
    """Return the resourceVersion of a list, an object, or a table (its own, else that of its row)."""
    version = (document.get("metadata") or {}).get("resourceVersion")
    if not version and document.get("rows"):
        version = (document["rows"][-1]["object"].get("metadata") or {}).get("resourceVersion")
    return str(version or "")
