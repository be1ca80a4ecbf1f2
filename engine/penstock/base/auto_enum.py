"""Enums whose members are their own names. Neighbours: transactions; `utilities.collections` offers it to users."""

from __future__ import annotations

import enum
from typing import Any


class AutoEnum(str, enum.Enum):  # noqa: UP042  (members are their own names)
    """An enum whose `AutoEnum.auto()` members have their names as values."""

    @staticmethod
    def _generate_next_value_(name: str, *_: object, **__: object) -> str:
        return name

    @staticmethod
    def auto() -> Any:
        """The next member's value: its name."""
        return enum.auto()

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.value}"
