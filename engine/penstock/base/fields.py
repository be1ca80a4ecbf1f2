"""Small classes whose annotated members are given by name: context models and serializers of one's own.

A value that is exactly of its annotated builtin type is taken as it is; only others are looked at by pydantic, which is
imported then. Neighbours: `context` and `serializers` derive from what is here.
"""

from __future__ import annotations

import contextlib
from functools import lru_cache
from inspect import get_annotations
from typing import Any, get_type_hints


def invalid(title: str, field: str, message: str, given: Any) -> ValueError:
    """The error of a bad value, in the form of pydantic's, which is a ValueError."""
    from pydantic_core import PydanticCustomError, ValidationError

    # The message is an argument, so that braces in it are not taken for a template.
    error = PydanticCustomError("value_error", "{message}", {"message": message})
    return ValidationError.from_exception_data(title, [{"type": error, "loc": (field,), "input": given}])


def own_fields(kind: type) -> dict[str, Any]:
    """Names and annotations of the members that this class itself adds."""
    return {
        name: hint
        for name, hint in get_annotations(kind).items()
        if not name.startswith("_") and "ClassVar" not in str(hint)
    }


def settle(instance: Any, fields: dict[str, Any], given: dict[str, Any]) -> None:
    """Set the members of an instance: given values, else defaults.

    Raises:
        ValueError: a value is unknown, missing, or of the wrong type.
    """
    kind = type(instance)
    for name, value in given.items():
        if name not in fields:
            raise invalid(kind.__name__, name, "Extra inputs are not permitted", value)
    for name, hint in fields.items():
        if name in given:
            instance.__dict__[name] = _fitting(kind, name, hint, given[name])
        elif hasattr(kind, name):
            default = getattr(kind, name)
            instance.__dict__[name] = default.copy() if isinstance(default, dict | list | set) else default
        else:
            raise invalid(kind.__name__, name, "Field required, it is missing", given)


def _fitting(kind: type, name: str, hint: Any, value: Any) -> Any:
    found = "None" if value is None else type(value).__name__
    if hint in (type(value), found, Any, "Any"):
        return value
    if isinstance(hint, str) and "[" not in hint and found in hint.split(" | "):
        return value
    adapter = _adapter(kind, name)
    if adapter is None:
        return value
    import pydantic

    try:
        return adapter.validate_python(value)
    except pydantic.ValidationError as exc:
        raise invalid(kind.__name__, name, exc.errors()[0]["msg"], value) from None


@lru_cache(maxsize=512)
def _adapter(kind: type, name: str) -> Any:
    """What validates a member, made once: reading hints and building it takes fifty times as long as using it."""
    import pydantic

    hints = {}
    with contextlib.suppress(Exception):  # names that only a type checker knows: such members are taken as they are
        hints = get_type_hints(kind)
    if name not in hints:
        return None
    wanted = hints[name]
    own = isinstance(wanted, type) and (
        issubclass(wanted, pydantic.BaseModel) or hasattr(wanted, "__dataclass_fields__")
    )
    return pydantic.TypeAdapter(wanted, config=None if own else pydantic.ConfigDict(arbitrary_types_allowed=True))
