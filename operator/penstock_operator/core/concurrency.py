"""Concurrency: whether a run may begin now, must wait for a slot, is skipped, or is replaced by a newer one.

A slot is held by a run whose attempt may have a live pod; that stands in its status, so nothing can leak: what has ended, waits for a retry or
is suspended holds none. A run needs a slot of its Flow and one of each of its groups, and takes all or none, in one order for all pools
(priority, then age, then uid): the first of all that wait is the first in each of its pools, so somebody can always go on. Neighbours:
`waiting` asks before an attempt begins, `cancel` carries a replacement out, the runtime counts (`Contention`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from penstock_operator.api.constants import CONCURRENCY_CONFIGMAP
from penstock_operator.api.flow import Concurrency, ConcurrencyPolicy, Flow
from penstock_operator.api.flowrun import FlowRun, Queue, StateType
from penstock_operator.api.times import EARLIEST, LATEST, later

from .verdict import CONFIG_ERROR

AWAITING_SLOT = "AwaitingConcurrencySlot"
# A place is written when its rounded value changes: at most three writes a run for each power of ten ahead of it.
_PLACES = (1, 2, 5)
_LOOK_SECONDS = (30, 300)
# A limit that a person has to set comes soon; nothing announces it.
_UNSET_SECONDS = 10

Order = tuple[int, datetime, str]
Age = tuple[datetime, datetime, bool, str]


@dataclass(frozen=True, slots=True)
class Pool:
    """A set of slots as a run sees it: the others that hold one, and the others that wait before it.

    Attributes:
        group: its name; None: the Flow's own.
        held: runs that hold a slot.
        ahead: runs that wait, and come first.
        newer: live or waiting runs that were created later, for the policy Replace (the Flow's own pool only).
    """

    group: str | None
    held: int = 0
    ahead: int = 0
    newer: int = 0


@dataclass(frozen=True, slots=True)
class Contention:
    """The pools of a run's Flow: its own, and its groups'. One that is not here has nobody in it."""

    pools: tuple[Pool, ...] = ()


UNCONTENDED: Final = Contention()


@dataclass(frozen=True, slots=True)
class Wait:
    """A run must wait.

    Attributes:
        message: what for.
        queue: its place; None: in no queue, since a person has to set a limit first.
        look_after: when to look again although nobody woke it, seconds.
    """

    message: str
    queue: Queue | None
    look_after: int


@dataclass(frozen=True, slots=True)
class Skip:
    """A run is not wanted beside those that are live."""

    message: str


# --- what a run is to the others ---------------------------------------------------------------------------------------------------------


def open_yet(run: FlowRun) -> bool:
    """Whether what a run executes is not settled: no attempt is written down, or the first one was taken back with its revision.

    No pod is made before the revision is recorded.
    """
    attempt, flow, state = run.status.attempt, run.status.flow, run.status.state
    if attempt is None:
        return True
    recorded = run.spec.flow_ref is None or (flow is not None and flow.revision is not None)
    begun = attempt.number > 1 or attempt.pod_uid is not None or run.status.report is not None
    pending = state is not None and state.type is not StateType.SCHEDULED and state.name != CONFIG_ERROR
    return not recorded and not begun and not pending


def holds(run: FlowRun) -> bool:
    """Whether a run holds its slots: its attempt has, or may have, a live pod."""
    state, attempt = run.status.state, run.status.attempt
    if attempt is None or state is None or run.spec.managed_by is not None or open_yet(run):
        return False
    if state.type is StateType.PAUSED:
        report = run.status.report
        return attempt.pod_uid is not None or (report is not None and report.attempt == attempt.number)
    return state.type in (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)


def waits(run: FlowRun) -> bool:
    """Whether a run stands in its queues."""
    state = run.status.state
    return state is not None and state.name == AWAITING_SLOT and run.status.queue is not None


def order(run: FlowRun) -> Order:
    """Return by what runs are served: priority, then age, then uid."""
    return (-run.spec.priority, run.metadata.creation_timestamp or EARLIEST, run.metadata.uid)


def age(run: FlowRun) -> Age:
    """Return by what runs are replaced: the newest stay.

    The API server tells whole seconds: of two runs of one second the one that began first, or at all, was there first.
    """
    status = run.status
    began = status.start_time or LATEST
    return (run.metadata.creation_timestamp or EARLIEST, began, status.attempt is None, run.metadata.uid)


def limited(flow: Flow) -> bool:
    """Whether runs of a Flow need slots."""
    return flow.spec.concurrency is not None or bool(flow.spec.concurrency_groups)


# --- decisions ---------------------------------------------------------------------------------------------------------------------------


def replaced(flow: Flow, contention: Contention) -> str | None:
    """Return why a run must go for newer ones, None if it need not."""
    rule = flow.spec.concurrency
    if rule is None or rule.policy is not ConcurrencyPolicy.REPLACE or _own(contention).newer < rule.limit:
        return None
    return f"replaced by a newer run of Flow {flow.metadata.name!r} (limit {rule.limit})"


def needs_limits(flow: Flow, contention: Contention) -> bool:
    """Whether the groups' limits decide: not if the Flow's own slots are taken already."""
    rule = flow.spec.concurrency
    return bool(flow.spec.concurrency_groups) and (rule is None or not _full(_own(contention), rule.limit))


def admit(
    flow: Flow, contention: Contention, limits: Mapping[str, str], *, first: bool, known: Queue | None
) -> Wait | Skip | None:
    """Return what keeps a run from beginning now, None if nothing does.

    Args:
        flow: of the run.
        contention: about the run's pools.
        limits: the groups' (data of the ConfigMap `penstock-concurrency`); not looked at where `needs_limits` is false.
        first: whether it is the run's first attempt; a later one is never skipped.
        known: the place that its status tells.
    """
    rule = flow.spec.concurrency
    if rule is not None and _full(_own(contention), rule.limit):
        return _without_slot(flow, rule, _own(contention), known, first=first)
    for group in flow.spec.concurrency_groups or ():
        pool, limit = _pool(contention, group), limit_of(limits.get(group))
        if limit is None:
            return Wait(_unset(group, limits), None, _UNSET_SECONDS)
        if _full(pool, limit):
            return _queued(f"concurrency group {group!r}", pool, limit, known)
    return None


def _own(contention: Contention) -> Pool:
    return _pool(contention, None)


def _pool(contention: Contention, group: str | None) -> Pool:
    return next((pool for pool in contention.pools if pool.group == group), Pool(group))


def _full(pool: Pool, limit: int) -> bool:
    return pool.held + pool.ahead >= limit


def _without_slot(flow: Flow, rule: Concurrency, pool: Pool, known: Queue | None, *, first: bool) -> Wait | Skip:
    what = f"Flow {flow.metadata.name!r}"
    if rule.policy is ConcurrencyPolicy.SKIP and first:
        return Skip(f"skipped: {_all(rule.limit)} of {what} taken")
    return _queued(what, pool, rule.limit, known)


def _queued(what: str, pool: Pool, limit: int, known: Queue | None) -> Wait:
    place = _rounded(pool.ahead + 1)
    # What waits already keeps its place until it is a better one: newcomers of higher priority are no reason for a write to each.
    if known is not None and known.group == pool.group and known.position is not None and known.position < place:
        place = known.position
    seconds = min(_LOOK_SECONDS[1], max(_LOOK_SECONDS[0], 3 * place))
    return Wait(f"{_all(limit)} of {what} taken", Queue(position=place, group=pool.group), seconds)


def _all(limit: int) -> str:
    return "the only slot" if limit == 1 else f"all {limit} slots"


def _rounded(place: int) -> int:
    """Return 1, 2, 5, 10, 20, 50 and so on: the least that is not smaller."""
    step = 1
    while True:
        for digit in _PLACES:
            if place <= digit * step:
                return digit * step
        step *= 10


def limit_of(text: str | None) -> int | None:
    """Read a group's limit: a whole number, 0 stops the group; None: no whole number stands there."""
    value = (text or "").strip()
    return int(value) if value.isdecimal() and len(value) < 10 else None


def _unset(group: str, limits: Mapping[str, str]) -> str:
    found = limits.get(group)
    wrong = f"is {found!r}, which is no whole number" if found is not None else "is not set"
    return f"the limit of concurrency group {group!r} {wrong}: data.{group} of ConfigMap {CONCURRENCY_CONFIGMAP!r}"


def look_again(now: datetime, wait: Wait) -> datetime:
    """Return when a waiting run looks again by itself."""
    return later(now, wait.look_after)
