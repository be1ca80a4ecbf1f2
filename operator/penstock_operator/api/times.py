"""Moments and waits: the one place that reads a time, writes one, and adds seconds to one. All of it saturates; nothing here overflows.

Kubernetes' `format: date-time` lets more through than Python's calendar holds, and more than RFC 3339: the year 0, offsets up to 99:99, any
character before the fraction, anything behind a second T. `TIME_PATTERN` refuses that in the CRDs; what an older CRD let in still has a
meaning here, the nearest moment that there is. Source of the leniency: kube-openapi's `strfmt.IsDateTime`, tried on real servers.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
LATEST: Final = datetime.max.replace(tzinfo=UTC)

# The first and the last year of the calendar with Z only: an offset would lead out of it.
_YEAR = "(000[2-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])"
_REST = "-[0-9]{2}-[0-9]{2}[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?"
_ZONE = "([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
TIME_PATTERN: Final = f"^({_YEAR}{_REST}{_ZONE}|(0001|9999){_REST}[Zz])$"

_ADMITTED = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))(?:[Tt].*)?",
    re.DOTALL,
)


def utc(value: datetime) -> datetime:
    """Return the time in UTC, the nearest that there is; a naive one is taken as UTC already."""
    if value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return EARLIEST if value.year == EARLIEST.year else LATEST


def rfc3339(value: datetime) -> str:
    """Write a time as RFC 3339 in UTC, with microseconds only where there are any."""
    return f"{utc(value).isoformat()[: -len('+00:00')]}Z"


def read_time(text: str) -> datetime:
    """Return the moment that a text means, in UTC; the nearest that Python's calendar holds.

    Args:
        text: RFC 3339, or whatever else an API server's `format: date-time` admits.

    Raises:
        ValueError: it is no time.
    """
    try:
        return utc(datetime.fromisoformat(text))
    except ValueError:
        found = _ADMITTED.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:64]!r} is no RFC 3339 time")
    year, month, day, hour, minute, second = (int(found[n]) for n in range(1, 7))
    if year < EARLIEST.year:
        return EARLIEST
    micros = int((found[7] or "0")[:6].ljust(6, "0"))
    local = datetime(year, month, day, 0, 0, 0, micros, UTC)
    offset = (int(found[9]) * 60 + int(found[10])) * 60 if found[8] else 0
    return later(local, hour * 3600 + minute * 60 + second - (offset if found[8] == "+" else -offset))


def later(moment: datetime, seconds: float) -> datetime:
    """Return the moment so many seconds after another (before it, where they are negative), or the last one that there is."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return LATEST if seconds > 0 else EARLIEST


def seconds_between(earlier: datetime, moment: datetime) -> float:
    """Return the seconds from one moment to another; negative, where it lies before."""
    return (moment - earlier).total_seconds()
