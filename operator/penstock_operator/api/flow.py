"""Flow: a definition that runs refer to, with schedules and concurrency."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from . import names
from .base import Int32, Int64, Model, Time, Within, rules
from .execution import INLINE_ENTRYPOINT, Execution, Parameters
from .metadata import Conditions, ObjectMeta

_SCHEDULE_NAME = 40  # a run's name adds the time to the Flow's and to this


class MissedRunPolicy(StrEnum):
    """What becomes of runs that were due while nobody looked."""

    LATEST = "Latest"
    NONE = "None"
    ALL = "All"


class Schedule(Model):
    """When runs begin by themselves."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.cron) != has(self.intervalSeconds)", "exactly one of cron and intervalSeconds")
        )
    )

    name: Annotated[str, names.LABEL.field(_SCHEDULE_NAME)]
    cron: Annotated[str | None, Field(min_length=1, max_length=256)] = None
    interval_seconds: Annotated[Int64, Within(10)] | None = None
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"
    anchor_time: Time | None = None
    parameters: Parameters = None
    suspend: bool = False
    starting_deadline_seconds: Annotated[Int64, Within(1)] = 86_400
    missed_run_policy: MissedRunPolicy = MissedRunPolicy.LATEST


class ConcurrencyPolicy(StrEnum):
    """What happens to a run beyond the limit."""

    QUEUE = "Queue"
    SKIP = "Skip"
    REPLACE = "Replace"


class Concurrency(Model):
    """How many runs of a flow may be live."""

    limit: Annotated[Int32, Within(1, 100_000)]
    policy: ConcurrencyPolicy = ConcurrencyPolicy.QUEUE


class RunOnChange(StrEnum):
    """Whether a changed definition starts a run."""

    NEVER = "Never"
    ALWAYS = "Always"


class HistoryLimits(Model):
    """How many finished runs that the Flow owns are kept."""

    completed: Annotated[Int32, Within(0, 10_000)] = 100
    failed: Annotated[Int32, Within(0, 10_000)] = 100


class FlowSpec(Execution):
    """The execution fields, and when and how often to run."""

    model_config = ConfigDict(json_schema_extra=rules(INLINE_ENTRYPOINT))

    description: Annotated[str | None, Field(max_length=2048)] = None
    suspend: bool = False
    schedules: Annotated[
        tuple[Schedule, ...] | None,
        Field(
            max_length=50, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        ),
    ] = None
    concurrency: Concurrency | None = None
    concurrency_groups: Annotated[
        tuple[Annotated[str, names.KEY.field()], ...] | None,
        Field(max_length=8, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = None
    run_on_change: RunOnChange = RunOnChange.NEVER
    # `{}`: the server fills in the numbers from their own defaults, as it does for a user who writes only one of them.
    history_limits: Annotated[HistoryLimits, Field(json_schema_extra={"default": {}})] = HistoryLimits()

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
    last_scheduled_time: Time | None = None
    next_scheduled_time: Time | None = None


class FlowStatus(Model):
    """What is true of a Flow."""

    observed_generation: Int64 | None = None
    revision: Annotated[str | None, names.SUBDOMAIN.field(80)] = None
    active_runs: Annotated[Int32 | None, Field(ge=0)] = None
    queued_runs: Annotated[Int32 | None, Field(ge=0)] = None
    last_scheduled_time: Time | None = None
    next_scheduled_time: Time | None = None
    schedules: Annotated[
        tuple[ScheduleStatus, ...] | None,
        Field(
            max_length=50, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        ),
    ] = None
    conditions: Conditions = None


class Flow(Model):
    """A definition of a flow."""

    metadata: ObjectMeta
    spec: FlowSpec
    status: FlowStatus = FlowStatus()
