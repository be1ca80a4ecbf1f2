"""Bearer tokens: where they come from, and that they change.

A service account's token is replaced while a pod runs (at 80 % of its life), by a swap of the folder that its path leads
through: so the path is looked up anew each time, and no descriptor is kept. A token of a program expires, and is asked for
again (`execplugin`).
"""

from __future__ import annotations

import os
from typing import Protocol


class TokenSource(Protocol):
    """Gives the token for the next request."""

    def read(self) -> str | None:
        """Give the token; None: requests go without one."""

    def forget(self) -> None:
        """The server refused the token: get a new one the next time."""


class FixedToken:
    """A token that does not change, or none."""

    __slots__ = ("_token",)

    def __init__(self, token: str | None) -> None:
        self._token = token

    def read(self) -> str | None:
        """Give it."""
        return self._token

    def forget(self) -> None:
        """There is no other."""


class TokenFile:
    """A bearer token in a file.

    Args:
        path: Where the token is; a file that does not exist means that requests go without a token.
    """

    __slots__ = ("_modified", "_path", "_token")

    def __init__(self, path: str) -> None:
        self._path = path
        self._modified: int | None = None
        self._token: str | None = None

    def read(self) -> str | None:
        """Give the token as the file has it now, or None when there is none."""
        try:
            modified = os.stat(self._path).st_mtime_ns
            if modified != self._modified:
                with open(self._path, encoding="ascii") as file:
                    self._token = file.read().strip() or None
                self._modified = modified
        except (OSError, UnicodeDecodeError):
            # Keep what was read last: during the swap the path may lead nowhere for a moment.
            self._modified = None
        return self._token

    def forget(self) -> None:
        """Read the file again next time, whatever its date says: the server refused the token."""
        self._modified = None
