"""Exceptions for another thread: at a place where they are seen, and taken back without a trace.

Neighbours: `section` decides what is delivered to whom; `edges` knows the places.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from time import sleep
from typing import TYPE_CHECKING

from penstock.interruption.edges import misses_a_try

if TYPE_CHECKING:
    from collections.abc import Callable


def off_such_a_jump(thread_id: int, open_: Callable[[], bool]) -> None:
    """Give another thread 10 ms to leave a jump at which what is injected would miss a `try`.

    A loop that looks for exceptions nowhere else stays there: it calls nothing.
    """
    if threading.get_ident() == thread_id:
        return
    for _ in range(20):
        if not open_() or not misses_a_try(sys._current_frames().get(thread_id)):
            return
        sleep(0.0005)


class _Instead(BaseException):
    """What is raised, and caught, instead of what is taken back."""


def take_back() -> None:
    """Take back what was injected into the calling thread, and was not raised yet.

    CPython (3.11, 3.12) lowers the flag by which threads notice such exceptions only where one is raised. After one that was taken back
    by none, all threads look for one at each jump from then on: loops are a third slower, and under a debugger 3.11.7 never goes on.
    """
    with contextlib.suppress(_Instead):
        set_async_exception(threading.get_ident(), _Instead)
        for _ in range(3):
            pass


def set_async_exception(thread_id: int, exc: type[BaseException]) -> None:
    """Have `exc` raised in a thread at its next bytecode, instead of what was to be raised there."""
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(exc))
