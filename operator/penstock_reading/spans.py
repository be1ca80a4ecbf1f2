"""Spans of time as kubectl writes them: `42s`, `5m10s`, `3h`."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["age", "duration"]


def duration(seconds: float) -> str:
    """Return a span in kubectl's short form: `42s`, `5m10s`, `3h`, `2d`."""
    whole = max(int(seconds), 0)
    if whole < 120:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 10:
        return f"{minutes}m{rest}s" if rest else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    hours = minutes // 60
    return f"{hours}h" if hours < 48 else f"{hours // 24}d"


def age(timestamp: str | None, now: datetime | None = None) -> str:
    """Return how long ago a Kubernetes time was."""
    if not timestamp:
        return "<unknown>"
    then = datetime.fromisoformat(timestamp)
    return duration(((now or datetime.now(UTC)) - then).total_seconds())
