"""The guard: a small process that ends what `penstock dev` started, when `penstock dev` itself was killed.

It does nothing but wait for the end of its standard input, which comes when its parent ends, however that happens (`kill -9`
included). Then it kills every process that carries the parent's mark in its environment, and removes the parent's scratch folder.
Invariant: it needs only the standard library, so that `python -I -S` starts it in a few milliseconds. The mark is inherited by
children of children, so a process that left its group or session is found too; where there is no /proc, the process groups that
were told to the guard must do.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["MARK", "Guard", "kill_marked", "marked"]

MARK = "PENSTOCK_DEV_MARK"
_PROC = Path("/proc")


def marked(mark: str) -> list[int]:
    """Return the processes whose environment holds a mark (or one that begins with it), without this process itself."""
    needle = f"{MARK}={mark}".encode()
    found = []
    with suppress(FileNotFoundError):
        for entry in _PROC.iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with suppress(OSError):
                if needle in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
    return found


def kill_marked(mark: str) -> None:
    """Kill every process with a mark, again and again until none is left: one may fork while it is looked for."""
    for _ in range(50):
        pids = marked(mark)
        if not pids:
            return
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        # Killed processes vanish from /proc's environ at once, or with their parent's wait; give the kernel a moment.
        time.sleep(0.01)


class Guard:
    """A running guard, held by the process that it watches.

    Attributes:
        mark: the mark of the children, to be in their environment under `MARK` (more may follow it there).
        scratch: a folder for temporary files that is removed at the end, also when the parent was killed. It lies in the system's own
            folder for them: its path is short, and sockets have little room for theirs.
    """

    def __init__(self) -> None:
        self.mark = secrets.token_hex(8)
        self.scratch = Path(tempfile.mkdtemp(prefix="penstock-"))
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, self.mark, str(self.scratch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd="/",
            # Its own session: Ctrl-C in the terminal is for the parent, and the guard has to outlive it.
            start_new_session=True,
        )

    def add(self, group: int) -> None:
        """Tell of a process group that has to end with the parent."""
        self._tell(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Tell that a process group has ended."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """End the guard: what is left with the mark is killed now, the folder is removed."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        if self._process.stdin is not None:
            with suppress(BrokenPipeError, ValueError):
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()


def _main(mark: str, scratch: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    kill_marked(mark)
    shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2])
