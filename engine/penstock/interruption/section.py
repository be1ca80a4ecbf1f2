"""User sections: the only places of a thread where an exception may arrive from outside.

Each thread that runs bodies has one `Section`. It is *open* while user code (or a wait on its behalf) runs, *closed*
while the engine works. A delivery to a closed section is kept and raised when the section opens next, so the engine's
own code is never torn. Delivery is by a signal on the main thread (it wakes a blocking sleep), by injection into other
threads (at their next bytecode), and by releasing the waiter of a thread that waits inside the engine.

Invariants: a delivery is raised at most once, and never lost: what was injected when a body of an inner run was about to
end is kept for the body around it; an injected exception never outlives the section that it was meant for (the flag
`injected` is written before `open` is read, and the other way round on leaving, so one side always sees the other);
nothing here takes a lock inside a signal handler.

Neighbours: `interrupt` decides what to deliver, `deadline` delivers timeouts, the drivers open and close.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import threading
import time
from time import sleep
from typing import TYPE_CHECKING, Any

from penstock.interruption.edges import at_next_instruction, interrupted, misses_a_try
from penstock.interruption.injection import off_such_a_jump, set_async_exception, take_back
from penstock.interruption.through_loops import in_loop, out_of_loop

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

WAKE_SIGNAL = signal.SIGURG
"""Wakes the main thread. Its default action is to do nothing, so a stray one is harmless; it is never SIGTERM, so that
whoever listens to SIGTERM (the pod's guard, by its wakeup fd) does not hear our own wake-ups."""


WAKE_SECONDS = 5.0
"""For how long the main thread is woken again if it does not react; a C call that keeps the GIL cannot be ended anyway."""


SLICE_SECONDS = 0.2
"""Longest single wait of the main thread in one go."""


AGAIN_SECONDS = 0.01
"""How long after a loss an exception is injected again: longer than a thread waits for the interpreter's lock."""


class Section:
    """What one thread is doing: in user code (open) or in the engine (closed)."""

    __slots__ = (
        "bodies",
        "fired",
        "injected",
        "injected_type",
        "insisting",
        "is_main",
        "lock",
        "on_raise",
        "open",
        "owed",
        "pending",
        "resting",
        "shields",
        "slot",
        "thread_id",
        "waiter",
    )

    def __init__(self) -> None:
        self.thread_id = threading.get_ident()
        self.is_main = threading.current_thread() is threading.main_thread()
        self.open = False
        self.pending: BaseException | None = None
        self.on_raise: Callable[[Section], None] | None = None
        self.insisting = False
        self.injected = False
        self.injected_type: type[BaseException] | None = None
        self.owed: BaseException | None = None  # what is injected, until it is raised
        self.fired: BaseException | None = None  # what was raised last
        self.bodies = 0  # that are running: each was called by the one before
        self.shields = 0
        self.resting = False  # it waits for runs, for time or for a resume, and for nothing else
        self.lock = threading.Lock()
        self.waiter: threading.Lock | None = None
        self.slot: Any = None  # permission of a bounded pool to execute; given up while the thread blocks

    def call(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run user code with the section open; a kept delivery is raised first."""
        self.bodies += 1
        try:
            self.open = True
            if self.pending is not None:
                self.fire()
            value = fn(*args, **kwargs)
            self.open = False
        except BaseException as exc:
            self.open = False
            self.bodies -= 1
            if self.injected:
                self.withdraw()
            fired, self.fired = self.fired, None
            if fired is not None and (delivered := out_of_loop(exc)) is not None:
                raise delivered.with_traceback(exc.__traceback__) from None
            raise
        self.bodies -= 1
        if self.injected:
            self.withdraw()
        return value

    def fire(self) -> None:
        """Raise what was kept, unless shielded."""
        if self.shields:
            return
        exc, self.pending = self.pending, None
        if exc is None:
            return
        self.owed = None
        if self.injected:
            self.withdraw()
        self.open = False
        if self.on_raise is not None:
            self.on_raise(self)
        self.fired = in_loop(exc) if self.bodies else exc
        raise self.fired

    def reopen(self, was_open: bool) -> None:
        """Leave the engine: back to what the caller was, raising there what arrived meanwhile."""
        self.open = was_open
        if was_open and self.pending is not None:
            self.fire()

    def deliver(self, exc: BaseException, on_raise: Callable[[Section], None] | None = None) -> None:
        """Raise `exc` in this section: now if it is open, else when it opens next. From any thread.

        Args:
            exc: raised as it is on the main thread; elsewhere its class is raised.
            on_raise: told when it is raised.
        """
        self.on_raise = on_raise
        if self.is_main:
            self.pending = exc
            watch_lost()
            if threading.get_ident() != self.thread_id:
                signal.pthread_kill(self.thread_id, WAKE_SIGNAL)
                threading.Thread(target=self._insist, args=(exc,), name="penstock-wake", daemon=True).start()
            return
        off_such_a_jump(self.thread_id, lambda: self.open)
        with self.lock:
            self.pending = exc
            if self.waiter is not None and not self.shields:
                self._wake()
                return
            self.injected = True
            if self.open and not self.shields and threading.get_ident() != self.thread_id:
                if self.on_raise is not None:
                    self.on_raise(self)
                self.pending = None
                self.owed = exc
                self.injected_type = self._noticed(type(exc))
                watch_lost()
                set_async_exception(self.thread_id, self.injected_type)
            else:
                self.injected = False

    def _noticed(self, kind: type[BaseException]) -> type[BaseException]:
        """A class to inject: as soon as one of it is made, which is when it is raised, nothing is owed any more."""
        section = self

        class Injected(kind):  # type: ignore[misc,valid-type]
            __doc__, __module__ = kind.__doc__, kind.__module__

            def __init__(self, *args: Any) -> None:
                super().__init__(*args)
                self.delivery, section.owed = section.owed, None

            def __reduce__(self) -> tuple[Any, ...]:
                return kind, self.args

        Injected.__name__, Injected.__qualname__ = kind.__name__, kind.__qualname__
        return Injected

    def inject_again(self) -> None:
        """Inject once more what is owed.

        What ends meanwhile withdraws it, for the body around it if there is one.
        """
        with self.lock:
            if not self.injected or self.owed is None or self.injected_type is None:
                return
            if self.open and not self.shields:
                set_async_exception(self.thread_id, self.injected_type)
            elif self.bodies:  # the engine works for a body around: raised when that goes on
                self.pending, self.owed, self.injected = self.owed, None, False

    def deliver_again(self, exc: BaseException) -> None:
        """Deliver once more what was raised and lost, if the body goes on."""
        if self.bodies and self.pending is None:
            self.deliver(out_of_loop(exc) or exc, self.on_raise)

    def _insist(self, exc: BaseException) -> None:
        """Wake the main thread again until it has noticed.

        A signal that comes after the interpreter's last look and before a blocking call is entered does not end that
        call; the next one does.
        """
        self.insisting = True
        pause, until = 0.001, time.monotonic() + WAKE_SECONDS
        while time.monotonic() < until:
            sleep(pause)
            if self.pending is not exc:
                break
            signal.pthread_kill(self.thread_id, WAKE_SIGNAL)
            pause = min(pause * 2, 0.05)
        self.insisting = False

    def _wake(self) -> None:
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            ring(waiter)

    def withdraw(self) -> None:
        """Take back an injected exception that has not been raised yet; a body around this one still gets it."""
        with self.lock:
            if self.owed is not None:
                take_back()
            self.injected = False
            owed, self.owed = self.owed, None
            if owed is not None and self.bodies and self.pending is None:
                self.pending = owed

    def block(self, waiter: threading.Lock, timeout: float | None = None, resting: bool = False) -> bool:
        """Wait until `waiter` (held) is released; deliveries end the wait by their exception.

        Args:
            waiter: held by the caller.
            timeout: seconds.
            resting: that is all there is to do here until then; read from other threads.

        Returns:
            True when released, False when `timeout` seconds passed.
        """
        was_open = self.open
        if self.is_main:
            # A plain acquire: the handler of a signal that raises ends it at once.
            try:
                self.open = True
                if self.pending is not None:
                    self.fire()
                self.resting = resting
                # In slices: a signal that comes just before a wait begins is noticed at the next slice.
                left = timeout
                while not (
                    acquired := waiter.acquire(
                        True, SLICE_SECONDS if left is None else max(0.0, min(left, SLICE_SECONDS))
                    )
                ):
                    if left is not None and (left := left - SLICE_SECONDS) <= 0:
                        break
                self.resting = False
                self.open = was_open
            except BaseException:
                self.resting = False
                self.open = was_open
                raise
            return acquired
        with self.lock:
            self.waiter = None if self.pending is not None and not self.shields else waiter
        if self.waiter is not None:
            self.resting = resting
            acquired = waiter.acquire(True, -1 if timeout is None else max(0.0, timeout))
            self.resting = False
            with self.lock:
                self.waiter = None
        else:
            acquired = False
        if self.pending is not None:
            try:
                self.fire()
            finally:
                self.open = was_open
        return acquired

    def on_wake(self, frame: FrameType | None) -> None:
        """Body of every signal handler: raise in an open section, keep for later otherwise.

        Args:
            frame: what the signal interrupted; where an exception would get lost, it is raised a moment later.
        """
        if self.open and self.pending is not None and not self.shields:
            if loses_exceptions(frame):
                if self.insisting:
                    return
                self.insisting = True
                threading.Thread(target=self._insist, args=(self.pending,), name="penstock-wake", daemon=True).start()
                return
            frame = interrupted(frame)
            if frame is None or not misses_a_try(frame) or not at_next_instruction(frame, self._fire_if_open):
                self.fire()

    def _fire_if_open(self) -> None:
        if self.open and self.pending is not None:
            self.fire()


_CALLBACKS = ("_weakrefset.py", "weakref.py")


def loses_exceptions(frame: FrameType | None) -> bool:
    """Whether the frame runs on behalf of the garbage collector: what a finalizer, or a callback of it, raises is lost."""
    callbacks = {getattr(each, "__code__", None) for each in gc.callbacks}
    for _ in range(60):
        if frame is None:
            return False
        code = frame.f_code
        if code.co_name == "__del__" or code in callbacks or code.co_filename.endswith(_CALLBACKS):
            return True
        frame = frame.f_back
    return False


class _Lost:
    """The hook for exceptions that a finalizer or a callback of the collector lost: a delivered one is delivered once more."""

    __slots__ = ("previous",)

    def __init__(self, previous: Callable[[Any], Any]) -> None:
        self.previous = previous

    def __call__(self, unraisable: Any) -> None:
        section = current_section()
        if section.injected is True and unraisable.exc_type is section.injected_type:
            section.owed = getattr(unraisable.exc_value, "delivery", None) or section.owed
            _after_this(section.inject_again)
        elif section.fired is not None and unraisable.exc_value is section.fired:
            section.open = section.bodies > 0  # whoever raised it had closed it
            _after_this(section.deliver_again, section.fired)
        else:
            self.previous(unraisable)


def _after_this(act: Callable[..., None], *args: Any) -> None:
    """Have it done by another thread, a moment after this one leaves the hook, which must not be hit itself."""
    here = threading.Lock()
    here.acquire()

    def later() -> None:
        here.acquire()
        sleep(AGAIN_SECONDS)
        act(*args)

    threading.Thread(target=later, name="penstock-wake", daemon=True).start()
    here.release()


def watch_lost() -> None:
    """Install the hook, once; whatever hook there was is still called for everything else."""
    if not isinstance(sys.unraisablehook, _Lost):
        sys.unraisablehook = _Lost(sys.unraisablehook)


def ring(waiter: threading.Lock) -> None:
    """Release a waiter; what it waits for and a delivery may both do so, in either order."""
    with contextlib.suppress(RuntimeError):
        waiter.release()


class _Sections(threading.local):
    section: Section | None = None


_sections = _Sections()


def forget_sections() -> None:
    """In a forked child: its thread is another one, and in no section yet."""
    _sections.section = None


def current_section() -> Section:
    """The section of the calling thread; made on first use."""
    section = _sections.section
    if section is None:
        section = _sections.section = Section()
    return section
