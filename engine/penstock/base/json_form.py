"""Values as JSON would hold them. Neighbours: states and flows show themselves by it."""

from __future__ import annotations

from typing import Any


def json_form(value: Any) -> Any:
    """The value as JSON would hold it; what cannot be encoded becomes `"<TypeName>"`."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    import pydantic_core

    try:
        return pydantic_core.to_jsonable_python(value)
    except Exception:  # noqa: BLE001  (whatever a value's own encoder raises)
        if isinstance(value, dict):
            return {str(key): json_form(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [json_form(item) for item in value]
        return f"<{type(value).__name__}>"
