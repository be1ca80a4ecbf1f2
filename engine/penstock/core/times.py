"""Points in time from seconds; the clock itself is the world's."""

from __future__ import annotations

from datetime import UTC, datetime


def at(seconds: float) -> datetime:
    """The point in time so many seconds after the epoch, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
