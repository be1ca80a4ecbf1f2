"""The one door: what is to be done about a Flow now. Each policy adds its part; this is their order, and the status of it all.

Neighbours: the policies, a file each; `model` says in which order a decision is carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from penstock_operator.api.flow import FlowStatus
from penstock_operator.api.times import later

from ..faults import Need
from ..model import Look
from ..plan import earliest
from .conditions import conditions, news
from .counts import counted
from .history import history
from .model import FlowDecision, FlowObserved, Part, Readiness
from .onchange import on_change
from .readiness import readiness
from .schedules import schedules

Policy = Callable[[FlowObserved, Readiness], Part]

POLICIES: Final[tuple[Policy, ...]] = (schedules, on_change, history)
SOURCE_SECONDS = 15  # between two looks for a ConfigMap that is not there yet


def decide(seen: FlowObserved) -> FlowDecision:
    """Return what is to be done about a Flow; nothing about one that is on its way out."""
    if seen.flow.metadata.deletion_timestamp is not None:
        return FlowDecision()
    try:
        ready = readiness(seen.flow, seen.source, seen.checked)
        parts = [policy(seen, ready) for policy in POLICIES]
    except Need as need:
        return FlowDecision(looks=need.looks)
    creates = tuple(run for part in parts for run in part.creates)
    if creates:
        # What the store shows may be old: meanwhile somebody may have suspended it, or another operator been here.
        return FlowDecision(creates=creates) if seen.live else FlowDecision(looks=frozenset({Look.FLOW}))
    again = earliest(*(part.requeue_at for part in parts))
    if ready.waits:
        again = earliest(again, later(seen.now, SOURCE_SECONDS))
    status = _status(seen, ready, parts)
    effects = tuple(effect for part in parts for effect in part.effects) + news(seen.flow, status.conditions or ())
    with_counts = counted(status, seen.crowd, seen.outcome)
    if status == seen.flow.status and with_counts != status and seen.counts_wait > 0:
        return FlowDecision(status, (), effects, earliest(again, later(seen.now, seen.counts_wait)))
    return FlowDecision(with_counts, (), effects, again)


def _status(seen: FlowObserved, ready: Readiness, parts: Sequence[Part]) -> FlowStatus:
    """Return the status, but for the counts."""
    changes: dict[str, Any] = {
        "observed_generation": seen.flow.metadata.generation,
        "revision": ready.revision,
        "conditions": conditions(seen.flow, ready, parts, seen.now),
    }
    for part in parts:
        changes.update(part.changes)
    return seen.flow.status.model_copy(update=changes)
