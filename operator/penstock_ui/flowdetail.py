"""What the page of a Flow shows, made of the Flow, its runs, and what was read besides. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from penstock_reading import flows, slots
from penstock_reading.facts import conditions, events
from penstock_reading.flowactions import actions
from penstock_reading.revisions import difference

from .durations import chart

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from penstock_reading.actions import Action
    from penstock_reading.revisions import Revision

    from .durations import Chart
    from .flowrow import FlowRow
    from .runrow import RunRow

__all__ = ["Compared", "FlowDetail", "PoolView", "compared", "detail", "pool_views"]

_RUNS: Final = 12
_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class PoolView:
    """A set of slots, who holds them and who waits.

    Attributes:
        pool: the slots.
        holding: the first of those that hold one.
        held: how many do.
        waiting: the first of those that wait.
        queued: how many do.
    """

    pool: slots.Pool
    holding: Sequence[RunRow]
    held: int
    waiting: Sequence[RunRow]
    queued: int

    @property
    def words(self) -> str:
        """How many slots are taken."""
        if self.pool.limit is None:
            return "no limit is set, so whoever needs a slot waits"
        return f"{self.held} of {self.pool.limit} taken"


@dataclass(frozen=True, slots=True)
class FlowDetail:
    """See the module.

    Attributes:
        state: what it is in a word.
        message: why.
        description: its own.
        facts: labels and values.
        chart: its last runs.
        runs: its newest runs.
        schedules: rows below `flows.SCHEDULES`.
        times: rows below `flows.NEXT`.
        faults: what is wrong with schedules.
        pools: its slots.
        actions: what can be done with it.
        conditions: rows below `facts.CONDITIONS`.
        events: rows below `facts.EVENTS`.
    """

    state: str
    message: str
    description: str
    facts: Sequence[tuple[str, str]]
    chart: Chart
    runs: Sequence[RunRow]
    schedules: Sequence[Sequence[str]]
    times: Sequence[Sequence[str]]
    faults: Sequence[str]
    pools: Sequence[PoolView]
    actions: Sequence[Action]
    conditions: Sequence[Sequence[str]]
    events: Sequence[Sequence[str]]


def detail(
    body: Mapping[str, Any],
    runs: Sequence[RunRow],
    all_flows: Iterable[FlowRow],
    limits: Mapping[str, str] | None,
    told: Iterable[Mapping[str, Any]],
    times: tuple[Sequence[Sequence[str]], Sequence[str]],
    program: str,
    now: datetime,
) -> FlowDetail:
    """Return what is shown.

    Args:
        body: the Flow.
        runs: of its namespace, the newest first.
        all_flows: of its namespace: they share its groups.
        limits: of the groups; None: not known.
        told: Events about it.
        times: its next times below `flows.NEXT`, and what is wrong with schedules.
        program: what commands begin with.
        now: in UTC.
    """
    spec, status = body.get("spec") or {}, body.get("status") or {}
    name = str(body["metadata"]["name"])
    own = [run for run in runs if run.flow == name]
    state, message = flows.state(body)
    return FlowDetail(
        state, message, str(spec.get("description") or ""), list(flows.facts(body, now)), chart(own, now.timestamp()), own[:_RUNS],
        flows.schedules(body, now), *times, pool_views(slots.pools(name, spec, limits), runs, all_flows),
        actions(body, program), conditions(status), events(told),
    )  # fmt: skip


def pool_views(pools: Iterable[slots.Pool], runs: Sequence[RunRow], all_flows: Iterable[FlowRow]) -> list[PoolView]:
    """Return who holds the slots of some pools, and who waits for them.

    Args:
        pools: of one namespace.
        runs: of that namespace.
        all_flows: of that namespace.
    """
    members: dict[str, list[str]] = {}
    for flow in all_flows:
        for group in flow.groups:
            members.setdefault(group, []).append(flow.key.name)
    views = []
    for each in pools:
        sharing = each.flows if not each.group else tuple(sorted(members.get(each.group, ())))
        holding, waiting = slots.pool(runs, sharing)
        named = slots.Pool(each.group, each.limit, each.policy, sharing)
        views.append(PoolView(named, holding[:_SHOWN], len(holding), waiting[:_SHOWN], len(waiting)))
    return views


@dataclass(frozen=True, slots=True)
class Compared:
    """Two revisions, and how the second differs from the first.

    Attributes:
        before: the older one.
        after: the newer one.
        lines: class and text of each line of the difference.
    """

    before: str
    after: str
    lines: Sequence[tuple[str, str]]


def compared(found: Sequence[Revision], before: str, after: str) -> Compared | None:
    """Compare two revisions; the newest with the one before it where none are named. None: there are no two.

    Args:
        found: the revisions, the newest first.
        before: name of the one; empty: that before the other.
        after: name of the other; empty: the newest.
    """
    names = {each.name: at for at, each in enumerate(found)}
    to = names.get(after, 0)
    of = names.get(before, to + 1)
    if of >= len(found) or to >= len(found):
        return None
    lines = [(_kind(line), line) for line in difference(found[of], found[to])]
    return Compared(found[of].name, found[to].name, lines)


def _kind(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "file"
    return {"+": "new", "-": "old", "@": "place"}.get(line[:1], "same")
