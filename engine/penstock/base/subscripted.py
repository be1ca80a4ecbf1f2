"""Types that are written with what they are of: `State[int]`, `TaskRunner[MyFuture]`, in annotations and as bases.

For type checkers a class that derives from `Subscripted[Of]` is generic in one type that may be left out; when the
program runs, a subscript remembers the class and nothing else. Neighbours: states, records, runners, serializers.
"""

from __future__ import annotations

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
