"""Names of a Flow's runs: the same for every operator, and for one that starts again, so that a run is made once.

Rule: Flow, schedule and time (UTC, seconds only where there are any), at most 52 characters, the bound of a FlowRun's name. Where dashes
could make two pairs of Flow and schedule alike, or where a name had to be cut, a hash of the pair tells them apart. The run of a change has
the name of the revision, and a number from its second run on.
"""

from __future__ import annotations

from datetime import datetime

from penstock_operator.api.names import RUN
from penstock_operator.api.times import utc

from ..canonical import digest_text

LONGEST = RUN.maximum
_HASH = 8  # digits


def changed_name(flow: str, revision: str, number: int) -> str:
    """Return the name of a revision's run.

    Args:
        flow: name of the Flow.
        revision: name of its revision, which ends in a hash.
        number: the how-manieth run of this revision, from 1.
    """
    again = f"-{number}" if number > 1 else ""
    if len(revision) + len(again) <= LONGEST:
        return revision + again
    tail = f"-{digest_text(flow)[:_HASH]}-{revision.rpartition('-')[2]}{again}"
    return flow[: LONGEST - len(tail)].rstrip("-") + tail


def scheduled_name(flow: str, schedule: str, time: datetime) -> str:
    """Return the name of a schedule's run.

    Args:
        flow: name of the Flow.
        schedule: name of the schedule.
        time: that the run is for, whole seconds.
    """
    moment = utc(time)
    at = moment.strftime("%Y%m%d%H%M%S" if moment.second else "%Y%m%d%H%M")
    name = f"{flow}-{schedule}-{at}"
    if len(name) <= LONGEST and "-" not in schedule:
        return name
    tail = f"-{digest_text(f'{flow}/{schedule}')[:_HASH]}-{at}"
    return f"{flow}-{schedule}"[: LONGEST - len(tail)].rstrip("-") + tail
