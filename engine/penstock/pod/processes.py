"""The processes that this one has started: ended before it leaves, whoever they are.

Descendants are found through /proc, each by its parent; so that the children of children that ended stay ours, the
process makes itself their subreaper. Exit statuses are left to whoever waits for them: ``waitpid(-1)`` would steal
those of ``subprocess``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from time import sleep

_PR_SET_CHILD_SUBREAPER = 36
_POLL_SECONDS = 0.005


def lead_group() -> None:
    """Become the leader of a process group of our own, when we are in somebody else's."""
    if os.getpgrp() != os.getpid():
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)


def adopt_orphans() -> None:
    """Have the kernel give us the orphans among our descendants; process 1 gets them anyhow."""
    if os.getpid() == 1:
        return
    # Where there is no such call (not Linux) children of children are out of reach.
    with contextlib.suppress(OSError, AttributeError, ImportError):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants(seconds: float, spared: int | None = None) -> None:
    """Send SIGTERM to all descendants, wait for them for so many seconds, then SIGKILL those that are left.

    Args:
        seconds: How long they get.
        spared: One that is left alone.
    """
    if not descendants(spared):
        return
    _signal_all(signal.SIGTERM, spared)
    end = time.monotonic() + seconds
    while descendants(spared) and time.monotonic() < end:
        sleep(_POLL_SECONDS)
    # Twice: what was forked while the first round went on.
    for _ in range(2):
        _signal_all(signal.SIGKILL, spared)


def descendants(spared: int | None = None, *, ended: bool = False) -> list[int]:
    """Give the ids of all living descendants but one, parents before their children.

    Args:
        spared: One that is left out, with its own.
        ended: Those too that have ended, and that nobody has waited for.
    """
    found: list[int] = []
    waiting = [os.getpid()]
    children_of = _children_by_proc if os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children") else None
    if children_of is None:
        table = _parents()
        children_of = lambda pid: [child for child, parent in table.items() if parent == pid]  # noqa: E731
    while waiting:
        children = [pid for pid in children_of(waiting.pop()) if pid != spared and (ended or not is_ended(pid))]
        found.extend(children)
        waiting.extend(children)
    return found


def bounded(work: Callable[[], object], seconds: float) -> None:
    """Do something that may block, and leave it behind if it does."""
    import threading

    thread = threading.Thread(target=_quietly, args=(work,), daemon=True)
    thread.start()
    thread.join(seconds)


def _quietly(work: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):
        work()


def _signal_all(number: int, spared: int | None) -> None:
    for pid in descendants(spared):
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def _children_by_proc(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found.extend(int(child) for child in file.read().split())
    return found


def _parents() -> dict[int, int]:
    found: dict[int, int] = {}
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):
            fields = _stat(int(name)) if name.isdigit() else None
            if fields is not None:
                found[int(name)] = int(fields[1])
    return found


def is_ended(pid: int) -> bool:
    """Whether a process has ended; somebody may still have to wait for it."""
    fields = _stat(pid)
    return fields is None or fields[0] in ("Z", "X")


def used_by_ended(pid: int) -> str | None:
    """What changes whenever a child of a process has ended, and was waited for: the pages that they have touched."""
    fields = _stat(pid)
    return fields[8] if fields is not None else None


def _stat(pid: int) -> list[str] | None:
    """State, parent and what follows; the command before them may hold blanks and brackets."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None
