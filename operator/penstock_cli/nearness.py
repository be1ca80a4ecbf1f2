"""Near names for one that does not exist."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["near"]

_SHOWN = 3


def near(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the near ones of what is known, with a blank before it; empty if none is near."""
    found = get_close_matches(name, list(known), n=_SHOWN)
    return f" Did you mean {' or '.join(map(repr, found))}?" if found else ""
