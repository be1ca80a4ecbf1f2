"""The times at which a Flow's schedules are due, by the rule that the operator goes by. Pure."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from penstock_operator.api.flow import Schedule
from penstock_operator.core.faults import Unusable
from penstock_operator.core.flows.recurrence import recurrence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

__all__ = ["Planned", "planned"]


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


def planned(spec: Mapping[str, Any], now: datetime, count: int) -> Planned:
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
