"""Times as Kubernetes writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def read_time(text: Any) -> datetime | None:
    """Give the moment that a text stands for, in UTC where it names no zone; None where it is none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
