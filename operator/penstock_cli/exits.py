"""What the commands' exit codes mean: the one table, for scripts. The documentation's and this are compared by a test."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = ["MEANINGS", "Exit", "of_state", "worst"]


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CANCELLED = 3
    NOT_FOUND = 4
    UNKNOWN = 5
    TIMED_OUT = 124
    INTERRUPTED = 130
    CLOSED = 141


MEANINGS: Final = {
    Exit.OK: "Completed: the runs that were waited for; or the command did what it was asked to",
    Exit.FAILED: "Failed or Crashed: one of the runs; or the command could not do what it was asked to, and says why",
    Exit.USAGE: "the command line cannot be understood: an unknown command, option, or parameter of a flow",
    Exit.CANCELLED: "Cancelled: one of the runs, and none was Failed or Crashed",
    Exit.NOT_FOUND: "what was named does not exist",
    Exit.UNKNOWN: "the outcome is not known: while a run was waited for, the API server could not be reached, or refused to tell",
    Exit.TIMED_OUT: "`--timeout` passed before it was so",
    Exit.INTERRUPTED: "Ctrl-C",
    Exit.CLOSED: "whoever read the output has closed it (`| head`)",
}
_STATES: Final = {"Completed": Exit.OK, "Failed": Exit.FAILED, "Crashed": Exit.FAILED, "Cancelled": Exit.CANCELLED}
# Of several runs the first of these counts that one of them had.
_ORDER: Final = (Exit.TIMED_OUT, Exit.UNKNOWN, Exit.NOT_FOUND, Exit.FAILED, Exit.CANCELLED)


def of_state(kind: str) -> Exit:
    """Return the code of a run that ended in a state of this type; UNKNOWN if the type is not final."""
    return _STATES.get(kind, Exit.UNKNOWN)


def worst(codes: list[Exit]) -> Exit:
    """Return the code of a command that waited for several."""
    return next((code for code in _ORDER if code in codes), Exit.OK)
