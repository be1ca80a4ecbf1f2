"""Flow: a definition that runs refer to, with schedules and concurrency."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from . import names
from .base import OWNED_AS_A_WHOLE, Int32, Int64, Model, Time, Unreadable, Within, rules
from .execution import INLINE_ENTRYPOINT, Execution, Parameters
from .metadata import Conditions, ObjectMeta

_SCHEDULE_NAME = 40  # a run's name adds the time to the Flow's and to this
CHANGES: Final = 10  # revisions that a Flow's status remembers
MISSED_RUNS: Final = 100  # of a schedule, that are made up for at once


# The shape of what cron and timeZone may say; a number out of range, and a zone that there is not, stall the schedule with their words.
_CRON_SHAPE: Final = (
    r"^\\s*(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|[-0-9A-Za-z*?/,]+(\\s+[-0-9A-Za-z*?/,]+){4})\\s*$"
)
_ZONE_SHAPE: Final = "^[A-Za-z][-+A-Za-z0-9_]*(/[-+A-Za-z0-9_]+)*$"


class MissedRunPolicy(StrEnum):
    """What becomes of runs that were due while nobody looked."""

    LATEST = "Latest"
    NONE = "None"
    ALL = "All"


class Schedule(Model):
    """When runs begin by themselves."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.cron) != has(self.intervalSeconds)", "exactly one of cron and intervalSeconds"),
            (
                "!has(self.timeZone) || has(self.cron)",
                "timeZone is for cron: an interval is elapsed time in every zone",
            ),
            ("!has(self.anchorTime) || has(self.intervalSeconds)", "anchorTime is for intervalSeconds"),
            ("!has(self.cron) || !self.cron.contains('TZ=')", "cron: write the time zone into timeZone"),
            (
                f"!has(self.cron) || self.cron.contains('TZ=') || self.cron.matches('{_CRON_SHAPE}')",
                "cron: five fields (minute, hour, day of month, month, day of week; none for seconds), or one of @yearly,"
                " @annually, @monthly, @weekly, @daily, @midnight, @hourly; for @every use intervalSeconds",
            ),
            (
                f"!has(self.timeZone) || (self.timeZone.matches('{_ZONE_SHAPE}') && !self.timeZone.matches('(?i)^local$'))",
                "timeZone: a name of the tz database, like Europe/Berlin, or UTC",
            ),
        )
    )

    name: Annotated[str, names.LABEL.field(_SCHEDULE_NAME)]
    """Name of the schedule, unique in the Flow; part of the names of its runs."""
    cron: Annotated[str | None, Field(min_length=1, max_length=256)] = None
    """Cron expression of five fields, in timeZone. One of cron and intervalSeconds."""
    interval_seconds: Annotated[Int64, Within(10)] | None = None
    """Seconds between two runs, counted from anchorTime."""
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"
    """IANA name of the time zone that cron is read in, e.g. Europe/Berlin."""
    anchor_time: Time | None = None
    """The time that intervals are counted from. Absent: the epoch."""
    parameters: Parameters = None
    """Parameters of this schedule's runs, laid over the Flow's."""
    suspend: bool = False
    """Whether this schedule starts no runs."""
    starting_deadline_seconds: Annotated[Int64, Within(1)] = 86_400
    """Seconds after which a run that is overdue is not started any more."""
    missed_run_policy: MissedRunPolicy = MissedRunPolicy.LATEST
    """Which of several overdue runs are started: the Latest, None, or All."""


class ConcurrencyPolicy(StrEnum):
    """What happens to a run beyond the limit."""

    QUEUE = "Queue"
    SKIP = "Skip"
    REPLACE = "Replace"


class Concurrency(Model):
    """How many runs of a flow may be live."""

    limit: Annotated[Int32, Within(1, 100_000)]
    """How many runs of this flow may be live at the same time, in its namespace."""
    policy: ConcurrencyPolicy = ConcurrencyPolicy.QUEUE
    """What happens to a run beyond the limit: it waits (Queue), ends Cancelled (Skip), or cancels the oldest
    (Replace).
    """


class RunOnChange(StrEnum):
    """Whether a changed definition starts a run."""

    NEVER = "Never"
    ALWAYS = "Always"


class HistoryLimits(Model):
    """How many finished runs that the Flow owns are kept."""

    completed: Annotated[Int32, Within(0, 10_000)] = 100
    """How many Completed runs that the Flow owns are kept."""
    failed: Annotated[Int32, Within(0, 10_000)] = 100
    """How many Failed, Crashed and Cancelled runs that the Flow owns are kept."""


