"""Who holds a slot of a Flow, and who waits for one, in order: counted as runs change, so that a decision about one never looks at all.

Runs are kept by Flow; a group's numbers are the sums over the Flows that name it, so that a changed Flow needs no new index. A decision that
begins an attempt counts from the moment it is made (`note` before the write), and no other worker gives the same slot away meanwhile.
What a run is to the others says `core.concurrency`. Neighbours: `store` notes every run that it learns of, `gather` asks for the contention.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from penstock_operator.api.flow import ConcurrencyPolicy, Flow
from penstock_operator.api.flowrun import FlowRun, StateType
from penstock_operator.core.concurrency import Age, Contention, Order, Pool, age, holds, limited, order, waits
from penstock_operator.core.flows.model import Crowd

from .resources import Key

# A freed slot is for the first that waits, or for one close behind it where the first still waits for another pool; each that goes on
# wakes the next ones.
WOKEN = 4


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a run stands."""

    flow: Key
    order: Order
    age: Age
    holding: bool
    staying: bool  # it is not on its way out


@dataclass(slots=True)
class _Crowd:
    """The runs of one Flow that hold a slot, and those that wait, best first."""

    holding: dict[Key, _Place] = field(default_factory=dict)
    waiting: list[tuple[Order, Key]] = field(default_factory=list)

    def ahead(self, place: Order, key: Key) -> int:
        return bisect_left(self.waiting, (place, key))

    def __bool__(self) -> bool:
        return bool(self.holding or self.waiting)


@dataclass(frozen=True, slots=True)
class _Limits:
    """What is kept of a Flow whose runs need slots."""

    groups: tuple[str, ...]
    replaces: bool


class Slots:
    """Counts of runs by Flow.

    Args:
        counted: is told each Flow whose counts have changed.
    """

    def __init__(self, counted: Callable[[Key], None] = lambda _: None) -> None:
        self._counted = counted
        self._places: dict[Key, _Place] = {}
        self._crowds: dict[Key, _Crowd] = {}
        self._groups: dict[tuple[str, str], set[Key]] = {}  # (namespace, group) -> Flows that name it
        self._limited: dict[Key, _Limits] = {}

    # --- what changes ---------------------------------------------------------------------------------------------------------------

    def learn_flow(self, key: Key, flow: Flow | None) -> None:
        """Take note of a Flow, or that it is gone."""
        before = self._limited.pop(key, None)
        for group in before.groups if before is not None else ():
            self._groups[key.namespace, group].discard(key)
            if not self._groups[key.namespace, group]:
                del self._groups[key.namespace, group]
        if flow is not None and limited(flow):
            self._limited[key] = limits = _Limits(flow.spec.concurrency_groups or (), _replaces(flow))
            for group in limits.groups:
                self._groups.setdefault((key.namespace, group), set()).add(key)

    def note(self, key: Key, run: FlowRun | None) -> tuple[Key, ...]:
        """Take note of a run as it is, or is about to be; None: it is gone.

        Returns:
            The runs that this may wake.
        """
        before, after = self._places.get(key), _place(key, run)
        if before == after:
            return ()
        if before is not None:
            self._remove(key, before)
        if after is not None:
            self._add(key, after)
        for flow in _recounted(before, after):
            self._counted(flow)
        return tuple(dict.fromkeys(run for run in self._woken(before, after) if run != key))

    def _add(self, key: Key, place: _Place) -> None:
        self._places[key] = place
        crowd = self._crowds.setdefault(place.flow, _Crowd())
        if place.holding:
            crowd.holding[key] = place
        else:
            insort(crowd.waiting, (place.order, key))

    def _remove(self, key: Key, place: _Place) -> None:
        del self._places[key]
        crowd = self._crowds[place.flow]
        if place.holding:
            del crowd.holding[key]
        else:
            del crowd.waiting[crowd.ahead(place.order, key)]
        if not crowd:
            del self._crowds[place.flow]

    def _woken(self, before: _Place | None, after: _Place | None) -> Iterator[Key]:
        if before is not None:
            yield from self._first(before.flow)
        limits = self._limited.get(after.flow) if after is not None else None
        if after is not None and limits is not None and limits.replaces:
            yield from self._crowds[after.flow].holding
            yield from (key for _, key in self._crowds[after.flow].waiting)

    def _first(self, flow: Key) -> Iterator[Key]:
        """The first that wait, of the Flow and of each of its groups."""
        if flow not in self._limited:
            return
        yield from self._heads((flow,))
        for group in self._limited[flow].groups:
            yield from self._heads(self._groups[flow.namespace, group])

    def _heads(self, flows: Iterable[Key]) -> Iterator[Key]:
        crowds = (self._crowds.get(flow) for flow in flows)
        heads = sorted(head for crowd in crowds if crowd is not None for head in crowd.waiting[:WOKEN])
        yield from (key for _, key in heads[:WOKEN])

    # --- what is asked --------------------------------------------------------------------------------------------------------------

    def crowd(self, flow: Key) -> Crowd:
        """Return how many runs of a Flow hold a slot, and how many wait for one."""
        crowd = self._crowds.get(flow)
        return Crowd(len(crowd.holding), len(crowd.waiting)) if crowd is not None else Crowd()

    def contention(self, key: Key, run: FlowRun, flow: Flow) -> Contention:
        """Return what a run of a Flow meets."""
        if not limited(flow):
            return Contention()
        mine = Key(key.namespace, flow.metadata.name)
        own = self._pool(None, (mine,), key, run)
        groups = flow.spec.concurrency_groups or ()
        sums = (self._pool(g, self._groups.get((key.namespace, g), {mine}), key, run) for g in groups)
        return Contention((Pool(None, own.held, own.ahead, self._newer(mine, key, run, flow)), *sums))

    def _pool(self, group: str | None, flows: Collection[Key], key: Key, run: FlowRun) -> Pool:
        crowds = [crowd for flow in flows if (crowd := self._crowds.get(flow)) is not None]
        held = sum(len(crowd.holding) - (key in crowd.holding) for crowd in crowds)
        ahead = sum(crowd.ahead(order(run), key) for crowd in crowds)
        known = self._places.get(key)
        if known is not None and not known.holding and known.flow in flows and known.order < order(run):
            ahead -= 1  # the run itself, as it was before its priority was lowered
        return Pool(group, held, ahead)

    def _newer(self, flow: Key, key: Key, run: FlowRun, definition: Flow) -> int:
        """Only the policy Replace asks for it, and keeps the number of those that are looked at small."""
        crowd = self._crowds.get(flow)
        if crowd is None or not _replaces(definition):
            return 0
        others = [place for other, place in crowd.holding.items() if other != key and place.staying]
        others += [self._places[other] for _, other in crowd.waiting if other != key]
        return sum(place.age > age(run) for place in others)


def _recounted(before: _Place | None, after: _Place | None) -> set[Key]:
    """Return the Flows whose counts a change of a run's place changes."""
    if before is not None and after is not None and (before.flow, before.holding) == (after.flow, after.holding):
        return set()
    return {place.flow for place in (before, after) if place is not None}


def _replaces(flow: Flow) -> bool:
    rule = flow.spec.concurrency
    return rule is not None and rule.policy is ConcurrencyPolicy.REPLACE


def _place(key: Key, run: FlowRun | None) -> _Place | None:
    if run is None or run.spec.flow_ref is None:
        return None
    holding = holds(run)
    if not holding and not waits(run):
        return None
    state = run.status.state
    staying = state is not None and state.type is not StateType.CANCELLING
    return _Place(Key(key.namespace, run.spec.flow_ref.name), order(run), age(run), holding, staying)
