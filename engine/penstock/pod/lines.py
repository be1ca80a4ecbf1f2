"""The pod's stdout in whole lines: what user code prints and what the log says never share a line.

Python's own writes are put together to lines, thread by thread, and each goes out in one piece; a line that somebody
flushes unfinished, or begins again with a carriage return, goes out as it is, and is ended before anybody else's
begins. Where stderr leads to the same place it passes here too. What goes past ``sys.stdout`` (``os.write(1, …)``) is
written at once, in its turn (``penstock.pod.direct``). The log's lines have a descriptor of their own: they arrive
whatever is done to ``sys.stdout`` or to descriptor 1. What children and code in C write to descriptor 1 does not pass
here. Code in C is made to write by lines (``penstock.pod.clib``). Where one of them may have left a line unfinished
(``penstock.pod.beside``), the log's next line begins with an end of line, and a blank at its own end tells readers that
the empty line before it, if there is one, means nothing. Where one of them may be writing now, a line that a pipe does
not take in one piece is written in parts (``penstock.pod.parts``). Where stdout is a file, what stands there last is
looked at.

Neighbour: ``penstock.pod.logs`` installs it. The lock is held while something is written, and never while user code
runs; it may be taken again by a signal handler that prints.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import itertools
import os
import stat
import sys
import threading
from collections.abc import Callable
from select import PIPE_BUF, POLLOUT, poll
from threading import get_ident
from typing import TYPE_CHECKING

from penstock.pod import direct
from penstock.pod.beside import Others
from penstock.pod.parts import parts_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from penstock.pod.direct import Count

LONGEST = 1 << 20
"""Bytes without an end of line that are kept back of one thread, at most."""

APART = b" \n"
"""How a line of the log ends before which an end of line was written, for somebody may have left a line unfinished."""

PIECE = PIPE_BUF
"""Bytes that a pipe takes in one piece."""
ROOM = 1 << 18
"""Bytes that the pipe holds, so that what a child writes at once is seldom interrupted. The kernel holds back pipes of all pods
of a node from 64 MiB on."""

Writer = tuple[int, int]
"""A thread, and the descriptor that it prints to."""

_LOG: Writer = (0, 0)
"""The log itself, where a line was broken off."""
_real_write = os.write


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
        self._in_doubt = False  # whether what was written last in its turn may be unfinished
        self._numbers = itertools.count(1)
        self._file: int | None = None
        self._size = 0
        self._others = Others(descriptor)
        with contextlib.suppress(OSError):
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode) and fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ) < ROOM:
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, ROOM)
        with contextlib.suppress(OSError):
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                self._file = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        os.register_at_fork(after_in_child=self._forget)

    def line(self, text: str) -> None:
        """Write a line of the log; ``text`` is without its end. It goes nowhere when nobody reads any more."""
        content = text.encode("utf-8", "backslashreplace")
        with self._lock:
            # Whatever breaks it off: the next line is not put behind what has come out of this one.
            begun, self._unfinished = self._unfinished, _LOG
            apart = self._left_unfinished()
            if begun is not None:
                line = b"\n" + content + b"\n"
            elif apart:
                line = b"\n" + content + APART
            else:
                line = content + b"\n"
            try:
                if len(line) > PIECE and self._file is None and self._others.may_be_writing():
                    for part in parts_of(content, PIECE - len(APART) - 1, self._named()):
                        _write(self._log, b"\n" + part + APART)
                else:
                    _write(self._log, line)
            except BrokenPipeError:
                pass
            self._unfinished = None
            self._look()

    def turn(self, descriptor: int, write: Callable[[], Count], ends: Callable[[int], bool | None]) -> Count:
        """Have something written past ``sys.stdout``; see ``penstock.pod.direct``."""
        with self._lock:
            count = write()
            if count:
                whole = ends(count)
                self._unfinished = (get_ident(), descriptor) if whole is False else None
                if whole is None:
                    self._in_doubt = True
                else:
                    self._look()
        return count

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
            written = self._others.may_have_written() or self._in_doubt
            self._in_doubt = False
            return written
        size = os.fstat(self._file).st_size
        return size > self._size and os.pread(self._file, 1, size - 1) != b"\n"

    def _named(self) -> str:
        """What a line in parts is called: another in each process that writes here."""
        return f"{os.getpid()}-{next(self._numbers)}"

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
        """The descriptor itself; what is written there is not put together to lines."""
        return direct.raw_file(self._descriptor)

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
        descriptors = {replaced.fileno()}
        sys.stdout = sys.__stdout__ = _wrapped(output, replaced)  # type: ignore[misc]
        _installed.append(output)
        errors = sys.stderr
        if isinstance(errors, io.TextIOWrapper) and _same(replaced.fileno(), errors.fileno()):
            errors.flush()
            sys.stderr = sys.__stderr__ = _wrapped(output, errors)  # type: ignore[misc]
            descriptors.add(errors.fileno())
        direct.install(output, descriptors)
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
    while True:
        try:
            count = _real_write(descriptor, left)
        except BlockingIOError:
            # Somebody who shares it has made it so that a write does not wait.
            waiting = poll()
            waiting.register(descriptor, POLLOUT)
            waiting.poll()
            continue
        if count == len(left):
            return
        left = left[count:]


_installed: list[Output] = []


def finish() -> None:
    """Let out what any thread has begun, if prints pass here: the process ends."""
    for output in _installed:
        output.finish()
