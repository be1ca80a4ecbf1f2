"""Timeouts of bodies: on the main thread by one timer, elsewhere in a thread of the body's own.

A `Scope` is one running timeout. Scopes of the main thread share the process's one real-time timer and nest; the
exception is raised only in an open section. Time spent paused does not count: a pause shifts the deadlines of its root.
Neighbours: `sync` runs bodies through here; `aio` uses asyncio's own timeouts with the same scopes.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from penstock.base.managers import contextmanager
from penstock.base.tracebacks import trim
from penstock.interruption import forks
from penstock.interruption.section import Section, current_section, ring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Expired(BaseException):
    """Raised in a body whose time is up; as an interruption, so that no `except Exception` keeps it there."""

    _interrupts = True


@contextmanager
def expiring(alarm: Expired, error: BaseException) -> Iterator[None]:
    """Turn the alarm of a scope into the error of its run where it leaves the body.

    Args:
        alarm: what is raised in the body; with arguments. Injected into a thread it arrives without any.
        error: what the caller sees.
    """
    try:
        yield
    except Expired as exc:
        if exc is alarm or not exc.args:
            raise error.with_traceback(exc.__traceback__) from None
        raise


class Scope:
    """One running timeout."""

    __slots__ = ("deadline", "error", "reschedule")

    def __init__(self, seconds: float, error: BaseException) -> None:
        self.deadline = time.monotonic() + seconds
        self.error = error
        self.reschedule: Callable[[], None] | None = None

    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    def shift(self, seconds: float) -> None:
        """Push the deadline back."""
        self.deadline += seconds
        if self.reschedule is not None:
            self.reschedule()


class MainTimer:
    """The timer of the main thread, shared by nested scopes."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.previous: Any = None

    def available(self) -> bool:
        """Whether the alarm is ours to use: the user has neither a timer nor a handler of that signal."""
        if self.scopes:
            return signal.getsignal(signal.SIGALRM) == self._on_alarm
        return signal.getitimer(signal.ITIMER_REAL)[0] == 0 and signal.getsignal(signal.SIGALRM) in (
            signal.SIG_DFL,
            signal.SIG_IGN,
            None,
        )

    def enter(self, scope: Scope) -> None:
        """Start a scope; only on the main thread."""
        if not self.scopes:
            self.previous = signal.signal(signal.SIGALRM, self._on_alarm)
            forks.on_fork(self, self._forget)
        self.scopes.append(scope)
        scope.reschedule = self._arm
        self._arm()

    def leave(self, scope: Scope) -> None:
        """End a scope; an exception of it that was not raised yet is forgotten."""
        if scope not in self.scopes:
            return
        self.scopes.remove(scope)
        section = current_section()
        if section.pending is scope.error:
            section.pending = None
        if self.scopes:
            self._arm()
        else:
            self._stop()

    def _stop(self) -> None:
        forks.on_fork(self, None)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.previous if self.previous is not None else signal.SIG_DFL)

    def _forget(self) -> None:
        """In a forked child: its time is its own."""
        self.scopes = []
        self._stop()

    def _arm(self) -> None:
        nearest = min(scope.deadline for scope in self.scopes)
        signal.setitimer(signal.ITIMER_REAL, max(1e-6, nearest - time.monotonic()))

    def _on_alarm(self, _signum: int, frame: Any) -> None:
        section = current_section()
        now = time.monotonic()
        due = [scope for scope in self.scopes if scope.deadline <= now and not getattr(scope.error, "_raised", False)]
        later = [scope.deadline for scope in self.scopes if scope.deadline > now]
        if later:
            signal.setitimer(signal.ITIMER_REAL, max(1e-6, min(later) - now))
        if not due:
            return
        error = due[0].error
        error._raised = True  # type: ignore[attr-defined]
        if section.pending is None:
            section.pending = error
        section.on_wake(frame)


MAIN_TIMER = MainTimer()


class Abandoned(Exception):  # noqa: N818  (an outcome, not an error)
    """The thread of a body did not react to its timeout."""


def in_own_thread(
    work: Callable[[Callable[[Section], None]], Any],
    scope: Scope,
    name: str,
    grace: float = 0.1,
) -> Any:
    """Run `work` in a thread of its own, and inject the scope's error at its deadline.

    Whoever waits for a body that has not begun lets it not begin, and takes along one that runs where its own time is up.

    Args:
        work: called in the new thread with a function that it calls with its section before the body.
        scope: the timeout.
        name: of the thread.
        grace: seconds that the thread gets to leave after the injection.

    Raises:
        Abandoned: the thread is still inside a C call; its late result is dropped.
        BaseException: what `work` raised.
    """
    import contextvars

    pid = os.getpid()
    done = threading.Lock()
    done.acquire()
    box: list[Any] = []
    gate = threading.Lock()
    inner: list[Section] = []
    over: list[BaseException] = []  # why the body is not to begin any more
    outer = current_section()

    def ready(section: Section) -> None:
        with gate:
            if over:
                raise over[0]
            inner.append(section)

    def end(error: BaseException, delivered: bool) -> None:
        with gate:
            over.append(error)
        if inner and not delivered:
            inner[0].deliver(error)

    def target() -> None:
        section = current_section()
        section.slot = outer.slot
        try:
            box.append((True, work(ready)))
            if os.getpid() != pid:
                forks.end(None)
        except BaseException as exc:  # noqa: BLE001  (handed to the waiting thread)
            box.append((False, exc))
            if os.getpid() != pid:  # a child, in which nobody waits
                trim(exc)
                forks.end(exc)
        finally:
            ring(done)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(target,), name=name, daemon=True).start()
    late = False
    try:
        while not box and not late:
            outer.block(done, min(scope.left(), 0.25))  # a pause may move the deadline, both ways
            late = not box and scope.left() <= 0
    except BaseException as exc:
        # What asks a whole run to stop is told to each of its threads.
        end(exc, delivered=not isinstance(exc, (Expired, KeyboardInterrupt)))
        _left_within(grace, box, done)
        raise
    if late:
        end(scope.error, delivered=False)
        if not _left_within(grace, box, done):
            raise Abandoned
    ok, value = box[0]
    if ok:
        return value
    raise value


def _left_within(seconds: float, box: list[Any], done: threading.Lock) -> bool:
    """Whether a thread has left its outcome in time; that it rings is not enough: a delivery to who waits rings as well."""
    until = time.monotonic() + seconds
    while not box and (left := until - time.monotonic()) > 0:
        done.acquire(True, left)
    return bool(box)
