"""A terminal for programs that want one: what they write is kept, and what a person would see of it can be asked."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.support.world import until

_STEP = re.compile(r"\x1b\[\??([0-9;]*)([A-Za-z])|\x1b[=>]|([\r\n])|([^\x1b\r\n]+)")


class Terminal:
    """A pseudo-terminal, with a program in it if one is given. A context manager that leaves no process behind.

    Args:
        command: the program.
        env: its environment.
        cwd: where it starts.
        size: lines and columns.
    """

    def __init__(
        self,
        command: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        size: tuple[int, int] = (24, 100),
    ) -> None:
        self._ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self.written = ""
        self._at = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._process: subprocess.Popen[bytes] | None = None
        if command:
            ends = dict.fromkeys(("stdin", "stdout", "stderr"), self.theirs)
            self._process = subprocess.Popen(command, env=env, cwd=cwd, start_new_session=True, **ends)  # type: ignore[call-overload]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        with contextlib.suppress(OSError):
            os.close(self.theirs)
        self._reader.join(5)
        os.close(self._ours)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while content := os.read(self._ours, 65536):
                self.written += content.decode(errors="replace")

    def type(self, text: str) -> None:
        """Type a text, as a person does."""
        os.write(self._ours, text.encode())

    def until(self, text: str) -> None:
        """Wait until a text was written, behind what was waited for before."""
        until(f"the terminal shows {text!r}", lambda: text in self.written[self._at :])
        self._at = self.written.index(text, self._at) + len(text)

    def screen(self) -> list[str]:
        """What stands there now, without what was wiped out or written over."""
        lines, row, column = [""], 0, 0
        for number, letter, move, text in _STEP.findall(self.written):
            if letter == "A":
                row = max(0, row - int(number or 1))
            elif letter == "K":
                lines[row] = "" if number == "2" else lines[row][:column]
            elif move == "\r":
                column = 0
            elif move == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif text:
                lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
                column += len(text)
        return [line.rstrip() for line in lines]
