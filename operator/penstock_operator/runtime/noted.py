"""What is noted of an object that can't be read: that it is there, and why nobody decides about it.

Neighbours: `store` notes it, `unreadable` tells it to people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WORDS = 512  # of why an object can't be read


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object that is there and can't be read.

    Attributes:
        uid: its UID.
        version: its resourceVersion.
        why: in words.
        stateless: nobody has said yet what state it is in (a run).
    """

    uid: str
    version: int
    why: str
    stateless: bool


def has_state(raw: Mapping[str, Any]) -> bool:
    """Return whether somebody has said what state a run is in."""
    status = raw.get("status")
    return isinstance(status, Mapping) and bool(status.get("state"))


def why_of(error: Exception) -> str:
    """Return in one line what is wrong with an object; a validation names the field."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:WORDS]
