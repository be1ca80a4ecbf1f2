"""Classes as types: written with what they are of (`State[int]`, `TaskRunner[MyFuture]`), and in users' pydantic models.

For type checkers a class that derives from `Subscripted[Of]` is generic in one type that may be left out; when the
program runs, a subscript remembers the class and nothing else. Neighbours: states, records, runners, serializers.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import GenericAlias
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Generic

    from typing_extensions import TypeVar

    Of = TypeVar("Of", default=Any)

    class Subscripted(Generic[Of]):
        """Base of a class that may be subscripted."""
else:
    from typing import TypeVar

    Of = TypeVar("Of")

    class Subscripted:
        """Base of a class that may be subscripted."""

        __slots__ = ()
        __class_getitem__ = classmethod(GenericAlias)


def field_schema(cls: type, source: Any, handler: Any) -> Any:
    """What pydantic asks the type of a field for: an instance is taken as it is, a mapping makes one.

    Dumped, it is its `model_dump`.
    """
    from pydantic_core import core_schema

    def made(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        make = getattr(cls, "model_validate", None)
        if not isinstance(value, Mapping):
            raise ValueError(f"{cls.__name__} is wanted, {type(value).__name__} was given")  # noqa: TRY004  (pydantic's)
        try:
            return make(value) if make is not None else cls(**value)
        except (TypeError, KeyError) as exc:  # what is not a form of it
            raise ValueError(f"{type(exc).__name__}: {exc}") from exc

    def dumped(value: Any, info: Any) -> Any:
        dump = getattr(value, "model_dump", None)
        return value if dump is None else dump(mode=info.mode)

    return core_schema.no_info_after_validator_function(
        made,
        core_schema.any_schema(),
        serialization=core_schema.plain_serializer_function_ser_schema(dumped, info_arg=True),
    )


AS_FIELD: Any = classmethod(field_schema)  # a class takes it as its `__get_pydantic_core_schema__`
