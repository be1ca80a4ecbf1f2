"""What is kept of each Flow for tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock_reading import flows
from penstock_reading.parts import mapping

from .objects import Key
from .runrow import seconds_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FlowRow", "flow_row"]

_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class FlowRow:
    """One Flow. Times are seconds since the epoch; 0: none.

    Attributes:
        key: its namespace and name.
        uid: its UID.
        created: when it was made.
        state: what it is in a word; empty: the operator has not seen it yet.
        message: why, cut.
        active: runs that hold a slot, as its status says.
        queued: runs that wait for one.
        outcome: how the run ended that ended last.
        last: when a schedule started a run.
        next: when one will.
        limit: of its own; 0: none.
        groups: of its concurrency.
    """

    key: Key
    uid: str
    created: float
    state: str
    message: str
    active: int
    queued: int
    outcome: str
    last: float
    next: float
    limit: int
    groups: tuple[str, ...]

    @property
    def over(self) -> bool:
        """See `objects.Row.over`: no Flow ends."""
        return False


def flow_row(body: Mapping[str, Any]) -> FlowRow:
    """Return the row of a Flow; fields that are not what they should be count as absent."""
    metadata, spec, status = mapping(body.get("metadata")), mapping(body.get("spec")), mapping(body.get("status"))
    state, message = flows.state(body)
    groups = spec.get("concurrencyGroups")
    return FlowRow(
        key=Key(str(metadata.get("namespace") or ""), str(metadata.get("name", ""))),
        uid=str(metadata.get("uid", "")),
        created=seconds_of(metadata.get("creationTimestamp")),
        state=state,
        message=" ".join(message.split())[:_LONGEST_MESSAGE],
        active=_number(status.get("activeRuns")),
        queued=_number(status.get("queuedRuns")),
        outcome=str(mapping(status.get("lastOutcome")).get("state") or ""),
        last=seconds_of(status.get("lastScheduledTime")),
        next=0.0 if spec.get("suspend") else seconds_of(status.get("nextScheduledTime")),
        limit=_number(mapping(spec.get("concurrency")).get("limit")),
        groups=tuple(map(str, groups)) if isinstance(groups, list) else (),
    )


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
