"""What code in C prints: by lines, and nothing of it left in a buffer when the process leaves.

The C library writes to a pipe in blocks of 4,096 bytes, which end somewhere in a line, and hours later than it was
printed; what the last block holds is lost, for the process leaves by ``os._exit``. Its buffer is given by us, and what it
prints leaves a trace there: so it is known whether it has printed, and may have left a line unfinished by flushing it.
C++'s streams pass there too; ``write(1, …)`` does not.

Neighbours: ``penstock.pod.lines`` does the same for what Python prints, ``penstock.pod.leave`` flushes, ``penstock.pod.beside``
asks.
"""

from __future__ import annotations

import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_IOLBF = 1
_SIZE = 4096
_ABSENT = (ImportError, OSError, AttributeError, ValueError)


class _Stdout:
    """The C library's, with a buffer of ours."""

    def __init__(self, library: Any, stdout: Any, buffer: Any) -> None:
        self._stdout = stdout
        self._buffer = buffer
        self._begun = 0
        self._lock: Callable[[Any], int] = library.ftrylockfile
        self._unlock: Callable[[Any], int] = library.funlockfile
        self._pending: Callable[[Any], int] = library["__fpending"]
        self.flush: Callable[[], int] = partial(library.fflush, stdout)

    def printed(self) -> bool:
        """Whether anything has gone out since this was asked last."""
        if self._buffer[0] == b"\0":
            return False
        # Nobody else may be at it, and nothing be left in it, when the trace is wiped off.
        if self._lock(self._stdout):
            return True
        begun = self._begun
        self._begun = self._pending(self._stdout)
        if not self._begun:
            self._buffer[0] = b"\0"
        self._unlock(self._stdout)
        return not begun or begun != self._begun


_watched: list[_Stdout] = []


def print_by_lines() -> None:
    """Have the C library's stdout written line by line, unless it is a terminal, where it is."""
    # Where there is no such symbol, prints of code in C come as they came.
    with contextlib.suppress(*_ABSENT):
        if os.isatty(1):
            return
        import ctypes

        library = ctypes.CDLL(None)
        stdout = ctypes.c_void_p.in_dll(library, "stdout")
        buffer = ctypes.create_string_buffer(_SIZE)
        # For ever: it is flushed once more when everything of Python's is gone, in a child that was forked.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(buffer))
        watched = _Stdout(library, stdout, buffer)
        if library.setvbuf(stdout, buffer, _IOLBF, ctypes.c_size_t(_SIZE)) == 0:
            _watched.append(watched)


def printed() -> bool:
    """Whether code in C has printed since this was asked last."""
    return bool(_watched) and _watched[0].printed()


def flush() -> None:
    """Write what is left in the C library's stdout; it may block."""
    for stdout in _watched:
        stdout.flush()
