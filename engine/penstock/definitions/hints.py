"""Annotations and defaults of parameters, as pydantic needs them.

Neighbours: `_validation` validates by them, `callables` describes them.
"""

from __future__ import annotations

import inspect
from copy import copy
from typing import Any


def hints_of(fn: Any) -> dict[str, Any]:
    """The annotations of a function by parameter name; names that cannot be resolved are left out."""
    from typing import get_type_hints

    target = inspect.unwrap(fn)
    target = getattr(target, "__func__", target)
    try:
        return get_type_hints(target, include_extras=True)
    except Exception:  # noqa: BLE001  (names that exist only for a type checker: such parameters are not validated)
        return {
            name: hint for name, hint in getattr(target, "__annotations__", {}).items() if not isinstance(hint, str)
        }


def described_default(hint: Any, default: Any) -> tuple[Any, Any]:
    """Annotation and default of a parameter; those of a default `pydantic.Field(...)` are taken out of it."""
    if hint is inspect.Parameter.empty or isinstance(hint, str):
        hint = Any
    if type(default).__name__ != "FieldInfo":
        return hint, default
    from typing import Annotated

    bare = copy(default)
    value = default.get_default(call_default_factory=True)
    undefined = type(default)().default
    bare.default, bare.default_factory = undefined, None
    missing = value is undefined or value is ...
    return Annotated[hint, bare], inspect.Parameter.empty if missing else value
