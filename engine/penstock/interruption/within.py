"""A time limit for a block of sync code, by the engine's own mechanism. Neighbours: `deadline`, whose timer it shares."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from penstock.base.managers import contextmanager
from penstock.interruption.deadline import MAIN_TIMER, Scope
from penstock.interruption.section import current_section

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def within(seconds: float, error: TimeoutError) -> Iterator[None]:
    """Raise the error in the block when time is up. On the main thread waits end at once.

    Args:
        seconds: from now; what no clock can wait for is no limit.
        error: what to raise.
    """
    if not seconds <= threading.TIMEOUT_MAX:
        yield
        return
    section = current_section()
    scope = Scope(seconds, error)
    if not section.is_main or not MAIN_TIMER.available():
        with _injected(section, scope):
            yield
        return
    MAIN_TIMER.enter(scope)
    was_open, section.open = section.open, True
    try:
        yield
    finally:
        section.open = was_open
        MAIN_TIMER.leave(scope)


@contextmanager
def _injected(section: Any, scope: Any) -> Iterator[None]:
    ended = threading.Event()
    told = threading.Event()

    def watch() -> None:
        if not ended.wait(max(0.0, scope.left())):
            section.deliver(scope.error)
            told.set()

    threading.Thread(target=watch, daemon=True).start()
    was_open, section.open = section.open, True
    try:
        yield
        if told.is_set():  # the block could not be interrupted where it was, and has ended since
            raise scope.error
    except type(scope.error) as exc:
        if not exc.args:
            raise scope.error from None
        raise
    finally:
        ended.set()
        section.open = was_open
        if section.injected:
            section.withdraw()
        if section.pending is scope.error:
            section.pending = None
