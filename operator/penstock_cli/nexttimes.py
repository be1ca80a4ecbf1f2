"""`next`: the times at which a Flow's schedules are due, by the rule that the operator goes by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from penstock_operator.api.times import rfc3339
from penstock_operator.core.flows.names import scheduled_name
from penstock_reading.planned import planned

from .exits import Exit
from .kinds import FLOWRUN
from .render import duration, table
from .starting import find_flow, flow_name
from .terminal import say

if TYPE_CHECKING:
    from penstock_operator.api.flow import Schedule

    from .api import Api
    from .outputs import Output

__all__ = ["show"]


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
    elif output.document:
        items = [
            {"schedule": schedule.name, "time": rfc3339(moment), "run": run}
            for (moment, schedule), run in zip(found.times, runs, strict=True)
        ]
        output.show({"flow": name, "suspended": bool(spec.get("suspend")), "times": items})
    elif found.times:
        rows = [_row(moment, schedule, now) for moment, schedule in found.times]
        heading = ["SCHEDULE", "TIME", "ZONE", "HERE", "IN"]
        if output.kind == "wide":
            heading, rows = [*heading, "RUN"], [[*row, run] for row, run in zip(rows, runs, strict=True)]
        say(table(heading, rows))
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
