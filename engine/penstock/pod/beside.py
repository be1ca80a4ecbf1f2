"""Who else writes to the pod's stdout, and so may have left a line there unfinished.

What stands last in a pipe can't be looked at. So it is asked who could have written: a child that has ended since, one
that lives and has the pipe open, code in C that has printed through the C library, or that may write by itself, a file
that the flow itself has opened there and put in the place of ``sys.stdout``. Whoever says no is sure of it; yes costs an
empty line at most.

Neighbours: ``penstock.pod.lines`` asks before each line of the log; ``penstock.pod.processes`` finds the children.
"""

from __future__ import annotations

import io
import os
import resource
import sys
from collections.abc import Set

from penstock.base.workers import WORKERS
from penstock.pod import clib, direct, processes

_LAYERS: dict[type, str] = {io.TextIOWrapper: "buffer", io.BufferedWriter: "raw", io.BufferedRandom: "raw"}
"""Files of these very classes run no code of the user's when they are asked what is below them."""

MOST = 32
"""Children that are looked at one by one; of more it is assumed that one of them writes."""


class Others:
    """The other writers of a descriptor.

    Args:
        descriptor: What they may have open too.
    """

    def __init__(self, descriptor: int) -> None:
        self._place = direct.inode_of(descriptor)
        self._used = _used_by_ended()
        self._ended: set[int] = set()
        self._used_below: dict[int, str | None] = {}  # by the children of workers that have ended
        self._is_child = False
        self._stays = False  # code in C that has printed, a file of the flow's own, or a parent
        self._replaced = False  # such a file is or was in the place of `sys.stdout`

    def may_have_written(self) -> bool:
        """Whether somebody may have written since this was asked last."""
        used, self._used = self._used, _used_by_ended()
        self._stays = self._replaced or clib.printed() or self._is_child or direct.may_write_in_c()
        if not self._stays:
            self._stays = self._replaced = self._leads_here(sys.stdout) or self._leads_here(sys.stderr)
        return used != self._used or self._stays or (_has_children() and self._lives(WORKERS))

    def may_be_writing(self) -> bool:
        """Whether somebody may write while a line of the log is written: one of those who may have written, or a worker."""
        return self._stays or (_has_children() and self._lives(frozenset()))

    def forget(self) -> None:
        """In a forked child: its parent and its parent's other children live, and can't be seen from here."""
        self._is_child = True

    def _leads_here(self, file: object) -> bool:
        """Whether what stands for ``sys.stdout`` now is a file that somebody opened on the descriptor, or on where it leads."""
        while (below := _LAYERS.get(type(file))) is not None:
            try:
                file = getattr(file, below)
            except ValueError:
                return False  # taken apart
        return type(file) is io.FileIO and not file.closed and direct.inode_of(file.fileno()) == self._place

    def _lives(self, spared: Set[int]) -> bool:
        found = processes.descendants(ended=True)
        if len(found) > MOST:
            return True
        # One that has ended, and that nobody has waited for yet, has written once.
        ended = {pid for pid in found if processes.is_ended(pid)}
        new, self._ended = ended - self._ended, ended
        if new or any(self._writes(pid) for pid in found if pid not in ended and pid not in spared):
            return True
        if not spared:
            return False
        before = self._used_below
        self._used_below = {pid: processes.used_by_ended(pid) for pid in found if pid in spared}
        return any(used != before.get(pid, "0") for pid, used in self._used_below.items())

    def _writes(self, pid: int) -> bool:
        """Whether a process has it open."""
        folder = f"/proc/{pid}/fd"
        try:
            numbers = os.listdir(folder)
        except OSError:
            # Another user's, or it has ended just now.
            return True
        return any(direct.inode_of(f"{folder}/{number}") == self._place for number in numbers)


def _has_children() -> bool:
    """Whether there is a child, living or not waited for; leaves its exit status to whoever waits for it."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except OSError:
        return False
    return True


def _used_by_ended() -> tuple[int, float, float]:
    """What all children that have ended have used, which each of them adds to."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_minflt, used.ru_utime, used.ru_stime
