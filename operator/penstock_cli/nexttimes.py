"""`next`: the times at which a Flow's schedules are due, by the rule that the operator goes by."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from penstock_operator.api.flow import Schedule
from penstock_operator.api.times import rfc3339
from penstock_operator.core.faults import Unusable
from penstock_operator.core.flows.names import scheduled_name
from penstock_operator.core.flows.recurrence import recurrence

from .exits import Exit
from .kinds import FLOWRUN
from .render import duration, table
from .starting import find_flow, flow_name
from .terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .api import Api, Json
    from .outputs import Output

__all__ = ["show"]


@dataclass(frozen=True, slots=True)
class Planned:
    """What a Flow's schedules mean for the time to come.

    Attributes:
        times: each with its schedule, the earliest first.
        faults: what is wrong with schedules that have no times.
        suspended: names of schedules that start nothing.
    """

    times: tuple[tuple[datetime, Schedule], ...]
    faults: tuple[str, ...]
    suspended: tuple[str, ...]


def planned(spec: Json, now: datetime, count: int) -> Planned:
    """Return the next times of a Flow, as if it were not suspended as a whole.

    Args:
        spec: the Flow's.
        now: in UTC.
        count: how many times.
    """
    faults, suspended, rows = [], [], []
    for raw in spec.get("schedules") or []:
        try:
            schedule = Schedule.model_validate(raw)
            if schedule.suspend:
                suspended.append(schedule.name)
                continue
            rows.append(_times(schedule, now))
        except Unusable as why:
            faults.append(f"schedule {raw['name']!r}: {why}")
        except ValidationError as error:
            first = error.errors()[0]
            faults.append(f"schedule {raw.get('name')!r}: {'.'.join(map(str, first['loc']))}: {first['msg']}")
    merged = heapq.merge(*rows, key=lambda row: row[0])
    return Planned(tuple(row for _, row in zip(range(count), merged, strict=False)), tuple(faults), tuple(suspended))


def _times(schedule: Schedule, now: datetime) -> Iterator[tuple[datetime, Schedule]]:
    times = recurrence(schedule)  # what is wrong with it shows here, before the first time is asked for

    def each() -> Iterator[tuple[datetime, Schedule]]:
        moment = times.after(now)
        while moment is not None:
            yield moment, schedule
            moment = times.after(moment)

    return each()


def show(api: Api, word: str, count: int, output: Output, program: str) -> Exit:
    """Print a Flow's next times, in each schedule's zone and in that of this machine; returns the exit code."""
    flow = find_flow(api, flow_name(word))
    name, spec = flow["metadata"]["name"], flow["spec"]
    now = datetime.now(UTC)
    found = planned(spec, now, count)
    runs = [scheduled_name(name, schedule.name, moment) for moment, schedule in found.times]
    if output.kind == "name":
        for run in runs:
            say(FLOWRUN.label(run))
    elif output.kind:
        items = [
            {"schedule": schedule.name, "time": rfc3339(moment), "run": run}
            for (moment, schedule), run in zip(found.times, runs, strict=True)
        ]
        output.show({"flow": name, "suspended": bool(spec.get("suspend")), "times": items})
    elif found.times:
        rows = [_row(moment, schedule, now) for moment, schedule in found.times]
        say(table(["SCHEDULE", "TIME", "ZONE", "HERE", "IN"], rows))
    elif not found.faults:
        say(f"flow {name} has no {'other ' if found.suspended else ''}schedules", error=True)
    if spec.get("suspend"):
        say(f"note: flow {name} is suspended, none of these start a run; {program} resume fl/{name}", error=True)
    for each in found.suspended:
        say(f"note: schedule {each!r} is suspended", error=True)
    for fault in found.faults:
        say(f"error: {fault}", error=True)
    return Exit.FAILED if found.faults else Exit.OK


def _row(moment: datetime, schedule: Schedule, now: datetime) -> list[str]:
    zone = schedule.time_zone if schedule.cron is not None else "UTC"
    there, here = moment.astimezone(ZoneInfo(zone)), moment.astimezone()
    return [
        schedule.name,
        f"{there:%a %Y-%m-%d %H:%M:%S}",
        zone,
        f"{here:%a %Y-%m-%d %H:%M:%S %Z}",
        duration((moment - now).total_seconds()),
    ]
