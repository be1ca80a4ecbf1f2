"""The guard: hears signals from the first moment on, and whatever else must not wait for the main thread.

The C-level part of a signal handler writes the signal's number to a pipe at once, also while the main thread sits in a
C call; the guard's thread reads that pipe. The same pipe wakes it for everything else (:meth:`Guard.wake`).

Invariants: imports nothing heavy, for a signal that comes before :meth:`Guard.listen` is lost (process 1 has no default
action); takes no lock that user code or logging may hold; calls what it bound before there was user code, which may patch
it (eventlet's ``os.read`` waits in a loop of its own where there is nothing to read); never logs. Neighbours:
``penstock.pod.__main__`` starts it first, ``penstock.pod.hearing`` says which signals are its own,
``penstock.pod.ending`` is what it calls.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from os import read, write
from select import POLLIN, poll
from time import sleep

from penstock.pod import failures
from penstock.pod.hearing import Hearing

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


DEFAULT_POLL_SECONDS = 0.2
INSIST_SECONDS = 0.25  # a JVM (JPype, JDBC) puts its own handler in place, and would exit


class _Pipe:
    """The guard's pipe, and whether its numbers are still its own: user code may close what it did not open."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        os.set_blocking(self.read, False)
        os.set_blocking(self.write, False)
        self._file = os.fstat(self.read).st_ino

    @property
    def intact(self) -> bool:
        """Whether both ends are open, and the numbers are not those of another file by now."""
        try:
            return os.fstat(self.read).st_ino == self._file == os.fstat(self.write).st_ino
        except OSError:
            return False


class Guard:
    """See the module."""

    def __init__(self) -> None:
        self._pipe = _Pipe()
        self._hearing = Hearing(self._pipe.write)
        self._heard: list[tuple[int, float]] = []
        self._insist_at = 0.0
        self._asking: deque[threading.Event] = deque()
        self._signalled = False
        self._listener: Listener | None = None
        self.poll_seconds = DEFAULT_POLL_SECONDS

    def listen(self) -> None:
        """Hear from now on, and start the thread. Call it first, on the main thread."""
        self._hearing.begin()
        threading.Thread(target=self._run, name="penstock-guard", daemon=True).start()

    def attach(self, listener: Listener) -> None:
        """Tell ``listener`` what is heard from now on, and what was heard before."""
        self._insist_at = time.monotonic() + INSIST_SECONDS
        self._listener = listener
        self.wake()

    def wake(self) -> None:
        """Make the guard look; from any thread, never blocks."""
        # Full, it is full of reasons to wake up already; closed by user code since it was looked at, the next turn makes another.
        with contextlib.suppress(OSError):
            write(self._whole().write, b"\0")

    def _whole(self) -> _Pipe:
        """The pipe; another one where user code has closed it."""
        if not self._pipe.intact:
            self._pipe = _Pipe()
            self._hearing.move(self._pipe.write)
        return self._pipe

    def signalled(self, seconds: float) -> bool:
        """Tell whether a signal has come that ends the run; from another thread.

        What came before the call counts: it waits, for so many seconds at most, until the guard has read that far.
        """
        read_up = threading.Event()
        self._asking.append(read_up)
        self.wake()
        read_up.wait(seconds)
        return self._signalled

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
                failures.tell()
                sleep(self.poll_seconds)

    def _turn(self, seconds: float | None) -> None:
        pipe = self._whole()
        ready = poll()  # `select` takes no number above 1,023
        ready.register(pipe.read, POLLIN)
        ready.poll(None if seconds is None else seconds * 1000)
        now = time.monotonic()
        # Before the read: who asks while it goes on is told by the next one.
        asking = [self._asking.popleft() for _ in range(len(self._asking))]
        heard = b""
        if pipe.intact:
            with contextlib.suppress(BlockingIOError):
                heard = read(pipe.read, 4096)
        self._heard.extend((number, now) for number in self._hearing.sort_out(heard))
        self._signalled = self._signalled or bool(self._heard)
        for read_up in asking:
            read_up.set()
        listener = self._listener
        if listener is None:
            return
        if now >= self._insist_at:
            self._insist_at = now + INSIST_SECONDS
            self._hearing.insist()
        while self._heard:
            listener.on_signal(*self._heard.pop(0))
        listener.on_wake()
