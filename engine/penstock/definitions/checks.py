"""Options of flows and tasks, checked where they are given. Neighbours: `definition`, `flow` and `task` ask these."""

from __future__ import annotations

import threading
from typing import Any

from penstock.base.settings import get_current_settings

MAX_DELAYS = 50


def check_retries(retries: Any) -> int | None:
    """A number of retries, or None.

    Raises:
        ValueError: it is negative or no whole number.
    """
    if retries is None:
        return None
    if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
        raise ValueError(f"'retries' must be a whole number of 0 or more; {retries!r} was given.")
    return retries


def check_timeout(timeout: Any) -> float | None:
    """A timeout in seconds; 0, None, infinity and centuries are none.

    Raises:
        TypeError: it is no number.
        ValueError: it is negative.
    """
    if timeout is None or timeout == 0:
        return None
    try:
        seconds = float(timeout)
    except ValueError:
        raise TypeError(f"'timeout_seconds' must be a number; {timeout!r} was given.") from None
    if not seconds >= 0:
        raise ValueError(f"'timeout_seconds' must be 0 or more; {timeout!r} was given.")
    # What no clock can wait for is no limit.
    return seconds if seconds <= threading.TIMEOUT_MAX else None


def checked_delays(given: Any, retries: int | None) -> Any:
    """Check the delays between tries.

    Raises:
        TypeError: it is no number, list, or callable.
        ValueError: the list is longer than 50.
    """
    if callable(given):
        given = given(retries if retries is not None else get_current_settings().tasks.default_retries)
    if given is None or (isinstance(given, int | float) and not isinstance(given, bool)):
        return given
    if not isinstance(given, list):
        raise TypeError(
            f"Invalid `retry_delay_seconds` provided; must be an int, float, list or callable. Received type {type(given)}"
        )
    if len(given) > MAX_DELAYS:
        raise ValueError(f"Can not configure more than {MAX_DELAYS} retry delays per task.")
    return list(given)


def checked_jitter(factor: float | None) -> float | None:
    """Check how far a delay may vary.

    Raises:
        ValueError: it is negative.
    """
    if factor is not None and factor < 0:
        raise ValueError(f"`retry_jitter_factor` must be >= 0; {factor} was given.")
    return factor


def checked_condition(fn: Any) -> Any:
    """Check what decides about retries.

    Raises:
        TypeError: it cannot be called.
    """
    if fn is not None and not callable(fn):
        raise TypeError(f"Expected `retry_condition_fn` to be callable, got {type(fn).__name__} instead.")
    return fn
