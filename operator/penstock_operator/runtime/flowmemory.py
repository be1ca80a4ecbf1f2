"""What the operator remembers of a Flow between two decisions. All that must survive is in the Flow's status.

What was made and may not be in the status yet is remembered, so that a status that can't be written does not lead to a second POST; what was
refused, so that it is not asked for again at once; and when counts were written. Neighbours: `flows` shows it to the core, `flowcreation`
and `flows` write it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from penstock_operator.api.flow import Flow, FlowStatus
from penstock_operator.core.flows.counts import Pace
from penstock_operator.core.flows.model import CreateRun
from penstock_operator.core.model import Checked, Refusal

from .resources import Key


@dataclass(slots=True)
class FlowMemory:
    """Of one Flow.

    Attributes:
        uid: of the Flow.
        made: runs by name.
        refused: runs by name, each with the last refusal.
        checked: its parameters against its schema, and of which generation.
        pace: of its counts.
    """

    uid: str
    made: dict[str, CreateRun] = field(default_factory=dict)
    refused: dict[str, tuple[CreateRun, Refusal]] = field(default_factory=dict)
    checked: tuple[int, Checked] | None = None
    pace: Pace = field(default_factory=Pace)

    def settled(self, status: FlowStatus) -> None:
        """Forget what a status that stands tells."""
        self.made.clear()
        promised = {change.run_name for change in status.changes or () if change.pending}
        open_ = {(row.name, time) for row in status.schedules or () for time in row.overdue_times or ()}
        self.refused = {
            name: kept
            for name, kept in self.refused.items()
            if name in promised or (kept[0].schedule, kept[0].time) in open_
        }


class FlowMemories:
    """By Flow. Another Flow under an old name begins with nothing."""

    def __init__(self) -> None:
        self._memories: dict[Key, FlowMemory] = {}

    def of(self, key: Key, flow: Flow) -> FlowMemory:
        """Return what is remembered of a Flow."""
        memory = self._memories.get(key)
        if memory is None or memory.uid not in ("", flow.metadata.uid):
            memory = self._memories[key] = FlowMemory(flow.metadata.uid)
        memory.uid = flow.metadata.uid
        return memory

    def pace(self, key: Key) -> Pace:
        """Return the pace of a Flow's counts, also of one that was not looked at yet."""
        return self._memories.setdefault(key, FlowMemory("")).pace

    def forget(self, key: Key) -> None:
        """The Flow is gone."""
        self._memories.pop(key, None)
