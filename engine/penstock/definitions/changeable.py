"""Options that may be changed after decoration: checked when they are set, used at the next call.

A descriptor here has no `__get__`: the value lies in the instance under its own name, and reading it is reading that.
Neighbours: `definition`, `flow` and `task` name theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Checked:
    """An option that is kept as `check` gives it.

    Args:
        check: gives the value to keep; raises TypeError or ValueError for a bad one.
    """

    def __init__(self, check: Callable[[Any], Any]) -> None:
        self._check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self._name] = self._check(value)


class Function:
    """The function of a definition: what was made of the signature of the last one is forgotten."""

    def __set__(self, instance: Any, fn: Any) -> None:
        instance.__dict__["fn"] = fn
        instance.take_form(fn)
