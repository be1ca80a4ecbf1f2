"""Timeouts for blocks of code, by the engine's own mechanism. Neighbours: `drivers.deadline`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def _error(kind: type[TimeoutError], seconds: float | None) -> TimeoutError:
    if not issubclass(kind, TimeoutError):
        raise ValueError("The `timeout_exc_type` argument must be a subclass of `TimeoutError`.")  # noqa: TRY004  (as Prefect)
    return kind(f"Scope timed out after {seconds} second(s).")


@contextmanager
def timeout(seconds: float | None = None, timeout_exc_type: type[TimeoutError] = TimeoutError) -> Iterator[None]:
    """Raise in the block when time is up; in sync code. On the main thread waits end at once.

    Args:
        seconds: None: no limit.
        timeout_exc_type: what to raise.

    Raises:
        ValueError: it is no kind of TimeoutError.
    """
    error = _error(timeout_exc_type, seconds)
    if seconds is None:
        yield
        return
    from penstock.interruption.deadline import MAIN_TIMER, Scope
    from penstock.interruption.section import current_section

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
    import threading

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


@contextmanager
def timeout_async(seconds: float | None = None, timeout_exc_type: type[TimeoutError] = TimeoutError) -> Iterator[None]:
    """Raise in the block when time is up; in async code, at the next await.

    Args:
        seconds: None: no limit.
        timeout_exc_type: what to raise.

    Raises:
        ValueError: it is no kind of TimeoutError.
    """
    error = _error(timeout_exc_type, seconds)
    if seconds is None:
        yield
        return
    import anyio

    with anyio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise error
