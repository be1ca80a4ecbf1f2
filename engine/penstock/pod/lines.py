"""The pod's stdout in whole lines: what user code prints and what the log says never share a line.

Python's own writes are put together to lines, thread by thread, and each goes out in one piece; a line that somebody
flushes unfinished, or begins again with a carriage return, goes out as it is, and is ended before anybody else's
begins. Where stderr leads to the same place it passes here too. The log's lines have a descriptor of their own: they
arrive whatever is done to ``sys.stdout`` or to descriptor 1. What children and code in C write to descriptor 1 does not
pass here. Code in C is made to write by lines (``penstock.pod.clib``). Where one of them may have left a line
unfinished (``penstock.pod.beside``), the log's next line begins with an end of line, and a blank at its own end tells
readers that the empty line before it, if there is one, means nothing. Where stdout is a file, what stands there last is
looked at.

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
from threading import get_ident
from typing import TYPE_CHECKING

from penstock.pod.beside import Others

if TYPE_CHECKING:
    from typing_extensions import Buffer

LONGEST = 1 << 20
"""Bytes without an end of line that are kept back of one thread, at most."""

APART = b" \n"
"""How a line of the log ends before which an end of line was written, for somebody may have left a line unfinished."""

Writer = tuple[int, int]
"""A thread, and the descriptor that it prints to."""


class Output:
    """Descriptor 1 and what is known of it; see the module.

    Args:
        descriptor: Where prints go.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._log = os.dup(descriptor)
        self._lock = threading.RLock()
        self._started: dict[Writer, bytearray] = {}
        self._unfinished: Writer | None = None  # whose line is out without its end
        self._file: int | None = None
        self._size = 0
        self._others = Others(descriptor)
        with contextlib.suppress(OSError):
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                self._file = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        os.register_at_fork(after_in_child=self._forget)

    def line(self, text: str) -> None:
        """Write a line of the log, or several; ``text`` is without its end."""
        content = text.encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            if self._unfinished is not None:
                content = b"\n" + content
                self._unfinished = None
                self._left_unfinished()
            elif self._left_unfinished():
                content = b"\n" + content[:-1] + APART
            _write(self._log, content)
            self._look()

    def printed(self, content: bytes, descriptor: int) -> None:
        """Take what this thread prints; whole lines go out."""
        writer = (get_ident(), descriptor)
        with self._lock:
            begun = self._started.get(writer)
            if b"\n" in content or b"\r" in content or len(content) > LONGEST:
                if begun is not None:
                    del self._started[writer]
                    content = bytes(begun) + content
                self._lines(writer, content)
            elif begun is None:
                self._started[writer] = bytearray(content)
            elif len(begun) < LONGEST:
                begun += content
            else:
                del self._started[writer]
                self._out(writer, bytes(begun) + content)

    def _lines(self, writer: Writer, content: bytes) -> None:
        """Let out whole lines, and what has gone back to its beginning; keep the rest."""
        whole = content.rfind(b"\n") + 1
        if len(content) - whole > LONGEST or content.find(b"\r", whole) >= 0:
            whole = len(content)
        if whole < len(content):
            self._started[writer] = bytearray(content[whole:])
            content = content[:whole]
        if content:
            self._out(writer, content)

    def flush(self, descriptor: int) -> None:
        """Let out what this thread has begun."""
        writer = (get_ident(), descriptor)
        with self._lock:
            started = self._started.pop(writer, None)
            if started:
                self._out(writer, bytes(started))

    def finish(self) -> None:
        """Let out what any thread has begun, and end the last line: the process ends."""
        with self._lock:
            for writer in list(self._started):
                self._out(writer, bytes(self._started.pop(writer)))
            if self._unfinished is not None:
                self._out(self._unfinished, b"\n")

    def _out(self, writer: Writer, content: bytes) -> None:
        if self._unfinished not in (None, writer):
            content = b"\n" + content
        self._unfinished = None if content.endswith(b"\n") else writer
        _write(writer[1], content)
        self._look()

    def _left_unfinished(self) -> bool:
        """Whether somebody else may have written since, and no whole lines."""
        if self._file is None:
            return self._others.may_have_written()
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
        self._others.forget()


class Printed(io.BufferedIOBase):
    """The binary side of ``sys.stdout``, or of ``sys.stderr``.

    Args:
        output: Where it all goes.
        replaced: What it was before, for whoever asks for its name or its descriptor.
    """

    mode = "wb"

    def __init__(self, output: Output, replaced: io.TextIOBase) -> None:
        self._output = output
        self._replaced = replaced
        self._descriptor = replaced.fileno()

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
        self._output.printed(whole, self._descriptor)
        return len(whole)

    def flush(self) -> None:
        """Let out what this thread has begun."""
        if not self.closed:
            self._output.flush(self._descriptor)


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
        sys.stdout = sys.__stdout__ = _wrapped(output, replaced)  # type: ignore[misc]
        _installed.append(output)
        errors = sys.stderr
        if isinstance(errors, io.TextIOWrapper) and _same(replaced.fileno(), errors.fileno()):
            errors.flush()
            sys.stderr = sys.__stderr__ = _wrapped(output, errors)  # type: ignore[misc]
    except (OSError, ValueError):
        return _installed[-1] if _installed else None
    return output


def _wrapped(output: Output, replaced: io.TextIOWrapper) -> io.TextIOWrapper:
    made = io.TextIOWrapper(
        Printed(output, replaced),
        encoding=replaced.encoding,
        errors=replaced.errors,
        newline="\n",
        write_through=True,
    )
    made.mode = "w"  # type: ignore[misc]
    return made


def _same(one: int, other: int) -> bool:
    """Whether two descriptors lead to the same place."""
    return os.path.samestat(os.fstat(one), os.fstat(other))


def _write(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


_installed: list[Output] = []


def finish() -> None:
    """Let out what any thread has begun, if prints pass here: the process ends."""
    for output in _installed:
        output.finish()
