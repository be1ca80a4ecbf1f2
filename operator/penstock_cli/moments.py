"""Times and spans on a command line: `30s`, `1h30m`, `+10m`, RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from .errors import CliError
from .exits import Exit

__all__ = ["moment", "seconds"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def seconds(text: str) -> float:
    """Return a span of time as kubectl takes it, and days: `30s`, `1h30m`, `2d`; a bare number counts seconds.

    Raises:
        CliError: it is none.
    """
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise CliError(f'error: invalid duration "{text}": write it as 30s, 5m or 1h30m', Exit.USAGE)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def moment(text: str, now: datetime) -> datetime:
    """Return the time that `--at` means: RFC 3339 with its zone, or `+10m` from now.

    Args:
        text: as it was typed.
        now: the time now, in the zone of whoever types.

    Raises:
        CliError: it is neither, or the calendar has no such time.
    """
    if text.startswith("+"):
        try:
            return now + timedelta(seconds=seconds(text.removeprefix("+")))
        except OverflowError:
            raise _beyond(text) from None
    try:
        found = datetime.fromisoformat(text.upper())  # RFC 3339 has `t` and `z` too
    except ValueError:
        example = now.isoformat(timespec="seconds")
        raise CliError(f"error: --at {text!r} is no time: write RFC 3339, {example}, or +10m", Exit.USAGE) from None
    if found.tzinfo is None:
        zoned = found.replace(tzinfo=now.tzinfo).isoformat()
        raise CliError(
            f"error: --at {text} says no time zone: add Z for UTC, or write {zoned} for the time here", Exit.USAGE
        )
    try:
        found.astimezone(UTC)
    except OverflowError:
        raise _beyond(text) from None
    return found


def _beyond(text: str) -> CliError:
    return CliError(f"error: --at {text} is beyond the calendar", Exit.USAGE)
