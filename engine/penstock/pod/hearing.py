"""Which signals the pod hears, whatever user code does to handlers and to the wakeup descriptor.

A runtime sends the image's STOPSIGNAL, so every signal that can be one is heard: SIGTERM always, another one unless
user code has taken it for itself (a handler of its own, or SIG_IGN). User code finds what it would find in a plain
process: handlers read as the default ones, and the wakeup descriptor, of which there is one in a process, reads as
free. Event loops take it (``loop.add_signal_handler``, uvloop): it stays the guard's, and what it brings is passed on.

Why not blocked signals and ``sigwait`` in a thread: a mask is inherited by every child that is started, through exec
too, and a child that cannot be ended by SIGTERM is worse than a signal that is heard late.

Invariants: everything here is told in the order in which it happened, through the one pipe, so that a signal counts as
user code's or ours by whose it was when it came; imports nothing heavy. Neighbour: ``penstock.pod.guard`` reads the
pipe. A forked child is rid of all of it before anything else runs in it.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # typeshed knows its face only
import contextlib
import os
import signal
import sys
import threading
from os import write
from time import sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Made by the kernel for what the process itself does (faults, children, pipes, timers, job control), used by the engine
# (SIGURG), or not to be caught at all. Everything else is sent by somebody who wants something: heard.
_NOT_HEARD = [
    *("SIGKILL", "SIGSTOP", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGSYS", "SIGTRAP", "SIGABRT", "SIGCHLD"),
    *("SIGPIPE", "SIGXFSZ", "SIGURG", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGCONT"),
]
_OURS, _THEIRS = 64, 128
"""Added to a signal's number: from here on in the pipe it is ours, or user code's."""
__penstock_waits__ = True
"""What interrupts the body while a handler of this module waits is raised where the body was (`penstock.interruption.edges`)."""
_COMPUTING_SECONDS, _TURN_SECONDS = 0.02, 0.002
"""How long the process may compute before the guard gets another turn, once a signal has come, and how long a turn is."""


def heard_signals() -> list[int]:
    """Give the numbers of the signals that end the run; the likeliest first."""
    numbers = {int(number) for number in _signal.valid_signals()} - {
        int(getattr(signal, name)) for name in _NOT_HEARD if hasattr(signal, name)
    }
    if any(_is_terminal(descriptor) for descriptor in range(3)):
        # A window that changes its size is no wish to stop.
        numbers.discard(int(signal.SIGWINCH))
    return sorted(numbers, key=lambda number: (number not in (signal.SIGTERM, signal.SIGINT), number))


class Hearing:
    """The signals and the wakeup descriptor of this process; see the module.

    Args:
        descriptor: The writing end of the guard's pipe, not blocking.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._former: set[int] = set()
        self._numbers: frozenset[int] = frozenset()
        self._taken: set[int] = set()
        self._counted: set[int] = set()
        self._again: set[int] = set()
        self._user_descriptor = -1
        self._gone = False
        self._masks: dict[int, set[Any]] = {}
        self._set_signal: Callable[..., Any] = _signal.signal
        self._get_signal: Callable[..., Any] = _signal.getsignal
        self._set_wakeup: Callable[..., int] = _signal.set_wakeup_fd
        self._library = _Library()
        self._handler = self._note
        self._pause: Callable[[], None] = signal.pause
        self._noted = 0

    def begin(self) -> None:
        """Hear from now on. On the main thread, before anything else."""
        # The descriptor first: a signal between the two must not be swallowed by a handler that tells nobody.
        self._set_wakeup(self._descriptor, warn_on_full_buffer=False)
        numbers = heard_signals()
        for number in numbers:
            # What was ignored when we started is ignored on purpose; but the run's end must always be heard.
            if number in (signal.SIGTERM, signal.SIGINT) or self._get_signal(number) != signal.SIG_IGN:
                self._set_signal(number, self._handler)
        self._numbers = frozenset(numbers)
        self._patch(self.signal, self.getsignal, self.set_wakeup_fd, self.pause)
        os.register_at_fork(before=self._before_fork, after_in_parent=self._after_fork, after_in_child=self._forget)

    def move(self, descriptor: int) -> None:
        """The guard's pipe is another one: from the next signal on the interpreter writes there; that signal is told by its handler."""
        self._former.add(self._descriptor)
        self._former.discard(descriptor)
        self._descriptor = descriptor

    # -- in the guard's thread -------------------------------------------------------------------------------------

    def sort_out(self, said: bytes) -> list[int]:
        """Give the signals, of those in a piece of the pipe, that the run is to be ended by; pass all on to user code."""
        numbers, ours = bytearray(), []
        for number in said:
            if number > _THEIRS:
                self._taken.add(number - _THEIRS)
            elif number > _OURS:
                self._taken.discard(number - _OURS)
                if number - _OURS in self._counted:
                    self._again.add(number - _OURS)
            elif number:
                numbers.append(number)
                if number in self._again:
                    # A handler has cleaned up, restored the default and sent the signal to itself: that is not one more.
                    self._again.discard(number)
                elif number == signal.SIGTERM or (number in self._numbers and number not in self._taken):
                    self._counted.add(number)
                    ours.append(number)
        if numbers and self._user_descriptor != -1:
            # As the interpreter has it: a loop that does not read, or has closed its socket, misses it.
            with contextlib.suppress(OSError):
                write(self._user_descriptor, numbers)
        return ours

    def insist(self) -> None:
        """Take SIGTERM back from code in C that has put a handler of its own, or the default, in our place."""
        if self._get_signal(signal.SIGTERM) != signal.SIG_IGN:
            self._library.restore(int(signal.SIGTERM), self._numbers - self._taken)

    # -- what user code calls ---------------------------------------------------------------------------------------

    def signal(self, number: int, handler: Any, /) -> Any:
        """``signal.signal``: the default action of a heard signal is to be heard."""
        if self._gone or number not in self._numbers:
            return self._set_signal(number, handler)
        if handler is _default(number) or (isinstance(handler, int) and handler == signal.SIG_DFL):
            handler = self._handler
        if handler is self._handler:
            before = self._set_signal(number, handler)
            self._tell(_OURS + number)
        else:
            self._tell(_THEIRS + number)
            before = self._set_signal(number, handler)
        return self._shown(number, before)

    def getsignal(self, number: int, /) -> Any:
        """``signal.getsignal``: as if nobody heard."""
        return self._shown(number, self._get_signal(number))

    def set_wakeup_fd(self, descriptor: int, /, *, warn_on_full_buffer: bool = True) -> int:
        """``signal.set_wakeup_fd``: what the pipe brings is passed on to that descriptor."""
        if self._gone:
            return self._set_wakeup(descriptor, warn_on_full_buffer=warn_on_full_buffer)
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("set_wakeup_fd only works in main thread of the main interpreter")
        descriptor = int(descriptor)
        if descriptor != -1:
            os.fstat(descriptor)
            if os.get_blocking(descriptor):
                raise ValueError(f"the fd {descriptor} must be in non-blocking mode")
        before, self._user_descriptor = self._user_descriptor, descriptor
        return before

    def pause(self) -> None:
        """``signal.pause``: what ends the run does not end the wait, as it would not where nobody hears; the run's end does."""
        while True:
            noted = self._noted
            self._pause()
            if noted == self._noted:
                return

    def _shown(self, number: int, handler: Any) -> Any:
        # SIGINT reads as taken: asyncio would otherwise put a handler of its own over the default one.
        return (
            int(signal.SIG_DFL) if handler is self._handler and number != signal.SIGINT and not self._gone else handler
        )

    def _note(self, number: int, _frame: object) -> None:
        """The handler: lets the guard decide what the signal means, which has heard of it already.

        If somebody has got at the descriptor by a way of his own, it is told now, and the descriptor taken back.
        """
        self._noted += 1
        before = self._set_wakeup(self._descriptor, warn_on_full_buffer=False)
        if before != self._descriptor:
            if before not in self._former:
                self._user_descriptor = before
            self._tell(number)
        self._give_turns()

    def _give_turns(self) -> None:
        """Leave the interpreter to the guard for a moment, and again and again as long as the process computes.

        Code in C that keeps the interpreter's lock but looks for signals (``re``, large numbers) gives it up in a handler
        only. The timer counts the time that the process computes, so it costs nothing where it is not needed.
        """
        free = signal.getitimer(signal.ITIMER_VIRTUAL)[0] == 0
        if free and self._get_signal(signal.SIGVTALRM) == signal.SIG_DFL:
            self._set_signal(signal.SIGVTALRM, self._turn)
            signal.setitimer(signal.ITIMER_VIRTUAL, _COMPUTING_SECONDS, _COMPUTING_SECONDS)
        sleep(_TURN_SECONDS)

    def _turn(self, _number: int, _frame: object) -> None:
        sleep(_TURN_SECONDS)

    def _tell(self, said: int) -> None:
        while True:
            try:
                write(self._descriptor, bytes((said,)))
            except BlockingIOError:
                # The pipe is full; the guard reads it, as soon as we let it.
                sleep(0.001)
            else:
                return

    # -- children ---------------------------------------------------------------------------------------------------

    def _before_fork(self) -> None:
        # A signal to a child that still has our handlers would be told to us, through the pipe that both have.
        self._masks[threading.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, _signal.valid_signals())

    def _after_fork(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.pop(threading.get_ident()))

    def _forget(self) -> None:
        """In a forked child: its signals are its own, and as a new process has them."""
        try:
            self._gone = True
            self._patch(self._set_signal, self._get_signal, self._set_wakeup, self._pause)
            self._set_wakeup(-1)
            for number in self._numbers:
                if self._get_signal(number) is self._handler:
                    self._set_signal(number, _default(number))
            if self._get_signal(signal.SIGVTALRM) == self._turn:
                self._set_signal(signal.SIGVTALRM, signal.SIG_DFL)  # its timer is the parent's
        finally:
            self._after_fork()

    def _patch(self, set_signal: Any, get_signal: Any, set_wakeup: Any, pause: Any) -> None:
        # The module `signal` looks two of them up in `_signal` at each call, and has names of its own for the others.
        _signal.signal, _signal.getsignal = set_signal, get_signal
        _signal.set_wakeup_fd = signal.set_wakeup_fd = set_wakeup
        _signal.pause = signal.pause = pause


