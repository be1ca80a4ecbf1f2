"""Signal handlers of a plain process, for as long as a root run executes on the main thread.

SIGTERM: nobody wants the run any more, so it is interrupted as `terminated`; after the run has ended the previous
handler is restored and the signal delivered again. SIGINT: KeyboardInterrupt in user code. A second SIGTERM is the
default action. A caller that owns the signals (`Control(handle_signals=False)`, the pod) gets the wake signal only.
Neighbours: `interrupt` is what the handlers call; `section` raises.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from penstock.interruption import forks
from penstock.interruption.interrupt import Cause, Control
from penstock.interruption.section import WAKE_SIGNAL, current_section

if TYPE_CHECKING:
    from collections.abc import Callable


class SignalScope:
    """Handlers installed around one root run on the main thread."""

    __slots__ = ("control", "previous", "received")

    def __init__(self, control: Control) -> None:
        self.control = control
        self.previous: dict[int, Any] = {}
        self.received: int | None = None

    def install(self, *, sigint: bool) -> None:
        """Install the handlers; elsewhere than on the main thread, nothing.

        Args:
            sigint: also that of SIGINT; in async runs it stays the event loop's.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        # A child is not ours to interrupt: whoever ends it means it, and not the run.
        forks.on_fork(self, self.restore)
        self._set(WAKE_SIGNAL, self._on_wake)
        if self.control.handle_signals:
            self._set(signal.SIGTERM, self._on_terminate)
            if sigint and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._set(signal.SIGINT, self._on_interrupt)

    def _set(self, number: int, handler: Callable[[int, Any], None]) -> None:
        before = signal.getsignal(number)
        if before is None:  # installed by something that is not Python: not ours to replace
            return
        self.previous[number] = before
        signal.signal(number, handler)

    def restore(self) -> None:
        """Put back what was there, unless user code has put something else there meanwhile."""
        forks.on_fork(self, None)
        ours = (self._on_wake, self._on_terminate, self._on_interrupt)
        for number, before in self.previous.items():
            if signal.getsignal(number) in ours:
                signal.signal(number, before)
        self.previous = {}

    def redeliver(self) -> None:
        """Deliver the signal again that ended the run, to whoever would have had it."""
        if self.received is not None and signal.getsignal(self.received) != signal.SIG_IGN:
            os.kill(os.getpid(), self.received)

    def _on_wake(self, _number: int, frame: Any) -> None:
        current_section().on_wake(frame)

    def _on_terminate(self, number: int, frame: Any) -> None:
        if self.received is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self.received = number
        self.control.interrupt(Cause("terminated", signal=number))
        current_section().on_wake(frame)

    def _on_interrupt(self, _number: int, frame: Any) -> None:
        section = current_section()
        section.pending = KeyboardInterrupt()
        section.on_wake(frame)
