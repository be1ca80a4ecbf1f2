"""The difference between two JSON objects as a merge patch (RFC 7386).

Pure. What the new one lacks is null: a merge patch keeps what it does not name. Lists are values: they are replaced whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patch that turns `old` into `new`; empty when they are equal."""
    patch: dict[str, Any] = {name: None for name in old if name not in new}
    for name, value in new.items():
        if name not in old:
            patch[name] = value
        elif old[name] != value:
            before = old[name]
            if isinstance(before, Mapping) and isinstance(value, Mapping):
                patch[name] = merge_patch(before, value)
            else:
                patch[name] = value
    return patch
