"""What a decision about a Flow is told (`FlowObserved`) and what it answers (`FlowDecision`): plain values, as for runs.

The runtime carries a decision out in this order: looks (then it asks again); runs to be made (then it asks again, and what became of them is
among the facts); the status; and, only where that stands, the other effects. So a run that was made is in the status before anything else
is done, and what is said of it is said once. Neighbours: `decide` is the door, each policy gives a `Part`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from penstock_operator.api.flow import Flow, FlowStatus, LastOutcome

from ..model import UNKNOWN, Absence, Checked, ConfigMap, Emit, Look, Refusal
from ..revisions import Definition


@dataclass(frozen=True, slots=True)
class Crowd:
    """The runs of a Flow that live: those that hold a slot, and those that wait for one."""

    active: int = 0
    queued: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Finished:
    """A finished run that a Flow owns; in the order in which its history loses them."""

    ended: datetime
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Past:
    """The finished runs of a Flow that nobody needs: those that completed, and those that did not; the oldest first. Not to be changed."""

    completed: Sequence[Finished] = ()
    failed: Sequence[Finished] = ()


NOTHING_PAST: Final = Past()


@dataclass(frozen=True, slots=True)
class CreateRun:
    """POST a FlowRun; 409 with our Flow as its owner is success, another refusal becomes `FlowObserved.refused`.

    Attributes:
        name: of the run, the same whoever makes it.
        manifest: the run.
        schedule: which schedule it is for; empty: none.
        time: which time of the schedule.
        revision: the ConfigMap of the Flow's revision that the run is to find, whatever becomes of the Flow meanwhile; None: it takes the
            Flow as it is when it begins.
    """

    name: str
    manifest: Mapping[str, Any]
    schedule: str = ""
    time: datetime | None = None
    revision: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class DeletePast:
    """DELETE a finished run, with UID and resourceVersion preconditions; 404 and 409 are success: it is gone, or is looked at anew."""

    name: str
    uid: str


FlowEffect = Emit | DeletePast


@dataclass(frozen=True, slots=True)
class FlowObserved:
    """Everything a decision about a Flow may depend on.

    Attributes:
        flow: as it is.
        now: the operator's clock, UTC.
        live: whether `flow` came from a live GET, or from the answer of a write, for this decision.
        source: the ConfigMap that `source.configMap` names.
        checked: the Flow's own parameters against its `parametersSchema` (kept in memory).
        made: by name the runs that were made, or found to be made, and of which the status may not tell yet (kept in memory).
        refused: by name the last refusal of runs that the API server did not take (kept in memory).
        changed: by name the runs that there are of the Flow's changes, with their revisions.
        past: the finished runs that its history may lose.
        crowd: its runs, as the store counts them.
        outcome: the last end of a run that the store knows of.
        counts_wait: seconds until counts may be written again.
    """

    flow: Flow
    now: datetime
    live: bool = False
    source: ConfigMap | Absence = UNKNOWN
    checked: Checked | Absence = UNKNOWN
    made: Mapping[str, CreateRun] = field(default_factory=dict)
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    changed: Mapping[str, str] = field(default_factory=dict)
    past: Past = NOTHING_PAST
    crowd: Crowd = Crowd()
    outcome: LastOutcome | None = None
    counts_wait: float = 0.0


@dataclass(frozen=True, slots=True)
class FlowDecision:
    """What is to be done now.

    Attributes:
        status: the whole status wanted; None: as it is.
        creates: runs to be made first; if there are any, the decision is made again when it is known what became of them.
        effects: after the status was written.
        requeue_at: when to look again although nothing happened (None: never).
        looks: facts to read live first; if there are any, everything else is to be ignored.
    """

    status: FlowStatus | None = None
    creates: tuple[CreateRun, ...] = ()
    effects: tuple[FlowEffect, ...] = ()
    requeue_at: datetime | None = None
    looks: frozenset[Look] = frozenset()


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether runs can be made of a Flow.

    Attributes:
        reason: of the condition Ready.
        message: why not; empty: they can.
        waits: it may come right by itself.
        revision: the name of the revision that they would use; None: not known.
        definition: what they would execute now; None: they can't be made.
    """

    reason: str
    message: str = ""
    waits: bool = False
    revision: str | None = None
    definition: Definition | None = None

    @property
    def usable(self) -> bool:
        """Whether they can."""
        return not self.message


@dataclass(frozen=True, slots=True)
class Part:
    """What one policy adds to a decision.

    Attributes:
        creates: runs to be made.
        effects: behind the status.
        changes: fields of the status.
        faults: what in the spec can't be used, in words.
        degraded: what could not be done although it should have been, in words; empty: nothing.
        missed: how many more runs were missed than are made up for, in words; empty: none; None: nothing was due, what was said stays.
        requeue_at: when to look again.
    """

    creates: tuple[CreateRun, ...] = ()
    effects: tuple[FlowEffect, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    degraded: str = ""
    missed: str | None = None
    requeue_at: datetime | None = None
