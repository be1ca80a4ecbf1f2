"""The guard: hears signals from the first moment on, and whatever else must not wait for the main thread.

The C-level part of a signal handler writes the signal's number to a pipe at once, also while the main thread sits in a
C call; the guard's thread reads that pipe. The same pipe wakes it for everything else (:meth:`Guard.wake`).

Invariants: imports nothing heavy, for a signal that comes before :meth:`Guard.listen` is lost (process 1 has no default
action); takes no lock that user code or logging may hold; never logs. Neighbours: ``penstock.pod.__main__`` starts it
first, ``penstock.pod.ending`` is what it calls.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Listener(Protocol):
        """What the guard tells what it hears."""

        def on_signal(self, number: int, at: float) -> None:
            """A signal came, at that monotonic time."""

        def on_wake(self) -> None:
            """Something may have changed: look. Called after each wake, and at least every ``poll_seconds``."""


HEARD = (signal.SIGTERM, signal.SIGINT)
DEFAULT_POLL_SECONDS = 0.2


class Guard:
    """See the module."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._heard: list[tuple[int, float]] = []
        self._listener: Listener | None = None
        self.poll_seconds = DEFAULT_POLL_SECONDS

    def listen(self) -> None:
        """Install the handlers and start the thread. Call it first, on the main thread."""
        # The descriptor first: a signal between the two must not be swallowed by a handler that tells nobody.
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in HEARD:
            signal.signal(number, _ignore)
        os.register_at_fork(after_in_child=_forget)
        threading.Thread(target=self._run, name="penstock-guard", daemon=True).start()

    def attach(self, listener: Listener) -> None:
        """Tell ``listener`` what is heard from now on, and what was heard before."""
        self._listener = listener
        self.wake()

    def wake(self) -> None:
        """Make the guard look; from any thread, never blocks."""
        try:
            os.write(self._write, b"\0")
        except BlockingIOError:
            # The pipe is full of reasons to wake up already.
            return

    def wait(self, ready: Callable[[], bool], until: Callable[[], float]) -> bool:
        """Wait in the guard's thread, and go on hearing meanwhile.

        Args:
            ready: What is waited for.
            until: When to give up, monotonic seconds; asked anew each time, for a signal may bring it nearer.

        Returns:
            Whether it is ready.
        """
        while not ready():
            left = until() - time.monotonic()
            if left <= 0:
                return False
            self._turn(min(left, self.poll_seconds))
        return True

    def _run(self) -> None:
        while True:
            try:
                # Before there is a listener nothing is polled: only what is heard counts.
                self._turn(None if self._listener is None else self.poll_seconds)
            except Exception:  # noqa: BLE001 - a guard that died would leave a process that nothing ends
                sys.excepthook(*sys.exc_info())

    def _turn(self, seconds: float | None) -> None:
        select.select([self._read], [], [], seconds)
        now = time.monotonic()
        try:
            heard = os.read(self._read, 4096)
        except BlockingIOError:
            heard = b""
        self._heard.extend((number, now) for number in heard if number in HEARD)
        listener = self._listener
        if listener is None:
            return
        while self._heard:
            listener.on_signal(*self._heard.pop(0))
        listener.on_wake()


def _ignore(number: int, frame: object) -> None:
    """Do nothing: what a signal means is decided by the guard, and the engine interrupts the body when it is due."""


def _forget() -> None:
    """In a forked child: its signals are its own, and must not be heard by our guard through the pipe they share."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
