"""When a flow begins by itself, said in code: `Cron` and `Interval`, as Prefect names them.

They say what a `Flow` resource says in `spec.schedules`, and start nothing by themselves. Whether an expression or a time
zone is right is said by `penstock build`, with the operator's own reading. Neighbours: `to_flow` takes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORTEST_INTERVAL = 10  # seconds, as the resource has it
MISSED_RUN_POLICIES = ("Latest", "None", "All")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When runs begin: by a cron expression or an interval; made by `Cron` and `Interval`.

    Args:
        interval: time between two runs.
        cron: an expression of five fields, with the meaning that Kubernetes' CronJob gives it.
        timezone: IANA name, that `cron` is read in, and an anchor without a zone: an interval is elapsed time in every zone. None: UTC.
        anchor_date: time that intervals are counted from; one without a zone is in `timezone`. None: the epoch.
        active: whether it starts runs.
        parameters: of its runs, laid over the flow's.
        slug: its name in the resource, and part of the names of its runs; None: `cron` or `interval`.
        starting_deadline: seconds after which an overdue run is not started any more; None: a day.
        missed_run_policy: which of several overdue runs are started: `Latest`, `None` or `All`; None: the latest.

    Raises:
        TypeError: a value is of another type.
        ValueError: not exactly one of `interval` and `cron`, or an interval is below ten seconds or no whole number of them.
    """

    interval: timedelta | None = None
    cron: str | None = None
    timezone: str | None = None
    anchor_date: datetime | None = None
    active: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    slug: str | None = None
    starting_deadline: int | None = None
    missed_run_policy: str | None = None

    def __post_init__(self) -> None:
        if (self.interval is None) == (self.cron is None):
            raise ValueError("A schedule has either a cron expression or an interval: use Cron(...) or Interval(...).")
        for name, kind in (
            ("interval", timedelta), ("cron", str), ("timezone", str), ("anchor_date", datetime), ("slug", str),
            ("missed_run_policy", str), ("starting_deadline", int),
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise TypeError(f"{name} of a schedule is {kind.__name__}; {value!r} was given.")
        if not isinstance(self.active, bool):
            raise TypeError(f"active of a schedule is True or False; {self.active!r} was given.")
        if self.interval is not None:
            seconds = self.interval.total_seconds()
            if seconds < SHORTEST_INTERVAL or seconds != int(seconds):
                raise ValueError(
                    f"An interval is a whole number of seconds, {SHORTEST_INTERVAL} or more; {seconds:g} s was given."
                )
        elif self.anchor_date is not None:
            raise ValueError(
                "Only intervals are counted from an anchor_date; a cron expression names its times itself."
            )
        if self.missed_run_policy is not None and self.missed_run_policy not in MISSED_RUN_POLICIES:
            raise ValueError(
                f"missed_run_policy is one of {', '.join(MISSED_RUN_POLICIES)}; {self.missed_run_policy!r} was given."
            )

    def to_spec(self, name: str, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
        """The entry in `spec.schedules`.

        Args:
            name: of the schedule, unless it has one.
            parameters: its parameters in JSON form; None: it has none.

        Raises:
            ValueError: the anchor is in a time zone that is not known here.
        """
        spec: dict[str, Any] = {"name": self.slug or name}
        if self.cron is not None:
            spec["cron"] = self.cron
        if self.interval is not None:
            spec["intervalSeconds"] = int(self.interval.total_seconds())
        if self.timezone is not None and self.cron is not None:
            spec["timeZone"] = self.timezone
        if self.anchor_date is not None:
            spec["anchorTime"] = _utc(self.anchor_date, self.timezone)
        if parameters:
            spec["parameters"] = dict(parameters)
        if not self.active:
            spec["suspend"] = True
        if self.starting_deadline is not None:
            spec["startingDeadlineSeconds"] = self.starting_deadline
        if self.missed_run_policy is not None:
            spec["missedRunPolicy"] = self.missed_run_policy
        return spec


def _utc(moment: datetime, zone: str | None) -> str:
    from zoneinfo import ZoneInfo

    if moment.tzinfo is None:
        try:
            moment = moment.replace(tzinfo=ZoneInfo(zone or "UTC"))
        except (KeyError, ValueError, OSError) as exc:
            raise ValueError(f"the time zone {zone!r} is not known here") from exc
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def Cron(  # noqa: N802  (Prefect's name)
    cron: str,
    /,
    timezone: str | None = None,
    day_or: bool = True,
    active: bool = True,
    parameters: Mapping[str, Any] | None = None,
    slug: str | None = None,
    starting_deadline: int | None = None,
    missed_run_policy: str | None = None,
) -> Schedule:
    """A schedule by a cron expression, as `Cron("0 6 * * *", timezone="Europe/Berlin")`; see `Schedule` for the rest.

    Args:
        cron: five fields; `@daily` and its like.
        timezone: IANA name; None: UTC.
        day_or: only True: a day that fits the day of the month or the day of the week is a day, as in any cron.
        active: whether it starts runs.
        parameters: of its runs.
        slug: its name.
        starting_deadline: seconds after which an overdue run is not started any more.
        missed_run_policy: `Latest`, `None` or `All`.

    Raises:
        ValueError: `day_or` is False.
    """
    if not day_or:
        raise ValueError(
            "day_or=False does not exist here: days of the month and of the week are joined by OR, as in a CronJob. "
            "Let the schedule begin on all such days, and return early in the flow."
        )
    return Schedule(
        cron=cron, timezone=timezone, active=active, parameters=parameters or {}, slug=slug,
        starting_deadline=starting_deadline, missed_run_policy=missed_run_policy,
    )  # fmt: skip


def Interval(  # noqa: N802  (Prefect's name)
    interval: timedelta | float,
    /,
    anchor_date: datetime | None = None,
    timezone: str | None = None,
    active: bool = True,
    parameters: Mapping[str, Any] | None = None,
    slug: str | None = None,
    starting_deadline: int | None = None,
    missed_run_policy: str | None = None,
) -> Schedule:
    """A schedule by an interval, as `Interval(timedelta(hours=1))`; see `Schedule` for the rest.

    Args:
        interval: time between two runs; a number is seconds.
        anchor_date: time that intervals are counted from; None: the epoch, so that each build says the same.
        timezone: IANA name, for an anchor without one.
        active: whether it starts runs.
        parameters: of its runs.
        slug: its name.
        starting_deadline: seconds after which an overdue run is not started any more.
        missed_run_policy: `Latest`, `None` or `All`.
    """
    if not isinstance(interval, timedelta):
        interval = timedelta(seconds=interval)
    return Schedule(
        interval=interval, anchor_date=anchor_date, timezone=timezone, active=active, parameters=parameters or {},
        slug=slug, starting_deadline=starting_deadline, missed_run_policy=missed_run_policy,
    )  # fmt: skip
