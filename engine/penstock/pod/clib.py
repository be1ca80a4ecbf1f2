"""What code in C prints: by lines, and nothing of it left in a buffer when the process leaves.

The C library writes to a pipe in blocks of 4,096 bytes, which end somewhere in a line, and hours later than it was
printed; what the last block holds is lost, for the process leaves by ``os._exit``. Neighbours: ``penstock.pod.lines`` does
the same for what Python prints, ``penstock.pod.leave`` flushes.
"""

from __future__ import annotations

import contextlib
import os
import sys

_IOLBF = 1
_ABSENT = (ImportError, OSError, AttributeError, ValueError)


def print_by_lines() -> None:
    """Have the C library's stdout written line by line, unless it is a terminal, where it is."""
    # Where there is no such symbol, prints of code in C come as they came.
    with contextlib.suppress(*_ABSENT):
        if os.isatty(1):
            return
        import ctypes

        library = ctypes.CDLL(None)
        library.setvbuf(ctypes.c_void_p.in_dll(library, "stdout"), None, _IOLBF, ctypes.c_size_t(0))


def flush() -> None:
    """Write what is left in the C library's stdout; it may block."""
    ctypes = sys.modules.get("ctypes")
    # It is imported with the first function of this module, or nothing of this was done.
    with contextlib.suppress(*_ABSENT):
        if ctypes is not None:
            library = ctypes.CDLL(None)
            library.fflush(ctypes.c_void_p.in_dll(library, "stdout"))
