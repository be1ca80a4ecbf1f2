"""What is kept of each run for tables, filters and counts."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from penstock_reading.parts import mapping
from penstock_reading.slots import place

from .objects import Key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from penstock_reading.slots import Place

__all__ = ["ENDED", "STATES", "UNSEEN", "RunRow", "run_row", "seconds_of"]

UNSEEN: Final = "New"
# In the order in which a run passes through them.
STATES: Final = (
    "Scheduled", "Pending", "Running", "Paused", "Cancelling", "Completed", "Failed", "Crashed", "Cancelled",
)  # fmt: skip
ENDED: Final = frozenset({"Completed", "Failed", "Crashed", "Cancelled"})
_LONGEST_MESSAGE = 300
_KIND = "FlowRun"


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. Times are seconds since the epoch; 0: not yet.

    Attributes:
        key: its namespace and name.
        uid: its UID.
        created: when it was made.
        flow: name of its flow.
        title: its display name.
        kind: type of its state; `New`: the operator has not seen it yet.
        state: name of its state.
        message: what the state says, cut.
        scheduled: when it is due.
        started: when user code began.
        ended: when it ended.
        when: when it began: user code, else the run itself.
        attempt: number of its attempt.
        progress: its summary.
        labels: its labels.
        parent: name of the run that started it and owns it; empty: nobody's.
        place: whether it holds the slots of its Flow, or waits for them.
        priority: in that queue.
    """

    key: Key
    uid: str
    created: float
    flow: str
    title: str
    kind: str
    state: str
    message: str
    scheduled: float
    started: float
    ended: float
    when: float
    attempt: int
    progress: str
    labels: tuple[tuple[str, str], ...]
    parent: str = ""
    place: Place = ""
    priority: int = 0

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.kind in ENDED

    @property
    def words(self) -> str:
        """Its state as the command says it: `Failed/TimedOut`."""
        return self.kind if self.state == self.kind else f"{self.kind}/{self.state}"

    def took(self, now: float) -> float | None:
        """Return how many seconds it took, or has taken so far; None: it has not begun."""
        return max(0.0, (self.ended or now) - self.started) if self.started else None


def run_row(body: Mapping[str, Any]) -> RunRow:
    """Return the row of a FlowRun; fields that are not what they should be count as absent."""
    metadata, spec, status = mapping(body.get("metadata")), mapping(body.get("spec")), mapping(body.get("status"))
    state, attempt = mapping(status.get("state")), mapping(status.get("attempt"))
    flow = mapping(status.get("flow")).get("name") or mapping(spec.get("flowRef")).get("name") or ""
    number = attempt.get("number")
    created, started = seconds_of(metadata.get("creationTimestamp")), seconds_of(status.get("startTime"))
    return RunRow(
        key=Key(_shared(metadata.get("namespace")), str(metadata.get("name", ""))),
        uid=str(metadata.get("uid", "")),
        created=created,
        flow=_shared(flow),
        title=str(spec.get("displayName") or ""),
        kind=_shared(state.get("type") or UNSEEN),
        state=_shared(state.get("name") or state.get("type") or UNSEEN),
        message=" ".join(str(state.get("message") or "").split())[:_LONGEST_MESSAGE],
        scheduled=seconds_of(status.get("scheduledTime") or spec.get("scheduledTime")),
        started=started,
        ended=seconds_of(status.get("completionTime")),
        when=started or created,
        attempt=number if isinstance(number, int) else 0,
        progress=str(mapping(mapping(status.get("report")).get("progress")).get("summary") or ""),
        labels=tuple((_shared(name), _shared(value)) for name, value in mapping(metadata.get("labels")).items()),
        parent=_parent(metadata.get("ownerReferences")),
        place=place(spec, status),
        priority=priority if isinstance(priority := spec.get("priority"), int) else 0,
    )


def _parent(owners: Any) -> str:
    found = (each for each in owners if isinstance(each, dict)) if isinstance(owners, list) else ()
    return next((str(each.get("name")) for each in found if each.get("controller") and each.get("kind") == _KIND), "")


def seconds_of(stamp: object) -> float:
    """Return a Kubernetes time as seconds since the epoch; 0 for none."""
    try:
        return datetime.fromisoformat(stamp).timestamp() if isinstance(stamp, str) else 0.0
    except (ValueError, OverflowError):
        return 0.0


def _shared(value: object) -> str:
    # Thousands of runs have the same few flows, states and labels.
    return sys.intern(str(value or ""))
