"""A listing in parts: what a page of it shows, whatever stands on it.

Neighbours: `client` asks for pages, `sync` takes them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .resources import Key
from .table import key_of


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing.

    Attributes:
        items: the objects on it.
        shown: the names of all objects on it and on the pages before it.
        resource_version: what the listing shows.
        last: whether the listing is complete with it.
        size: bytes of JSON of one object, on an average.
    """

    items: list[dict[str, Any]]
    shown: frozenset[Key] | set[Key]
    resource_version: str
    last: bool
    size: int = 0


def page_of(body: Mapping[str, Any], shown: set[Key], size: int = 0) -> Page:
    """Return a page as the API server sends it.

    Args:
        body: what was sent.
        shown: the names on the pages before it; those on this one are added.
        size: of the whole, bytes.
    """
    items, meta = body.get("items") or [], body.get("metadata") or {}
    for raw in items:
        with contextlib.suppress(KeyError, TypeError, AttributeError):  # what has no name can't be looked for either
            shown.add(key_of(raw))
    each = size // len(items) if items else 0
    return Page(items, shown, str(meta.get("resourceVersion", "")), last=not meta.get("continue"), size=each)
