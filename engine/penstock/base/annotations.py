"""Annotations that wrap an argument and say how it is treated: `unmapped`, `allow_failure`, `quote`, `opaque`, `freeze`.

They nest: `allow_failure(unmapped(x))`. Neighbours: `core.inputs` and `core.mapping` read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")


class BaseAnnotation(tuple[T]):
    """Wraps one value; a tuple of it, so that it can be unpacked."""

    __slots__ = ()

    def __new__(cls, value: T) -> Self:
        """Wrap the value."""
        return tuple.__new__(cls, (value,))

    @property
    def value(self) -> T:
        """The value inside."""
        return tuple.__getitem__(self, 0)

    def unwrap(self) -> T:
        """The value inside."""
        return self.value

    def rewrap(self, value: Any) -> Self:
        """The same annotation around another value."""
        return type(self)(value)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and bool(self.value == other.value)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((type(self), self.value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"

    def __reduce__(self) -> Any:
        return type(self), (self.value,)


class unmapped(BaseAnnotation[T]):  # noqa: N801
    """Every child of a map gets the value as a whole."""

    __slots__ = ()

    def __getitem__(self, _: object) -> T:  # type: ignore[override]  # the same at every place
        return self.unwrap()


class allow_failure(BaseAnnotation[T]):  # noqa: N801
    """A failed upstream gives its exception instead of holding the run back."""

    __slots__ = ()


class quote(BaseAnnotation[T]):  # noqa: N801
    """The value is neither resolved nor traversed; the body gets it as it is."""

    __slots__ = ()

    def unquote(self) -> T:
        """The value inside."""
        return self.unwrap()


class Quote(quote[T]):
    """The older spelling of `quote`."""

    __slots__ = ()

    def __new__(cls, expr: T) -> Self:
        """Wrap the value, and say how it is spelt now."""
        import warnings

        warnings.warn("`Quote` is the older spelling of `quote`.", DeprecationWarning, stacklevel=2)
        return super().__new__(cls, expr)


class opaque(BaseAnnotation[T]):  # noqa: N801
    """A future directly inside is resolved; its result, or a container inside, is not traversed."""

    __slots__ = ()


class freeze(BaseAnnotation[T]):  # noqa: N801
    """Marks a parameter value as not to be replaced.

    Raises:
        ValueError: the value cannot be encoded as JSON.
    """

    __slots__ = ()

    def __new__(cls, value: T) -> Self:
        """Wrap the value, if it can be encoded."""
        from pydantic_core import to_json

        try:
            to_json(value)
        except Exception as exc:
            raise ValueError("Value must be JSON serializable") from exc
        return super().__new__(cls, value)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """Anything: the value inside may be of any type."""
        return {}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """A field of this type freezes what it is given; dumped, it is the value inside."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls(value),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.unfreeze()),
        )

    def unfreeze(self) -> T:
        """The value inside."""
        return self.unwrap()


class NotSet:
    """The lack of a value where None means something."""
