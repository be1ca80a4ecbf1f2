"""The beat: a sign of life in a file, for a liveness probe on the node; it never leaves the pod.

One line, ``<pid> <monotonic ns> <process CPU ns>``, written every ten seconds. A probe takes a process for hung when
the beat is old and no CPU time went by since: a flow that computes in a C call, which keeps this thread from running,
is not hung.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from time import sleep

from penstock.pod.scratch import fresh_file

PERIOD_SECONDS = 10.0


def start(run_dir: str | None, first: Callable[[], object]) -> None:
    """Begin to beat, in a daemon thread.

    Args:
        run_dir: The folder; the file in it is ``beat``. None: there is none, which costs the probe, not the run.
        first: Something small that is to be done beside the start, and need not hold it up.
    """
    path = os.path.join(run_dir, "beat") if run_dir is not None else None
    threading.Thread(target=_beat, args=(path, first), name="penstock-beat", daemon=True).start()


def line(pid: int, monotonic_ns: int, cpu_ns: int) -> bytes:
    """Format one beat."""
    return f"{pid} {monotonic_ns} {cpu_ns}\n".encode()


def _beat(path: str | None, first: Callable[[], object]) -> None:
    first()
    if path is None:
        return
    # A full disk costs the probe, not the run.
    with contextlib.suppress(OSError):
        descriptor = fresh_file(path, 0o644)
        pid = os.getpid()
        while True:
            content = line(pid, time.monotonic_ns(), time.process_time_ns())
            os.pwrite(descriptor, content, 0)
            os.ftruncate(descriptor, len(content))
            sleep(PERIOD_SECONDS)
