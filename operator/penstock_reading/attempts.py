"""What is said between the logs of two attempts, and at the end: why it ended, how long it waited, what the run is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Between", "End", "Gone", "between", "end", "gone"]


def _state(kind: str, name: str) -> str:
    return kind if not name or name == kind else f"{kind}/{name}"


@dataclass(frozen=True, slots=True)
class Between:
    """An attempt is over, and another begins.

    Attributes:
        attempt: the one that is over.
        state: its state, `Crashed/Evicted`; empty: not known any more.
        message: why.
        began: whether the next one has begun.
        seconds: from its end to the next one's first line; None: not known.
    """

    attempt: int
    state: str
    message: str
    began: bool
    seconds: float | None

    def __str__(self) -> str:
        why = f"{self.state or 'is over'}{': ' if self.message else ''}{self.message}"
        after = f" {self.seconds:.1f}s later" if self.seconds is not None else ""
        return f"--- attempt {self.attempt} {why}{f'; attempt {self.attempt + 1} began{after}' if self.began else ''}"

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        more = {} if self.seconds is None else {"waitedSeconds": round(self.seconds, 3)}
        return {"event": "attempt", "attempt": self.attempt, "to": self.state, "message": self.message, **more}


@dataclass(frozen=True, slots=True)
class Gone:
    """Attempts whose logs are not there any more."""

    attempts: Sequence[int]

    def __str__(self) -> str:
        if len(self.attempts) == 1:
            return (
                f"--- attempt {self.attempts[0]}: its pod is gone, and its log with it (runPolicy.retention.podSeconds)"
            )
        which = f"{', '.join(map(str, self.attempts[:-1]))} and {self.attempts[-1]}"
        if len(self.attempts) > 3:
            which = f"{self.attempts[0]} to {self.attempts[-1]}"
        return f"--- attempts {which}: their pods are gone, and their logs with them (runPolicy.retention.podSeconds)"

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"event": "gone", "attempts": list(self.attempts)}


@dataclass(frozen=True, slots=True)
class End:
    """What the run is: at the end, or as long as it waits."""

    kind: str
    name: str
    message: str

    def __str__(self) -> str:
        state = _state(self.kind, self.name) or "not seen by the operator yet"
        told = self.message and self.message.lower() not in (self.name.lower(), self.kind.lower())
        return f"--- {state}{f': {self.message}' if told else ''}"

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"event": "run", "to": self.kind, "name": self.name, "message": self.message}


def between(status: Mapping[str, Any], attempt: int, next_began: str) -> Between:
    """Return what is said after an attempt.

    Args:
        status: the run's.
        attempt: the number of the one that is over.
        next_began: when the next one's first line came, RFC 3339; empty: not known.
    """
    found = _finished(status, attempt)
    ended, began = found.get("endTime"), next_began or _start(status, attempt + 1)
    seconds = None
    if ended and began:
        seconds = max(0.0, (datetime.fromisoformat(began) - datetime.fromisoformat(ended)).total_seconds())
    state = _state(str(found.get("state") or ""), str(found.get("reason") or ""))
    message = " ".join(str(found.get("message") or "").split())
    current = status.get("attempt") or {}
    waits = not began and current.get("number") == attempt + 1 and not current.get("podUID")
    return Between(attempt, state, message, not waits, seconds)


def end(status: Mapping[str, Any]) -> End:
    """Return what the run is."""
    state = status.get("state") or {}
    message = " ".join(str(state.get("message") or "").split())
    return End(str(state.get("type") or ""), str(state.get("name") or ""), message)


def gone(status: Mapping[str, Any], present: Sequence[int]) -> list[int]:
    """Return the attempts that had a pod, as far as is known, and have none any more."""
    current = status.get("attempt") or {}
    number = int(current.get("number") or 0)
    last = number if current.get("podUID") else number - 1
    return [each for each in range(1, last + 1) if each not in present]


def _finished(status: Mapping[str, Any], attempt: int) -> Mapping[str, Any]:
    """What the status has of an attempt that is over; empty: it keeps the newest ten."""
    known: Sequence[Mapping[str, Any]] = status.get("attempts") or ()
    return next((each for each in known if each.get("number") == attempt), {})


def _start(status: Mapping[str, Any], attempt: int) -> str:
    current = status.get("attempt") or {}
    if current.get("number") == attempt:
        return str(current.get("startTime") or "")
    found = _finished(status, attempt)
    return str(found.get("startTime") or "")
