"""Near names for one that does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["near"]


def near(name: str, known: Iterable[str], alike: float = 0.6) -> str:
    """Return a sentence with the near ones of what is known, with a blank before it; empty if none is near."""
    from penstock_operator.core.nearnames import likest

    found = likest(name, known, alike)
    return f" Did you mean {' or '.join(map(repr, found))}?" if found else ""
