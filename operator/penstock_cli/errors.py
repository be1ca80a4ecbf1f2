"""What goes wrong for the person at the keyboard: one line, and the exit code."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from .exits import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CliError", "OutputClosedError", "OutputLostError", "outcome_unknown", "writing"]


class CliError(Exception):
    """Ends the command with a message, in kubectl's words where kubectl has some.

    Attributes:
        code: the process's exit code, see `exits`.
    """

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code


class OutputLostError(CliError):
    """What is said on standard output does not arrive: its disk is full, for one."""


class OutputClosedError(Exception):
    """Whoever read the output has seen enough (`| head`); nothing is to be said."""


@contextmanager
def writing() -> Iterator[None]:
    """While standard output is written: why it cannot be is said. That nobody reads it is another thing, see `OutputClosedError`."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputLostError(f"error: standard output cannot be written: {error.strerror}") from error


@contextmanager
def outcome_unknown() -> Iterator[None]:
    """While a run is waited for: that the command fails says nothing of the run, and the exit code must not say Failed."""
    try:
        yield
    except CliError as error:
        if error.code is Exit.FAILED:
            error.code = Exit.UNKNOWN
        raise
