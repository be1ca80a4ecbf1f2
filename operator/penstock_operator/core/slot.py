"""A run that would begin, and the slots of its Flow: it takes them, waits in their queues, or ends for others.

Neighbours: `concurrency` decides by numbers alone; `waiting` asks here before it writes an attempt down.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from penstock_operator.api.flow import Flow
from penstock_operator.api.flowrun import StateType

from .attempts import finish
from .concurrency import AWAITING_SLOT, Skip, admit, limited, look_again, needs_limits, replaced
from .faults import Need
from .model import UNKNOWN, Absence, Look
from .plan import Plan
from .situation import Situation
from .verdict import Degraded, Verdict


def await_slot(s: Situation) -> Plan | None:
    """Return what becomes of a run that its Flow has no slot for; None: it may begin.

    Raises:
        Need: the groups' limits.
    """
    flow, run, contention = s.seen.flow, s.run, s.seen.contention
    if not isinstance(flow, Flow) or run.spec.flow_ref is None or not limited(flow):
        return None
    changes: dict[str, Any] = {"pause": None}
    if s.status.attempt is None:
        changes["scheduled_time"] = run.spec.scheduled_time
    gone = replaced(flow, contention)
    if gone is not None:
        return _cancelled(s, "Replaced", gone, changes)
    if needs_limits(flow, contention) and s.seen.limits is UNKNOWN:
        raise Need(Look.LIMITS)
    limits = s.seen.limits if not isinstance(s.seen.limits, Absence) else {}
    first = s.status.attempt is None
    verdict = admit(flow, contention, limits, first=first, known=s.status.queue)
    if verdict is None:
        return None
    if isinstance(verdict, Skip):
        return _cancelled(s, "Skipped", verdict.message, changes)
    degraded = Degraded(AWAITING_SLOT, verdict.message) if verdict.queue is None else None
    return Plan(
        StateType.SCHEDULED,
        AWAITING_SLOT,
        verdict.message,
        changes={**changes, "queue": verdict.queue},
        again_at=look_again(s.now, verdict),
        degraded=degraded,
    )


def _cancelled(s: Situation, name: str, message: str, changes: dict[str, Any]) -> Plan:
    end = finish(s, Verdict(StateType.CANCELLED, name, message))
    return replace(end, changes={**end.changes, **changes})
