"""A look that the API server did not allow: that is a fact, too. The run says so, and it is looked again after a while.

A missing right, or a name that no server knows, is put right by a person; until then the run has a state and a reason, and can be cancelled.
Neighbours: `reconcile` asks here before it asks for a look; the runtime keeps the refusals (`Observed.refused`).
"""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime

from penstock_operator.api.flowrun import StateType
from penstock_operator.api.times import later

from .model import Look, Observed, Refusal
from .plan import Plan, earliest
from .verdict import AWAITING_FLOW, Degraded

REASON = "LookRefused"
_FIRST_SECONDS, _LAST_SECONDS = 10.0, 60.0

_WHAT = {
    Look.RUN: "the FlowRun itself",
    Look.POD: "the attempt's pod",
    Look.PREVIOUS_POD: "the previous attempt's pod",
    Look.REVISION: "the ConfigMap of the Flow's revision",
    Look.SOURCE: "the ConfigMap of source.configMap",
    Look.FLOW: "the Flow of flowRef",
    Look.PARAMETERS: "the check of the parameters",
    Look.LIMITS: "the ConfigMap of the concurrency limits",
    Look.POD_EVENTS: "the pod's events",
}


def look_again(refusal: Refusal) -> datetime:
    """Return when a refused look is tried again."""
    wait = min(_LAST_SECONDS, _FIRST_SECONDS * 2 ** min(refusal.count - 1, 16))
    return later(refusal.time, max(wait, refusal.retry_after or 0.0))


def still_refused(seen: Observed, looks: Set[Look]) -> bool:
    """Whether one of these looks was refused a short while ago."""
    return any(look in seen.refused and seen.now < look_again(seen.refused[look]) for look in looks)


def blocked(seen: Observed, looks: Set[Look]) -> Plan:
    """Return how a run shows that can't be decided for want of these looks: as it was, and that it needs a person."""
    found = [(look, seen.refused[look]) for look in sorted(looks) if look in seen.refused]
    text = "; ".join(f"reading {_WHAT[look]} {_said(refusal)}" for look, refusal in found)
    state = seen.run.status.state
    again = earliest(*(look_again(refusal) for _, refusal in found))
    degraded = Degraded(REASON, text)
    if state is None or (state.name == AWAITING_FLOW and state.type is StateType.SCHEDULED):
        return Plan(StateType.SCHEDULED, AWAITING_FLOW, text, again_at=again, degraded=degraded)
    return Plan(
        state.type,
        state.name,
        state.message or "",
        changes={"queue": seen.run.status.queue},
        again_at=again,
        degraded=degraded,
    )


def _said(refusal: Refusal) -> str:
    how = "was refused" if 400 <= refusal.code < 500 else "failed"
    return f"{how} ({refusal.code or 'no answer'} {refusal.reason}): {refusal.message}"
