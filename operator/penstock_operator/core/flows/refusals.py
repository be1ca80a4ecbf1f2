"""Runs that the API server did not take: when to try again, whom that concerns, and what is said.

A quota, a webhook, a name that somebody else's run has: each may come right, so each is tried again until the schedule's starting deadline.
What is refused for one run's own sake holds up no other; what is refused to the namespace, or to the operator, is not asked for a second
time in the same pass. Neighbours: `schedules` decides by it, the runtime remembers.
"""

from __future__ import annotations

from datetime import datetime

from penstock_operator.api.times import later

from ..model import Refusal

_SLOW = (10.0, 60.0)  # what a person has to change
_QUICK = (1.0, 30.0)  # a server that is busy or away
_PATIENT = 3  # such answers in a row that are nobody's business


def _passes(refusal: Refusal) -> bool:
    return refusal.code in (0, 429) or refusal.code >= 500


def try_again(refusal: Refusal) -> datetime:
    """Return when to try again."""
    first, longest = _QUICK if _passes(refusal) else _SLOW
    wait = min(longest, first * 2 ** min(refusal.count - 1, 16))
    return later(refusal.time, max(wait, refusal.retry_after or 0.0))


def waits(refusal: Refusal | None, now: datetime) -> bool:
    """Whether it is too early to try again. A clock that was set back does not make the wait longer."""
    return refusal is not None and refusal.time <= now < try_again(refusal)


def concerns_all(refusal: Refusal) -> bool:
    """Whether other runs of the namespace would be refused as well."""
    text = refusal.message
    return _passes(refusal) or refusal.code in (401, 404) or "quota" in text or "cannot create resource" in text


def worth_telling(refusal: Refusal) -> bool:
    """Whether a person should know: not of what passes within seconds."""
    return not _passes(refusal) or refusal.count >= _PATIENT


def said(refusal: Refusal) -> str:
    """Return the server's words on one line."""
    text = " ".join(refusal.message.split())
    if refusal.code == 0:
        return f"was not answered: {text or 'no answer'}"
    return f"was refused ({refusal.code} {refusal.reason or 'error'}): {text}"
