"""The pod's stdout in whole lines: what user code prints and what the log says never share a line.

Python's own writes are put together to lines, thread by thread, and each goes out in one piece; a line that somebody
flushes unfinished goes out as it is, and is ended before anybody else's begins. The log's lines have a descriptor of
their own: they arrive whatever is done to ``sys.stdout`` or to descriptor 1. What children and code in C write to
descriptor 1 does not pass here: where stdout is a file it is looked at, in a pipe an unfinished line of theirs cannot
be seen.

Neighbour: ``penstock.pod.logs`` installs it. The lock is held while something is written, and never while user code
runs; it may be taken again by a signal handler that prints.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

LONGEST = 65536
"""Bytes without an end of line that are kept back, at most."""


class Output:
    """Descriptor 1 and what is known of it; see the module.

    Args:
        descriptor: Where prints go.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._log = os.dup(descriptor)
        self._lock = threading.RLock()
        self._started: dict[int, bytes] = {}
        self._unfinished: int | None = None  # the thread whose line is out without its end
        self._file: int | None = None
        self._size = 0
        with contextlib.suppress(OSError):
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                self._file = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        os.register_at_fork(after_in_child=self._forget)

    def line(self, text: str) -> None:
        """Write a line of the log, or several; ``text`` is without its end."""
        content = text.encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            if self._unfinished is not None or self._left_unfinished():
                content = b"\n" + content
                self._unfinished = None
            _write(self._log, content)
            self._look()

    def printed(self, content: bytes) -> None:
        """Take what this thread prints; whole lines go out."""
        thread = threading.get_ident()
        with self._lock:
            content = self._started.pop(thread, b"") + content
            whole, _, rest = content.rpartition(b"\n")
            if len(rest) > LONGEST:
                self._out(thread, content)
                return
            if rest:
                self._started[thread] = rest
            if len(rest) < len(content):
                self._out(thread, whole + b"\n")

    def flush(self) -> None:
        """Let out what this thread has begun."""
        thread = threading.get_ident()
        with self._lock:
            started = self._started.pop(thread, b"")
            if started:
                self._out(thread, started)

    def finish(self) -> None:
        """Let out what any thread has begun: the process ends."""
        with self._lock:
            for thread in list(self._started):
                self._out(thread, self._started.pop(thread))

    def _out(self, thread: int, content: bytes) -> None:
        if self._unfinished not in (None, thread):
            content = b"\n" + content
        self._unfinished = None if content.endswith(b"\n") else thread
        _write(self._descriptor, content)
        self._look()

    def _left_unfinished(self) -> bool:
        """Whether somebody else has written to the file since, and no whole lines."""
        if self._file is None:
            return False
        size = os.fstat(self._file).st_size
        return size > self._size and os.pread(self._file, 1, size - 1) != b"\n"

    def _look(self) -> None:
        if self._file is not None:
            self._size = os.fstat(self._file).st_size

    def _forget(self) -> None:
        """In a forked child: what its parent has begun is its parent's to finish."""
        self._lock = threading.RLock()
        self._started = {}
        self._unfinished = None


class Printed(io.BufferedIOBase):
    """The binary side of ``sys.stdout``.

    Args:
        output: Where it all goes.
        replaced: What it was before, for whoever asks for its name or its descriptor.
    """

    mode = "wb"

    def __init__(self, output: Output, replaced: io.TextIOBase) -> None:
        self._output = output
        self._replaced = replaced

    @property
    def raw(self) -> io.RawIOBase:
        """The descriptor itself; what is written there does not pass here."""
        raw: io.RawIOBase = self._replaced.buffer.raw  # type: ignore[attr-defined]
        return raw

    @property
    def name(self) -> object:
        """As before."""
        return getattr(self._replaced, "name", "<stdout>")

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """As before."""
        return self._replaced.fileno()

    def isatty(self) -> bool:
        """As before."""
        return False

    def write(self, content: Buffer, /) -> int:
        """Take some bytes."""
        if self.closed:
            raise ValueError("write to closed file")
        whole = bytes(content)
        self._output.printed(whole)
        return len(whole)

    def flush(self) -> None:
        """Let out what this thread has begun."""
        if not self.closed:
            self._output.flush()


def install() -> Output | None:
    """Put ``sys.stdout`` together to lines, unless it is a terminal or nothing that we know.

    Returns:
        Where the log goes then.
    """
    replaced = sys.stdout
    try:
        if not isinstance(replaced, io.TextIOWrapper) or replaced.isatty():
            return None
        replaced.flush()
        output = Output(replaced.fileno())
    except (OSError, ValueError):
        return None
    stdout = io.TextIOWrapper(
        Printed(output, replaced),
        encoding=replaced.encoding,
        errors=replaced.errors,
        newline="\n",
        write_through=True,
    )
    stdout.mode = "w"  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = stdout  # type: ignore[misc]
    _installed.append(output)
    return output


def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


_installed: list[Output] = []


def finish() -> None:
    """Let out what any thread has begun, if prints pass here: the process ends."""
    for output in _installed:
        output.finish()
