"""What a policy wants: the state to show, other fields of the status, effects, and when to look again. `conclude` makes the decision of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from penstock_operator.api.flowrun import StateType

from .model import Effect
from .verdict import Degraded, Showing


@dataclass(frozen=True, slots=True)
class Plan:
    """A policy's wish.

    Attributes:
        type: the state's type.
        name: the state's name.
        message: the state's message.
        changes: other fields of `FlowRunStatus`, by attribute name.
        effects: after the status was written, in order.
        again_at: when to look again.
        degraded: what needs a person.
        drop_report: the attempt was judged.
    """

    type: StateType
    name: str
    message: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    effects: tuple[Effect, ...] = ()
    again_at: datetime | None = None
    degraded: Degraded | None = None
    drop_report: bool = False


def shown(showing: Showing, effects: tuple[Effect, ...] = (), **changes: Any) -> Plan:
    """Return the plan that shows something and changes nothing else but `changes`."""
    return Plan(
        showing.type,
        showing.name,
        showing.message,
        changes=changes,
        effects=effects,
        again_at=showing.again_at,
        degraded=showing.degraded,
    )


def earliest(*times: datetime | None) -> datetime | None:
    """Return the first of some moments, None where there is none."""
    return min((t for t in times if t is not None), default=None)
