"""Children that user code forks: they start with signals of their own, and end where user code ends.

A forked child has one thread, a copy of everything, and nothing to come back to: the engine's other threads, and the
run, are its parent's. So what leaves the body of a run in a child ends the child, as it would end a script: a
SystemExit with its code, an exception with its traceback and 1, a value with 0. Runs that the child begins itself are
its own.

Neighbours: a life is what a driver hands the outcome of a body to, so in a child the lives of the parent's runs are
replaced; ``signals`` and ``deadline`` take their handlers off. Children by ``spawn`` and ``forkserver`` are new
processes and need nothing.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

from penstock.base.current import current_run, current_runner
from penstock.interruption.section import forget_sections

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.core.runs import Run


class _Forks:
    """What this process does when it is forked, and what it knows of that when it was."""

    def __init__(self) -> None:
        self.watched = False
        self.forked = False
        self.orphans: list[Run] = []
        self.kept: list[Any] = []
        self.masks: dict[int, Any] = {}
        self.work: dict[Any, Callable[[], None]] = {}


_forks = _Forks()


def watch() -> None:
    """Prepare for forks of this process; once."""
    if not _forks.watched:
        _forks.watched = True
        os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_start)


def on_fork(key: Any, work: Callable[[], None] | None) -> None:
    """Have something done in each child, before anything else runs there; None: no longer."""
    if work is None:
        _forks.work.pop(key, None)
    else:
        _forks.work[key] = work


def forked() -> bool:
    """Whether this process is a child that was forked by user code."""
    return _forks.forked


def left_by(run: Run, exc: BaseException | None) -> None:
    """Something of the user's was left that was called on behalf of a run: a child of that moment ends here."""
    if _forks.orphans and any(run is orphan for orphan in _forks.orphans):
        end(exc)


def end(exc: BaseException | None) -> NoReturn:
    """End this child as the interpreter would end a script that was left so.

    Args:
        exc: What user code was left by; None: it returned.
    """
    code = 0
    try:
        if isinstance(exc, SystemExit):
            code = _exit_code(exc)
        elif exc is not None:
            code = 128 + signal.SIGINT if isinstance(exc, KeyboardInterrupt) else 1
            sys.excepthook(type(exc), exc, exc.__traceback__)
        import atexit

        # As the interpreter does it: executors are told to end, threads are waited for, then the functions run.
        threading._shutdown()  # type: ignore[attr-defined]

        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    finally:
        os._exit(code)


class _NoLife:
    """In place of the life of a run that goes on in the parent only."""

    def send(self, outcome: Any) -> NoReturn:
        """Take the outcome of the body: the end of this process."""
        exc = getattr(outcome, "exc", None) if type(outcome).__name__ in ("Raised", "TimedOut") else None
        end(exc)


def _exit_code(exc: SystemExit) -> int:
    if exc.code is None:
        return 0
    if isinstance(exc.code, int):
        return exc.code & 0xFF
    sys.stderr.write(f"{exc.code}\n")
    return 1


def _before() -> None:
    # A signal that is meant for the child must not find the parent's handlers in it.
    _forks.masks[threading.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def _after() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forks.masks.pop(threading.get_ident()))


def _start() -> None:
    """What a child does first."""
    _forks.forked = True
    try:
        for work in list(reversed(_forks.work.values())):
            work()
        forget_sections()
        run = current_run.get()
        while run is not None:
            _forks.orphans.append(run)
            run.life = _NoLife()
            if run.is_flow:
                # Its threads, or processes, are the parent's; a new one is made where the child submits something.
                _forks.kept.append(run.runner)
                run.runner = None
                run.children = {}
            run = run.parent
        current_runner.set(None)
    finally:
        _after()
