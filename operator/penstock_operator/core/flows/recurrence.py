"""What a schedule means: the times at which it is due. Pure; nothing here knows what time it is.

`cron_fields` reads an expression, `zones` knows the clocks, `cron_times` and `intervals` have the times. docs/schedules.md tells users.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ...api.flow import Schedule
from ..faults import Unusable
from .cron_fields import read_cron
from .cron_times import CronTimes
from .intervals import IntervalTimes
from .zones import check_zone


class Recurrence(Protocol):
    """Times that come round, in UTC and in whole seconds; a small value, cheap to ask."""

    def after(self, moment: datetime) -> datetime | None:
        """Return the first time that is later than a moment; None where the calendar ends."""

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        """Return the last time that is later than `after`, and not later than `until`; None if there is none."""

    def between(self, after: datetime, until: datetime, limit: int) -> tuple[datetime, ...]:
        """Return the newest `limit` times that are later than `after`, and not later than `until`, oldest first."""


def recurrence(schedule: Schedule) -> Recurrence:
    """Return the times of a schedule. Whether it is suspended, and which of its times are too old, is not asked here.

    Raises:
        Unusable: there are none; the message names the field and, of cron, the column.
    """
    if schedule.cron is not None:
        check_zone(schedule.time_zone)
        fields = read_cron(schedule.cron)
        return CronTimes(fields.plain, fields.every_hour, schedule.time_zone)
    if schedule.interval_seconds is not None:
        return IntervalTimes.of(schedule.interval_seconds, schedule.anchor_time)
    raise Unusable("neither cron nor intervalSeconds is set, so it is never due")
