"""What can be wrong on the way to the Kubernetes API, in words of one or two lines.

Neighbours: `cluster` raises these; the rooms above put them into the words of who asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class NoAccessError(Exception):
    """There is no way to an API server: nothing is configured, or it cannot be used."""


class ApiError(Exception):
    """The API server refused a request, or did not answer for too long.

    Attributes:
        code: The HTTP status; 0: no answer.
        reason: The server's word: NotFound, AlreadyExists, Forbidden, Invalid, Expired ...
        message: The server's sentence, or why there is none.
        details: What the server says besides.
    """

    def __init__(self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(code, reason, message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}

    def __str__(self) -> str:
        return self.message
