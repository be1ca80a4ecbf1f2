"""Environment overrides of runtime values. Neighbours: the modules of this package."""

from __future__ import annotations

import os
from typing import Any


def listed(tags: Any) -> list[str]:
    """Tags as a list: in the order given, or sorted where they have none."""
    return list(tags) if isinstance(tags, list | tuple) else sorted(tags)


def overridden(group: str, name: str, real: Any) -> Any:
    """The value from `PENSTOCK__RUNTIME__<GROUP>__<NAME>`, cast to the type of the real one; else the real one.

    Raises:
        ValueError: the real value's type cannot be made of a text.
    """
    variable = f"PENSTOCK__RUNTIME__{group.upper()}__{name.upper()}"
    text = os.environ.get(variable)
    if text is None:
        return real
    if real is None or isinstance(real, str):
        return text
    if isinstance(real, bool):
        return text.lower() in ("1", "true", "yes", "on")
    if isinstance(real, int | float):
        return type(real)(text)
    from datetime import datetime

    if isinstance(real, datetime):
        from penstock.core.state import aware

        return aware(datetime.fromisoformat(text))
    if isinstance(real, list):
        return text.split(",")
    raise ValueError(f"{variable} cannot override a value of type {type(real).__name__}.")
