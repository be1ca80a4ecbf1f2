"""The end of the process, always in the same order: children, atexit functions, flushing, exit.

``os._exit`` at the end, not ``sys.exit``: the interpreter's own way out joins non-daemon threads and executors, which
users' code may hold for as long as it likes.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from time import sleep
from typing import Any, NoReturn

from penstock.pod import clib, lines
from penstock.pod.processes import bounded, end_descendants

CHILDREN_SECONDS = 2.0
CHILDREN_SECONDS_ENDING = 0.1
ATEXIT_SECONDS = 5.0
FLUSH_SECONDS = 0.1
TRACKER_SECONDS = 0.5


def leave(code: int, *, normal: bool, horizon: float | None = None) -> NoReturn:
    """End the process.

    Args:
        code: What to exit with.
        normal: Nothing came from outside: children get two seconds, and atexit functions run.
        horizon: When the process must be gone, monotonic seconds; None: nobody presses.
    """
    try:
        # multiprocessing's own helper ignores SIGTERM, and atexit functions may have something to tell it.
        tracker = _resource_tracker() if normal else None
        spared = getattr(tracker, "_pid", None)
        end_descendants(_within(CHILDREN_SECONDS if normal else CHILDREN_SECONDS_ENDING, horizon), spared)
        if normal:
            _tell_of_threads()
            _run_atexit(code)
        if tracker is not None and hasattr(tracker, "_stop"):
            bounded(tracker._stop, TRACKER_SECONDS)
        bounded(clib.flush, FLUSH_SECONDS)
        bounded(lines.finish, FLUSH_SECONDS)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                bounded(stream.flush, FLUSH_SECONDS)
        # It may be half imported: the main thread can be anywhere.
        shutdown = getattr(sys.modules.get("logging"), "shutdown", None)
        if shutdown is not None:
            bounded(shutdown, FLUSH_SECONDS)
    finally:
        # Nothing that goes wrong on the way out may keep the process.
        os._exit(code)


def _within(seconds: float, horizon: float | None) -> float:
    return seconds if horizon is None else max(0.0, min(seconds, horizon - time.monotonic()))


def _resource_tracker() -> Any:
    return getattr(sys.modules.get("multiprocessing.resource_tracker"), "_resource_tracker", None)


def _tell_of_threads() -> None:
    left = [
        thread.name
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread() and thread is not threading.current_thread()
    ]
    if left and "logging" in sys.modules:
        import logging

        logging.getLogger("penstock.pod").warning("Threads are still running and are left behind: %s", ", ".join(left))


def _run_atexit(code: int) -> None:
    import atexit

    def give_up() -> None:
        sleep(ATEXIT_SECONDS)
        os._exit(code)

    # On this thread, as Python does it: some libraries' functions look at the thread they run in.
    threading.Thread(target=give_up, name="penstock-leaving", daemon=True).start()
    atexit._run_exitfuncs()
