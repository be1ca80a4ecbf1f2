"""Timeouts for blocks of code, by the engine's own mechanism. Neighbours: `interruption.within`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.base.managers import contextmanager

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
    from penstock.interruption.within import within

    with within(seconds, error):
        yield


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
