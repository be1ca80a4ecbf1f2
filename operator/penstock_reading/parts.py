"""Parts of an object that anybody may have written: what is not of its kind counts as empty. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["mapping"]


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a map as it is; anything else as an empty one."""
    return value if isinstance(value, dict) else {}
