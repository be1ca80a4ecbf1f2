"""What is due of a schedule, and what of it is still worth starting: `startingDeadlineSeconds` and `missedRunPolicy`.

Times are settled in order, and `status.schedules[].nextScheduledTime` is the first that is not. What is due and not settled is started, or
missed: by the deadline, since a later one is due as well (Latest), since it can't be started on time (None), or since there are more than
are made up for at once (All). A time whose run could not be made is overdue, and is due again until one of these rules drops it.
Pure; neighbours: `recurrence` has the times, `schedules` makes runs and the status of it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from penstock_operator.api.flow import MISSED_RUNS, MissedRunPolicy, Schedule
from penstock_operator.api.times import later, rfc3339

from .recurrence import Recurrence

# An operator that starts anew, or has a thousand runs to start in the same minute, is on time all the same.
ON_TIME_SECONDS = 60
_TICK = 1e-6


@dataclass(frozen=True, slots=True)
class Due:
    """What is due.

    Attributes:
        start: times whose runs are still to be started, oldest first.
        next: the first time that is not due yet; None: there is none.
        patience: seconds after its time for which a run is worth starting.
        early: times that were due by a clock that was ahead, and whose runs could not be made then.
        missed: which runs were due and are not started, in words; empty: none.
        too_many: whether there were more than are made up for at once.
    """

    start: tuple[datetime, ...]
    next: datetime | None
    patience: int
    early: tuple[datetime, ...] = ()
    missed: str = ""
    too_many: bool = False


def due(
    schedule: Schedule,
    times: Recurrence,
    cursor: datetime,
    now: datetime,
    *,
    overdue: Collection[datetime] = (),
    done: Collection[datetime] = (),
) -> Due:
    """Return what is due of a schedule.

    Args:
        schedule: with its rules.
        times: when it is due.
        cursor: the first time that is not settled.
        now: the operator's clock.
        overdue: earlier times whose runs could not be made so far.
        done: times whose runs were made, and that may not be settled yet.
    """
    policy = schedule.missed_run_policy
    patience = schedule.starting_deadline_seconds
    if policy is MissedRunPolicy.NONE:
        patience = min(patience, ON_TIME_SECONDS)
    oldest = later(now, -patience)
    most = MISSED_RUNS if policy is MissedRunPolicy.ALL else 1
    after = max(later(cursor, -1), later(oldest, -_TICK))
    # One more than are started tells that there are more. What was made meanwhile counts among them.
    fresh = times.between(after, now, most + 1) if cursor <= now else ()
    candidates = sorted({*(t for t in overdue if oldest <= t <= now), *fresh})
    start = tuple(t for t in candidates[-most:] if t not in done)
    dropped = [t for t in candidates[:-most] if t not in done]
    late = [t for t in overdue if t < oldest and t not in done]
    passed = times.latest(later(cursor, -1), later(oldest, -_TICK)) if cursor < oldest else None
    if passed is not None and passed not in done:
        late.append(passed)
    words = [_late(max(late), patience)] if late else []
    words += [_dropped(dropped[-1], policy)] if dropped else []
    following = times.after(now) if cursor <= now else cursor
    too_many = bool(dropped) and policy is MissedRunPolicy.ALL
    early = tuple(t for t in overdue if t > now and t not in done)
    return Due(start, following, patience, early, "; ".join(words), too_many)


def _late(last: datetime, patience: int) -> str:
    return f"what was due until {rfc3339(last)} could not be started within {patience} s, and is not started any more"


def _dropped(last: datetime, policy: MissedRunPolicy) -> str:
    if policy is MissedRunPolicy.ALL:
        return f"more than {MISSED_RUNS} runs were missed: what was due until {rfc3339(last)} is not started any more"
    return f"what was due until {rfc3339(last)} was missed, and only the latest run is started"
