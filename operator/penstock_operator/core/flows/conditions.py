"""The conditions of a Flow, for `kubectl wait`, kstatus and people; the message of Ready is the one that `kubectl get flows` shows.

Ready is for tools that wait: all of the Flow can be used. What can't be, be it one schedule of many, makes it Stalled: kstatus gives up then
instead of waiting for ever, and the other schedules go on. Suspended and Degraded do not touch Ready. MissedRuns tells what is over
already, so it stays for a while, and goes with a run that was not missed.
Neighbours: `readiness` and the policies say what is wrong, `decide` puts it together.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from penstock_operator.api.flow import Flow
from penstock_operator.api.metadata import Condition, ConditionStatus
from penstock_operator.api.times import seconds_between

from ..conditions import Value, condition
from ..limits import MESSAGE, cut
from ..model import Emit
from .model import FlowEffect, Part, Readiness
from .suspension import told

DEGRADED, MISSED = "Degraded", "MissedRuns"
_MISSED_SECONDS: Final = 3600  # for so long at least is it told that runs were missed

_Row = tuple[str, Value, str, str]


def conditions(flow: Flow, ready: Readiness, parts: Sequence[Part], now: datetime) -> tuple[Condition, ...]:
    """Return the conditions of a Flow; those that say the same as before are the same values.

    Args:
        flow: as it is, with the conditions that were told last.
        ready: whether runs can be made of it.
        parts: what the policies found.
        now: the operator's clock.
    """
    before = {c.type: c for c in flow.status.conditions or ()}
    faults = [fault for part in parts for fault in part.faults]
    degraded = "; ".join(part.degraded for part in parts if part.degraded)
    missed = _missed(before.get(MISSED), parts, now)
    suspension = told(flow)
    rows = [
        *_readiness(ready, faults, [degraded, missed or "", suspension]),
        ("Suspended", *_switch(flow.spec.suspend, "Suspended", "Active"), suspension),
        (DEGRADED, *_switch(bool(degraded), "RunRefused", "AsExpected"), degraded),
    ]
    if missed is not None:
        rows.append((MISSED, *_switch(bool(missed), "TooManyMissed", "NoneMissed"), missed))
    generation = flow.metadata.generation
    return tuple(
        condition(before.get(t), t, value, reason, cut(message, MESSAGE), generation=generation, now=now)
        for t, value, reason, message in rows
    )


def _readiness(ready: Readiness, faults: Sequence[str], notes: Sequence[str]) -> list[_Row]:
    """Ready, Reconciling and Stalled: what kstatus reads."""
    reason = ready.reason if not faults or not ready.usable else "ScheduleUnusable"
    message = "; ".join(filter(None, [ready.message, *faults]))
    stalled = bool(message) and not ready.waits
    return [
        ("Ready", "False" if message else "True", reason, "; ".join(filter(None, [message, *notes]))),
        ("Reconciling", "True" if ready.waits else "False", reason, message if ready.waits else ""),
        ("Stalled", "True" if stalled else "False", reason, message if stalled else ""),
    ]


def _switch(on: bool, reason: str, otherwise: str) -> tuple[Value, str]:
    return ("True", reason) if on else ("False", otherwise)


def _missed(old: Condition | None, parts: Sequence[Part], now: datetime) -> str | None:
    """Return what is said of runs that were missed; empty: nothing any more; None: nothing ever was."""
    said = [part.missed for part in parts if part.missed is not None]
    words = "; ".join(filter(None, said))
    if words or old is None:
        return words or None
    if old.status is not ConditionStatus.TRUE:
        return ""
    fresh = 0 <= seconds_between(old.last_transition_time, now) < _MISSED_SECONDS
    return old.message if fresh or not said else ""


def news(flow: Flow, now_told: Sequence[Condition]) -> tuple[FlowEffect, ...]:
    """Return the Event about what could not be done, where that is news."""
    before = {c.type: c.message for c in flow.status.conditions or () if c.status is ConditionStatus.TRUE}
    return tuple(
        Emit("Warning", c.reason, c.message, "CreateRun")
        for c in now_told
        if c.type == DEGRADED and c.status is ConditionStatus.TRUE and before.get(c.type) != c.message
    )
