"""historyLimits: how many finished runs of a Flow are kept, and which go first.

Counted are the runs that the Flow owns, those that completed and those that did not (Failed, Crashed, Cancelled) each by themselves. What must
stay is neither deleted nor counted: a run that somebody tracks, who would make it again and so run it again; one that another run names in
`rerunOf`; one that has a child, by an owner reference, which has not ended or must stay itself. The runs of people, which no Flow owns, are
theirs: `runPolicy.retention` is for them. Where both rules hold, the one that comes first does.

`History` keeps each Flow's runs in the order in which they go, so that a decision looks at no more than it deletes.
Neighbours: `decide` asks `history`; the runtime notes every run that it learns of (`Kin`).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from penstock_operator.api.times import later

from .model import DeletePast, Finished, FlowObserved, Part, Past, Readiness

AT_ONCE: Final = 50  # runs that one decision deletes
_SOON: Final = 1  # seconds until the next

Name = tuple[str, str]  # namespace, name
Outcome = Literal["completed", "failed"]


def history(seen: FlowObserved, _ready: Readiness) -> Part:
    """Return which finished runs of a Flow are to go."""
    flow, past = seen.flow, seen.past
    if flow.unreadable:
        return Part()
    limits = flow.spec.history_limits
    gone = surplus(past, limits.completed, limits.failed)
    more = len(gone) == AT_ONCE
    # Whether a run was made that is promised still, only the run itself tells.
    promised = {change.run_name for change in flow.status.changes or () if change.pending}
    return Part(
        effects=tuple(DeletePast(run.name, run.uid) for run in gone if run.name not in promised),
        requeue_at=later(seen.now, _SOON) if more else None,
    )


def surplus(past: Past, completed: int, failed: int) -> tuple[Finished, ...]:
    """Return the runs beyond the limits, the oldest first, no more than one decision deletes."""
    gone = [
        run
        for runs, limit in ((past.completed, completed), (past.failed, failed))
        for run in runs[: max(0, len(runs) - limit)][:AT_ONCE]
    ]
    return tuple(gone[:AT_ONCE])


@dataclass(frozen=True, slots=True)
class Kin:
    """What a run is to its Flow, and to other runs.

    Attributes:
        uid: of the run.
        flow: UID of the Flow that owns it; empty: none does.
        flow_name: name of that Flow.
        parent: UID of the FlowRun that owns it, in whatever way; empty: none does.
        rerun_of: name of the run that it repeats; empty: of none.
        revision: of the change that it was made for; empty: for none.
        outcome: how it ended; None: it has not.
        ended: when.
        stays: somebody tracks it, or it is being deleted already.
    """

    uid: str
    flow: str = ""
    flow_name: str = ""
    parent: str = ""
    rerun_of: str = ""
    revision: str = ""
    outcome: Outcome | None = None
    ended: datetime | None = None
    stays: bool = False


@dataclass(slots=True)
class _Flow:
    """The runs of one Flow."""

    completed: list[Finished] = field(default_factory=list)
    failed: list[Finished] = field(default_factory=list)
    changed: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Known:
    kin: Kin
    placed: bool = False
    holds: bool = False  # it holds its parent


class History:
    """The finished runs of all Flows, in order, and who needs whom.

    Args:
        counted: is told each Flow (namespace, name) that has one more run which may go.
    """

    def __init__(self, counted: Callable[[Name], None] = lambda _: None) -> None:
        self._counted = counted
        self._known: dict[Name, _Known] = {}
        self._flows: dict[str, _Flow] = {}
        self._by_uid: dict[str, Name] = {}
        self._repeats: dict[Name, set[Name]] = {}  # a run -> those that name it in rerunOf
        self._children: dict[str, set[Name]] = {}  # a run's UID -> its children that hold it

    def past(self, flow: str) -> Past:
        """Return the finished runs that a Flow's history may lose.

        Args:
            flow: UID of the Flow.
        """
        found = self._flows.get(flow)
        return Past(found.completed, found.failed) if found is not None else Past()

    def changed(self, flow: str) -> Mapping[str, str]:
        """Return the runs of a Flow's changes by name, with their revisions; not to be changed."""
        found = self._flows.get(flow)
        return found.changed if found is not None else {}

    def flows(self) -> set[Name]:
        """Return the Flows that have runs which may go."""
        return {(name[0], known.kin.flow_name) for name, known in self._known.items() if known.placed}

    def note(self, name: Name, kin: Kin | None) -> None:
        """Take note of a run as it is; None: it is gone, or is nobody's kin."""
        before = self._known.get(name)
        if before is not None and before.kin == kin:
            return
        if before is not None and kin is not None and _relations(before.kin) == _relations(kin):
            if before.placed:
                before.placed = False
                self._place(name, before.kin, there=False)
            before.kin = kin
            self._weigh(name)
            return
        if before is not None:
            self._drop(name, before)
        if kin is not None:
            self._add(name, kin)

    def _add(self, name: Name, kin: Kin) -> None:
        self._known[name] = _Known(kin)
        self._by_uid[kin.uid] = name
        if kin.flow and kin.revision:
            self._flows.setdefault(kin.flow, _Flow()).changed[name[1]] = kin.revision
        if kin.rerun_of and kin.rerun_of != name[1]:
            target = (name[0], kin.rerun_of)
            self._repeats.setdefault(target, set()).add(name)
            self._weigh(target)
        self._weigh(name)

    def _drop(self, name: Name, before: _Known) -> None:
        kin = before.kin
        del self._known[name]
        self._by_uid.pop(kin.uid, None)
        if before.placed:
            self._place(name, kin, there=False)
        self._hold(name, before, holds=False)
        target = (name[0], kin.rerun_of)
        if name in self._repeats.get(target, ()):
            self._repeats[target].discard(name)
            if not self._repeats[target]:
                del self._repeats[target]
            self._weigh(target)
        its = self._flows.get(kin.flow)
        if its is not None:
            its.changed.pop(name[1], None)
            if not (its.completed or its.failed or its.changed):
                del self._flows[kin.flow]

    def _weigh(self, name: Name) -> None:
        """Put a run where it belongs: among those that may go, or not."""
        known = self._known.get(name)
        if known is None:
            return
        kin = known.kin
        needed = kin.stays or name in self._repeats or bool(self._children.get(kin.uid))
        may_go = bool(kin.flow) and kin.outcome is not None and kin.ended is not None and not needed
        if may_go is not known.placed:
            known.placed = may_go
            self._place(name, kin, there=may_go)
            if may_go:
                self._counted((name[0], kin.flow_name))
        self._hold(name, known, holds=needed or kin.outcome is None)

    def _hold(self, name: Name, known: _Known, *, holds: bool) -> None:
        """A child holds its parent, or lets it go."""
        parent = known.kin.parent
        if not parent or holds is known.holds:
            return
        known.holds = holds
        children = self._children.setdefault(parent, set())
        (children.add if holds else children.discard)(name)
        if not children:
            del self._children[parent]
        above = self._by_uid.get(parent)
        if above is not None and above != name:
            self._weigh(above)

    def _place(self, name: Name, kin: Kin, *, there: bool) -> None:
        assert kin.outcome is not None
        assert kin.ended is not None
        its = self._flows.setdefault(kin.flow, _Flow())
        rows = its.completed if kin.outcome == "completed" else its.failed
        row = Finished(kin.ended, name[1], kin.uid)
        if there:
            insort(rows, row)
        else:
            del rows[bisect_left(rows, row)]


def _relations(kin: Kin) -> tuple[str, ...]:
    return (kin.uid, kin.flow, kin.parent, kin.rerun_of, kin.revision)
