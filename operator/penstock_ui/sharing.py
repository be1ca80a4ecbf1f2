"""What a reader shares with others while a page is shown, and gives back with it."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Self

__all__ = ["Reader"]


class Reader:
    """Someone who looks; a context manager, which gives back what is shared.

    Attributes:
        changed: is set when something that is looked at may have changed.
    """

    def __init__(self) -> None:
        self._shared = ExitStack()
        self.changed = asyncio.Event()

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._shared.close()

    def _listen(self) -> None:
        """Take what is shared from the beginning on."""
