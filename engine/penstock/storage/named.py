"""File systems under a name, for scripts that save one and load it further down. Neighbours: the file systems derive from it."""

from __future__ import annotations

from typing import Any, ClassVar

from penstock.base.both_forms import serves_both
from penstock.base.subscripted import AS_FIELD


class Named:
    """What can be saved under a name and loaded by it in the same process: there is no server that would keep it."""

    _saved: ClassVar[dict[tuple[type, str], Any]] = {}

    __get_pydantic_core_schema__ = AS_FIELD

    @serves_both
    def save(self, name: str, overwrite: bool = False) -> str:
        """Let `load` of this class give this object.

        Args:
            name: of one's choice.
            overwrite: replace what is saved under it.

        Raises:
            ValueError: the name is taken.
        """
        known = self._saved.get((type(self), name))
        if known is not None and known != self and not overwrite:
            raise ValueError(
                f"You are attempting to save values with a name that is already in use: {name!r}. "
                "Pass `overwrite=True` to replace them."
            )
        self._saved[type(self), name] = self
        return name

    @classmethod
    @serves_both
    def load(cls, name: str) -> Any:
        """What was saved under the name in this process.

        Raises:
            ValueError: nothing was.
        """
        try:
            return cls._saved[cls, name]
        except KeyError:
            raise ValueError(
                f"Unable to find {cls.__name__} {name!r}: what is saved is known in the process that saved it alone; "
                "make one where it is needed."
            ) from None
