"""What a worker process prints, in whole lines: it shares its stdout with the process that it works for, and with other workers.

A begun line waits until it is ended, flushed or not, or until the worker ends. On a terminal everything comes as it is printed.
Neighbour: ``penstock.runners.process_pool`` installs it.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

_LONGEST = 1 << 20
"""Bytes without an end of line that are kept back, at most."""


class WholeLines(io.RawIOBase):
    """See the module.

    Args:
        descriptor: Where the lines go.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begun = b""
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget)

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def write(self, content: Buffer, /) -> int:
        """Take some bytes."""
        taken = bytes(content)
        with self._lock:
            text = self._begun + taken
            whole = text.rfind(b"\n") + 1 if len(text) < _LONGEST else len(text)
            self._begun = text[whole:]
            self._out(text[:whole])
        return len(taken)

    def finish(self) -> None:
        """Let out what was begun, and end it: the process ends."""
        with self._lock:
            if self._begun:
                self._out(self._begun + b"\n")
                self._begun = b""

    def _out(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def _forget(self) -> None:
        """In a forked child: what its parent has begun is its parent's to finish."""
        self._lock = threading.Lock()
        self._begun = b""


_installed: list[WholeLines] = []


def install() -> None:
    """Have whole lines printed, as soon as they are whole."""
    atexit.register(finish)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if stream.isatty():
            stream.reconfigure(line_buffering=True)
            continue
        lines = WholeLines(stream.fileno())
        _installed.append(lines)
        made = io.TextIOWrapper(lines, stream.encoding, stream.errors, "\n", write_through=True)  # type: ignore[type-var]
        setattr(sys, name, made)
        setattr(sys, f"__{name}__", made)


def finish() -> None:
    """Let out what was begun: the process ends."""
    for lines in _installed:
        with contextlib.suppress(OSError):
            lines.finish()