class FlowSpec(Execution):
    """The execution fields, and when and how often to run."""

    model_config = ConfigDict(json_schema_extra=rules(INLINE_ENTRYPOINT))

    description: Annotated[str | None, Field(max_length=2048)] = None
    """What the flow is for, for people."""
    suspend: bool = False
    """Whether schedules and changes start no runs. Runs that somebody creates still run."""
    schedules: Annotated[
        tuple[Schedule, ...] | None,
        Field(
            max_length=50, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        ),
    ] = None
    """When runs begin by themselves."""
    concurrency: Concurrency | None = None
    """How many runs of this flow may be live. Absent: any number."""
    concurrency_groups: Annotated[
        tuple[Annotated[str, names.KEY.field()], ...] | None,
        Field(max_length=8, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = None
    """Names of limits that flows of the namespace share; the numbers are in the ConfigMap penstock-concurrency."""
    run_on_change: RunOnChange = RunOnChange.NEVER
    """Whether a changed execution part of the spec starts one run of it."""
    # `{}`: the server fills in the numbers from their own defaults, as it does for a user who writes only one of them.
    history_limits: Annotated[HistoryLimits, Field(json_schema_extra={"default": {}})] = HistoryLimits()
    """How many finished runs that the Flow owns are kept."""

    # A Flow is read once, and taken apart by each decision about each of its runs.
    @cached_property
    def execution_json(self) -> dict[str, Any]:
        """The execution fields as JSON; not to be changed."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(Execution.model_fields))

    @cached_property
    def execution(self) -> Execution:
        """The execution fields alone."""
        return Execution.model_validate(self.execution_json)


class ScheduleStatus(Model):
    """What became of a schedule."""

    name: Annotated[str, names.LABEL.field(_SCHEDULE_NAME)]
    """Name of the schedule."""
    rule: Annotated[str | None, Field(max_length=512)] = None
    """The rule that its times come from, as it was read last. Another rule under the same name starts from the
    moment of the change.
    """
    last_scheduled_time: Time | None = None
    """The time that its last run was for."""
    next_scheduled_time: Time | None = None
    """The time that its next run is for: all earlier ones are settled. Absent while it is suspended or can't be used."""
    overdue_times: Annotated[tuple[Time, ...] | None, Field(max_length=MISSED_RUNS)] = None
    """Times that are due and whose runs could not be made yet. They are tried again until startingDeadlineSeconds
    is over.
    """


class Change(Model):
    """A revision of the Flow, as runOnChange has met it."""

    revision: Annotated[str, names.SUBDOMAIN.field(80)]
    """Name of the revision's ConfigMap."""
    digest: Annotated[str | None, Field(max_length=64, pattern="^[0-9a-f]{64}$")] = None
    """SHA-256 of that ConfigMap's content."""
    run_name: Annotated[str | None, names.LABEL.field()] = None
    """Name of the run that was started for it last. Absent: none was, since nobody wanted one when it came."""
    runs: Annotated[Int32, Field(ge=0)] = 0
    """How many runs were started for it: one, and one more for each return to it."""
    pending: bool | None = None
    """True: that run is being made."""


class LastOutcome(Model):
    """How a run of a Flow ended."""

    run_name: Annotated[str, names.LABEL.field()]
    """Name of the run. It may be gone."""
    state: Annotated[str, Field(max_length=32)]
    """The type of its state: Completed, Failed, Crashed or Cancelled."""
    reason: Annotated[str | None, Field(max_length=64)] = None
    """The name of its state, e.g. OOMKilled."""
    completion_time: Time
    """When it ended."""


class FlowStatus(Model):
    """What is true of a Flow."""

    model_config = ConfigDict(json_schema_extra=OWNED_AS_A_WHOLE)

    observed_generation: Int64 | None = None
    """metadata.generation of the spec that this status is about. -1: nobody has looked at it yet."""
    revision: Annotated[str | None, names.SUBDOMAIN.field(80)] = None
    """Name of the ConfigMap that a run which started now would use."""
    active_runs: Annotated[Int32 | None, Field(ge=0)] = None
    """Runs of this flow that hold a slot."""
    queued_runs: Annotated[Int32 | None, Field(ge=0)] = None
    """Runs of this flow that wait for a slot."""
    changes: Annotated[
        tuple[Change, ...] | None,
        Field(
            max_length=CHANGES,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["revision"]},
        ),
    ] = None
    """The revisions that runOnChange has met, the newest 10, the present one last."""
    last_outcome: LastOutcome | None = None
    """How the run ended that ended last."""
    last_scheduled_time: Time | None = None
    """The latest time that a schedule has started a run for."""
    next_scheduled_time: Time | None = None
    """The earliest of the schedules' next times."""
    schedules: Annotated[
        tuple[ScheduleStatus, ...] | None,
        Field(
            max_length=50, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        ),
    ] = None
    """The schedules' times, by name."""
    conditions: Conditions = None
    """Ready: all of it can be used. Stalled: something can't, be it a schedule, and the message says why.
    Suspended. Degraded: a run could not be made. MissedRuns: more were missed than are made up for.
    """


class Flow(Model):
    """A definition of a flow."""

    metadata: ObjectMeta
    spec: FlowSpec
    status: FlowStatus = FlowStatus()
    unreadable: Unreadable = ()

    @cached_property
    def made(self) -> dict[str, Any]:
        """What readers have made of it, by names of their own; a copy shares it, so they say of which parts."""
        return {}