class _Library:
    """The dispositions as the kernel has them, through the C library; what a handler in C does shows nowhere else."""

    _SIZE = 512  # more than a `struct sigaction` has anywhere

    def __init__(self) -> None:
        self._sigaction: Any = None
        self._interpreters: int | None = None

    def restore(self, number: int, alike: frozenset[int]) -> None:
        """Give a signal the handler that most of the others have, which is the interpreter's; not if it is ignored."""
        present = self._read(number)
        if present is None or present[0] in (signal.SIG_IGN, self._interpreters):
            return
        found = [action for action in map(self._read, alike - {number}) if action is not None]
        handlers = [handler for handler, _ in found]
        interpreters = max(set(handlers), key=handlers.count, default=0)
        if interpreters in (signal.SIG_DFL, signal.SIG_IGN):
            return
        self._interpreters = interpreters
        if present[0] != interpreters:
            self._sigaction(number, next(action for handler, action in found if handler == interpreters), None)

    def _read(self, number: int) -> tuple[int, Any] | None:
        """Give the handler's address, and the whole as the C library writes it."""
        try:
            import ctypes

            if self._sigaction is None:
                self._sigaction = ctypes.CDLL(None).sigaction
            action = ctypes.create_string_buffer(self._SIZE)
            if self._sigaction(number, None, action):
                return None
        except (ImportError, OSError, AttributeError):
            return None
        return int.from_bytes(action.raw[: ctypes.sizeof(ctypes.c_void_p)], sys.byteorder), action


def _default(number: int) -> Any:
    return _signal.default_int_handler if number == signal.SIGINT else int(signal.SIG_DFL)


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
