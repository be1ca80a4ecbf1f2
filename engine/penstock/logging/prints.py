"""`log_prints`: `print` becomes a log line inside runs that want it, and nowhere else.

The builtin is replaced while any such run executes, and dispatches by the current run. Neighbours: drivers enter
`patch_print` around bodies; `sys.stdout` semantics of `print` are kept.
"""

from __future__ import annotations

import builtins
import os
import sys
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run
from penstock.base.managers import contextmanager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from penstock.core.runs import Run


class _Patch:
    """The one replacement of `print` in this process, counted."""

    def __init__(self) -> None:
        self.original = builtins.print
        self.count = 0
        self.lock = threading.Lock()


_patch = _Patch()

sent_home: ContextVar[Callable[[str], None] | None] = ContextVar("penstock_sent_home", default=None)
"""On a worker elsewhere: takes what a run prints that is no log line, so that it is printed where the flow runs."""
os.register_at_fork(after_in_child=_patch.lock._at_fork_reinit)  # type: ignore[attr-defined]  # as the standard library does


def wants_prints(run: Run | None) -> bool:
    """Own option of the definition, else the enclosing run's, else the setting; settled when the run was made."""
    return run is not None and bool(run.inherited)


def print_as_log(*args: Any, **kwargs: Any) -> None:
    """A `print` that logs at INFO inside runs that want it, with the caller's file and line."""
    run = current_run.get()
    target = kwargs.get("file")
    if run is None or not wants_prints(run) or (target is not None and target is not sys.stdout):
        home = sent_home.get()
        if home is None or (target is not None and target is not sys.stdout):
            _patch.original(*args, **kwargs)
        else:
            home(_text(args, kwargs))
        return
    import logging

    from penstock.logging.adapters import logger_of_run

    logger = logger_of_run(run)
    if logging.root.manager.disable >= logging.INFO and not logger.isEnabledFor(logging.INFO):
        # Logging was switched off as a whole; that is no reason to lose what is printed.
        _patch.original(*args, **kwargs)
        return
    logger.info("%s", _text(args, kwargs).rstrip(), stacklevel=2)


def _text(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """What `print` would write."""
    import io

    buffer = io.StringIO()
    _patch.original(*args, **{**kwargs, "file": buffer, "flush": False})
    return buffer.getvalue()


def enter() -> None:
    """Replace `print`; counted."""
    with _patch.lock:
        _patch.count += 1
        if _patch.count == 1:
            _patch.original = builtins.print
            builtins.print = print_as_log


def leave() -> None:
    """Put `print` back when nobody needs the replacement any more."""
    with _patch.lock:
        _patch.count -= 1
        if _patch.count == 0 and builtins.print is print_as_log:
            builtins.print = _patch.original


@contextmanager
def patch_print() -> Iterator[None]:
    """Let `print` dispatch by the current run for the block."""
    enter()
    try:
        yield
    finally:
        leave()
