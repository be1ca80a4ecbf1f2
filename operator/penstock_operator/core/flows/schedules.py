"""The schedules of a Flow: which runs are to be made now, and what the status says of each schedule.

Level-based: a decision needs the Flow, its status and the time. `nextScheduledTime` is the cursor: all earlier times are settled, whatever
has become of their runs, so a run that somebody deleted never comes again. A schedule that is met for the first time, or by another rule
than the status has, or that was suspended, begins from now; that of a Flow that nobody has looked at yet, from the Flow's creation.
Each schedule stands for itself: what is wrong with one holds up no other.
Neighbours: `due` knows the rules, `names` and `children` the runs, `refusals` what to do about those that were not taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from penstock_operator.api.flow import Schedule, ScheduleStatus
from penstock_operator.api.times import later, rfc3339

from ..clock import believed
from ..faults import Unusable
from ..model import Emit
from ..plan import earliest
from .children import scheduled_run
from .due import Due, due
from .model import CreateRun, FlowEffect, FlowObserved, Part, Readiness
from .recurrence import Recurrence, recurrence
from .refusals import said, try_again, waits, worth_telling
from .suspension import suspended

MISSED: Final = "RunsMissed"


@dataclass(slots=True)
class _Found:
    """What is found out schedule by schedule."""

    rows: list[ScheduleStatus] = field(default_factory=list)
    creates: list[CreateRun] = field(default_factory=list)
    events: list[FlowEffect] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    settled: bool = False
    again: datetime | None = None


def schedules(seen: FlowObserved, ready: Readiness) -> Part:
    """Return what the schedules of a Flow want."""
    flow = seen.flow
    if flow.unreadable:
        # A field that could not be read might have been the one that says no.
        return Part()
    known = {row.name: row for row in flow.status.schedules or ()}
    found = _Found()
    for schedule in flow.spec.schedules or ():
        _schedule(seen, ready, schedule, known.get(schedule.name), found)
    last = [row.last_scheduled_time for row in found.rows] + [flow.status.last_scheduled_time]
    changes = {
        "schedules": tuple(found.rows) or None,
        "last_scheduled_time": max((time for time in last if time is not None), default=None),
        "next_scheduled_time": earliest(*(row.next_scheduled_time for row in found.rows)),
    }
    return Part(
        creates=tuple(found.creates),
        effects=tuple(found.events),
        changes=changes,
        faults=tuple(found.faults),
        degraded="; ".join(found.degraded),
        missed="; ".join(found.missed) if found.settled else None,
        requeue_at=found.again,
    )


def rule_of(schedule: Schedule) -> str:
    """Return the rule that a schedule's times come from, in words."""
    if schedule.cron is not None:
        return f"{' '.join(schedule.cron.split())} {schedule.time_zone}"
    anchor = f" from {rfc3339(schedule.anchor_time)}" if schedule.anchor_time is not None else ""
    return f"every {schedule.interval_seconds} s{anchor}"


def _schedule(
    seen: FlowObserved, ready: Readiness, schedule: Schedule, known: ScheduleStatus | None, found: _Found
) -> None:
    """Add what one schedule wants."""
    made = [run.time for run in seen.made.values() if run.schedule == schedule.name and run.time is not None]
    lasts = [time for time in (known.last_scheduled_time if known is not None else None, *made) if time is not None]
    row = ScheduleStatus(name=schedule.name, rule=rule_of(schedule), last_scheduled_time=max(lasts, default=None))
    try:
        cursor, times = _cursor(seen, schedule, known, row.rule)
    except Unusable as why:
        found.faults.append(f"schedule {schedule.name!r}: {why}")
        found.rows.append(row)
        return
    if cursor is None or suspended(seen.flow, schedule):
        found.rows.append(row)
        return
    overdue = known.overdue_times or () if known is not None and known.rule == row.rule else ()
    if cursor > seen.now and not overdue:
        found.again = earliest(found.again, cursor)
        found.rows.append(row.model_copy(update={"next_scheduled_time": cursor}))
        return
    its = due(schedule, times or recurrence(schedule), cursor, seen.now, overdue=overdue, done=made)
    _settle(seen, ready, schedule, row, its, found)


def _cursor(
    seen: FlowObserved, schedule: Schedule, known: ScheduleStatus | None, rule: str | None
) -> tuple[datetime | None, Recurrence | None]:
    """Return the first time that is not settled; None: there is none. And the schedule's times, where they had to be read.

    Raises:
        Unusable: they can't be.
    """
    cursor = known.next_scheduled_time if known is not None and known.rule == rule else None
    if cursor is not None and believed(cursor, seen.now):
        return cursor, None
    # Either nothing is settled; or it is by a clock that was wrong, or the schedule is due in years.
    times = recurrence(schedule)
    return times.after(_since(seen, known)), times


def _since(seen: FlowObserved, known: ScheduleStatus | None) -> datetime:
    """Return the moment from which on a schedule counts that has no cursor.

    That is now, but neither before the Flow was there, nor, where a clock was ahead, before a time that a run was started for.
    """
    meta, now = seen.flow.metadata, seen.now
    created = meta.creation_timestamp or now
    if known is None and (seen.flow.status.observed_generation or -1) < 0 and meta.generation == 1:
        return created  # what it is now it has been since
    last = known.last_scheduled_time if known is not None else None
    return max(now, created, last if last is not None and believed(last, now) else now)


def _settle(
    seen: FlowObserved, ready: Readiness, schedule: Schedule, row: ScheduleStatus, its: Due, found: _Found
) -> None:
    """Settle what is due: runs to make, times that stay overdue, and what is said of what is not made."""
    refusals: list[str] = []
    for time in its.start:
        run = scheduled_run(seen.flow, schedule, time)
        refusal = seen.refused.get(run.name)
        if refusal is not None and worth_telling(refusal):
            refusals.append(f"run {run.name} {said(refusal)}; tried again until {rfc3339(later(time, its.patience))}")
        if refusal is not None and waits(refusal, seen.now):
            found.again = earliest(found.again, try_again(refusal))
        elif ready.usable:
            found.creates.append(run)
    if refusals:
        more = f", and {len(refusals) - 1} more" if len(refusals) > 1 else ""
        found.degraded.append(f"schedule {schedule.name!r}: {refusals[0]}{more}")
    if its.missed:
        words = f"schedule {schedule.name!r}: {its.missed}"
        found.events.append(Emit("Warning", MISSED, words, "Schedule"))
        if its.too_many:
            found.missed.append(words)
    found.settled = True
    found.again = earliest(found.again, its.next, *its.early)
    if its.start:
        found.again = earliest(found.again, later(its.start[0], its.patience + 1))
    overdue = (*its.start, *its.early)
    found.rows.append(row.model_copy(update={"next_scheduled_time": its.next, "overdue_times": overdue or None}))
