"""Runtime values by name: from a module's `FIELDS`, which users' tests may patch, under what the environment overrides.

Neighbours: the modules of this package that end in `_values`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def listed(tags: Any) -> list[str]:
    """Tags as a list: in the order given, or sorted where they have none."""
    return list(tags) if isinstance(tags, list | tuple) else sorted(tags)


def value_of(group: str, name: str, fields: Mapping[str, Callable[[], Any]]) -> Any:
    """The value of that name.

    Raises:
        AttributeError: there is none.
        ValueError: the environment overrides what cannot be made of a text.
    """
    read = fields.get(name)
    return added(group, name, fields) if read is None else overridden(group, name, read())


def overridden(group: str, name: str, real: Any) -> Any:
    """The value from `PENSTOCK__RUNTIME__<GROUP>__<NAME>`, cast to the type of the real one; else the real one.

    Raises:
        ValueError: the real value's type cannot be made of a text.
    """
    text = _given(group, name)
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
    raise ValueError(
        "This runtime context attribute cannot be mocked using an environment variable. Please use monkeypatch "
        f"instead: {group}.{name} is of type {type(real).__name__}."
    )


def added(group: str, name: str, known: Iterable[str]) -> str:
    """A value that the environment alone knows.

    Raises:
        AttributeError: it does not; lists what there is.
    """
    text = _given(group, name)
    if text is None:
        raise AttributeError(f"penstock.runtime.{group} has no attribute {name!r}; it has {', '.join(known)}.")
    return text


def _given(group: str, name: str) -> str | None:
    return os.environ.get(f"PENSTOCK__RUNTIME__{group.upper()}__{name.upper()}")
