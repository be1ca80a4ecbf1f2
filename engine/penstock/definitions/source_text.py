"""The text of a task's function, which goes with the task where it is sent. Neighbours: `task` offers it."""

from __future__ import annotations

import inspect
from typing import Any


class SourceText:
    """The part of a task that knows the text of its function."""

    fn: Any

    @property
    def source_code(self) -> str | None:
        """The text of the function; None where there is none to be found. A pickle takes it along."""
        text: str | None = self.__dict__.get("_source_code")
        if text is None:
            try:
                text = self.__dict__["_source_code"] = inspect.getsource(inspect.unwrap(self.fn))
            except (TypeError, OSError):
                return None
        return text

    def take_form(self, fn: Any) -> None:
        """The function is another one: so is its text."""
        super().take_form(fn)  # type: ignore[misc]
        self.__dict__.pop("_source_code", None)
        self.__dict__.pop("_source_key", None)

    def __getstate__(self) -> dict[str, Any]:
        from penstock.storage.policies import source_key

        self.source_code  # noqa: B018  (found here; where the pickle is read the file may be another one)
        source_key(self)
        return self.__dict__
