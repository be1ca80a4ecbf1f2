"""What reaches the terminal: texts of users and servers with their control characters made visible, logs as they are.

A flow's message may hold escape sequences that move the cursor, clear the screen or answer in the user's name, and characters that turn
the reading direction. kubectl shows ESC as `^[`; so do we, and every other control character by its number. The one place that writes to
standard output and standard error: every other module says what it has to say through `say`, which escapes. A log is the exception, as for
kubectl: `pass_on` gives on what the pod wrote, colours included.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext

from penstock_reading.visible import escaped, line, unsafe

from .errors import writing

__all__ = ["escaped", "have_streams", "line", "pass_on", "say", "unsafe"]


def have_streams() -> None:
    """Stand in for what the process was started without (`>&-`, some supervisors): the exit code counts all the same.

    The three descriptors are taken in any case, lest a connection become the standard output. Who asks for standard input is told.
    """
    while (taken := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(taken)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "w", encoding="utf-8", closefd=False))


def say(text: object = "", *, error: bool = False, flush: bool = False, end: str = "\n") -> None:
    """Write a text and a newline.

    Args:
        text: what to say, escaped here.
        error: to standard error.
        flush: at once, for whoever follows.
        end: what stands behind it.
    """
    with nullcontext() if error else writing():
        print(escaped(str(text)), file=sys.stderr if error else sys.stdout, flush=flush, end=end)


def pass_on(text: str) -> None:
    """Write a line of a log as the pod wrote it, at once."""
    with writing():
        print(text.encode("utf-8", "replace").decode(), flush=True)
