"""What goes wrong for the person at the keyboard: one line, and the exit code."""

from __future__ import annotations

__all__ = ["CliError"]


class CliError(Exception):
    """Ends the command with a message, in kubectl's words where kubectl has some.

    Attributes:
        code: the process's exit code.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code
