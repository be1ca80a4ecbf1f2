"""FlowRun: one execution of a flow. `spec` is the user's, `status` the operator's, `status.report` the engine's; nobody else writes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from . import names
from .base import Int32, Int64, Model, Time, Within, free_form, rules
from .execution import EnvList, Execution, Image, Parameters, Resources, RunPolicy, Template
from .metadata import Conditions, ObjectMeta

TERMINAL_CEL = "['Completed','Failed','Crashed','Cancelled']"


class DesiredState(StrEnum):
    """What the user wants of a run."""

    RUNNING = "Running"
    PAUSED = "Paused"
    SUSPENDED = "Suspended"
    CANCELLED = "Cancelled"


class StateType(StrEnum):
    """The closed set of state types."""

    SCHEDULED = "Scheduled"
    PENDING = "Pending"
    RUNNING = "Running"
    PAUSED = "Paused"
    CANCELLING = "Cancelling"
    CANCELLED = "Cancelled"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CRASHED = "Crashed"

    @property
    def terminal(self) -> bool:
        """Whether a run in this state has ended, for ever."""
        return self in _TERMINAL


_TERMINAL = frozenset({StateType.COMPLETED, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED})


class ReportType(StrEnum):
    """What an engine can say."""

    RUNNING = "Running"
    PAUSED = "Paused"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    CRASHED = "Crashed"
    INTERRUPTED = "Interrupted"
    SUSPENDED = "Suspended"
    AWAITING_RETRY = "AwaitingRetry"

    @property
    def outcome(self) -> bool:
        """Whether it ends an attempt ("terminal-like")."""
        return self not in (ReportType.RUNNING, ReportType.PAUSED)


class NameRef(Model):
    """A reference by name, in the same namespace."""

    name: Annotated[str, names.LABEL.field()]


class FlowRunSpec(Model):
    """What the user asks for."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.flowRef) != has(self.flowSpec)", "exactly one of spec.flowRef and spec.flowSpec"),
            (
                "has(self.flowRef) == has(oldSelf.flowRef) && (!has(self.flowRef) || self.flowRef == oldSelf.flowRef)",
                "spec.flowRef is immutable",
            ),
            (
                "!has(self.flowSpec) || !has(oldSelf.flowSpec) || (self.flowSpec.entrypoint == oldSelf.flowSpec.entrypoint"
                " && has(self.flowSpec.source) == has(oldSelf.flowSpec.source)"
                " && (!has(self.flowSpec.source) || self.flowSpec.source == oldSelf.flowSpec.source))",
                "spec.flowSpec is immutable",
            ),
            (
                "has(self.rerunOf) == has(oldSelf.rerunOf) && (!has(self.rerunOf) || self.rerunOf == oldSelf.rerunOf)",
                "spec.rerunOf is immutable",
            ),
            (
                "has(self.managedBy) == has(oldSelf.managedBy) && (!has(self.managedBy) || self.managedBy == oldSelf.managedBy)",
                "spec.managedBy is immutable",
            ),
            (
                "oldSelf.desiredState != 'Cancelled' || self.desiredState == 'Cancelled'",
                "a cancellation cannot be withdrawn: create a new FlowRun",
            ),
        )
    )

    flow_ref: NameRef | None = None
    flow_spec: Execution | None = None
    parameters: Parameters = None
    context: Parameters = None
    template: Template | None = None
    env: EnvList = None
    resources: Resources = None
    image: Image = None
    run_policy: RunPolicy | None = None
    desired_state: DesiredState = DesiredState.RUNNING
    inputs: Annotated[dict[str, Any] | None, free_form(64)] = None
    scheduled_time: Time | None = None
    priority: Annotated[Int32, Within(-2_147_483_648, 2_147_483_647)] = 0
    display_name: Annotated[str | None, Field(max_length=253)] = None
    rerun_of: NameRef | None = None
    managed_by: Annotated[str | None, names.CONTROLLER.field()] = None


class State(Model):
    """The state of a run."""

    type: StateType
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    message: Annotated[str | None, Field(max_length=1024)] = None
    since: Time | None = None
    time: Time | None = None


class FlowInfo(Model):
    """Which flow, in which revision."""

    name: Annotated[str | None, names.FLOW.field()] = None
    uid: Annotated[str | None, Field(max_length=64)] = None
    revision: Annotated[str | None, names.SUBDOMAIN.field(80)] = None


class Attempt(Model):
    """The attempt under way: one pod."""

    number: Annotated[Int32, Field(ge=1)]
    pod_name: Annotated[str, names.SUBDOMAIN.field()]
    pod_uid: Annotated[str | None, Field(max_length=64, alias="podUID")] = None
    start_time: Time | None = None
    # Of the engine's container when the claim was first seen: what restarts it later ends the attempt.
    restarts: Annotated[Int32 | None, Field(ge=0)] = None
    node_name: Annotated[str | None, names.SUBDOMAIN.field()] = None


class FinishedAttempt(Model):
    """An attempt that was judged, and what it was counted as."""

    number: Annotated[Int32, Field(ge=1)]
    pod_name: Annotated[str | None, names.SUBDOMAIN.field()] = None
    state: Annotated[str | None, Field(max_length=32)] = None
    reason: Annotated[str | None, Field(max_length=64)] = None
    message: Annotated[str | None, Field(max_length=512)] = None
    start_time: Time | None = None
    end_time: Time | None = None
    exit_code: Int32 | None = None
    budget: Annotated[str | None, Field(max_length=32)] = None


class Used(Model):
    """How much of each retry budget is used, consecutively."""

    infrastructure: Annotated[Int32 | None, Field(ge=0)] = None
    never_started: Annotated[Int32 | None, Field(ge=0)] = None
    application: Annotated[Int32 | None, Field(ge=0)] = None


class Result(Model):
    """A small preview of the result, and where the whole is."""

    json_: Annotated[str | None, Field(max_length=1024, alias="json")] = None
    type: Annotated[str | None, Field(max_length=256)] = None
    location: Annotated[str | None, Field(max_length=2048)] = None


class Error(Model):
    """The exception that ended the flow, with the user's frames."""

    type: Annotated[str | None, Field(max_length=256)] = None
    message: Annotated[str | None, Field(max_length=1024)] = None
    location: Annotated[str | None, Field(max_length=512)] = None
    traceback: Annotated[str | None, Field(max_length=2048)] = None


class Queue(Model):
    """The place in a concurrency queue."""

    position: Annotated[Int32 | None, Field(ge=0)] = None
    group: Annotated[str | None, names.KEY.field()] = None


class PauseInput(Model):
    """What a pause waits for."""

    schema_: Annotated[dict[str, Any] | None, Field(max_length=64, alias="schema")] = None
    description: Annotated[str | None, Field(max_length=1024)] = None
    error: Annotated[str | None, Field(max_length=1024)] = None


class Pause(Model):
    """A pause by the flow's own code."""

    key: Annotated[str | None, Field(max_length=253)] = None
    since: Time | None = None
    deadline: Time | None = None
    seen: Annotated[str | None, Field(max_length=64)] = None
    input: PauseInput | None = None


HookNames = Annotated[tuple[Annotated[str, Field(max_length=253)], ...] | None, Field(max_length=32)]


class Hooks(Model):
    """What became of the hooks."""

    ran: HookNames = None
    failed: HookNames = None
    not_run: HookNames = None


class Progress(Model):
    """Counts of task runs, written by the engine now and then."""

    summary: Annotated[str | None, Field(max_length=64)] = None
    total: Annotated[Int32 | None, Field(ge=0)] = None
    running: Annotated[Int32 | None, Field(ge=0)] = None
    completed: Annotated[Int32 | None, Field(ge=0)] = None
    failed: Annotated[Int32 | None, Field(ge=0)] = None
    cached: Annotated[Int32 | None, Field(ge=0)] = None
    activity: Annotated[str | None, Field(max_length=253)] = None


class Report(Model):
    """What the engine says of its attempt. The operator reads it, and removes it with the attempt; it never writes one."""

    attempt: Annotated[Int32, Field(ge=1)]
    instance: Annotated[str, Field(max_length=64)]
    type: ReportType
    name: Annotated[str | None, Field(max_length=64)] = None
    message: Annotated[str | None, Field(max_length=1024)] = None
    time: Time | None = None
    start_time: Time | None = None
    resume_time: Time | None = None
    waiting: Annotated[str | None, Field(max_length=512)] = None
    ending: bool | None = None
    signal: Annotated[str | None, Field(max_length=16)] = None
    intent: Annotated[str | None, Field(max_length=32)] = None
    hooks: Hooks | None = None
    result: Result | None = None
    error: Error | None = None
    progress: Progress | None = None
    pause: Pause | None = None


Attempts = Annotated[
    tuple[FinishedAttempt, ...] | None,
    Field(max_length=10, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["number"]}),
]


class FlowRunStatus(Model):
    """What is true of a run."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            ("!has(oldSelf.state) || has(self.state)", "status.state may not be removed"),
            (
                f"!has(oldSelf.state) || !(oldSelf.state.type in {TERMINAL_CEL}) || self.state == oldSelf.state",
                "a terminal state is final",
            ),
            (
                "!has(oldSelf.attempt) || (has(self.attempt) && self.attempt.number >= oldSelf.attempt.number)",
                "status.attempt.number never decreases",
            ),
            (
                "!has(oldSelf.completionTime) || (has(self.completionTime) && self.completionTime == oldSelf.completionTime)",
                "status.completionTime is final",
            ),
        )
    )

    observed_generation: Int64 | None = None
    state: State | None = None
    flow: FlowInfo | None = None
    attempt: Attempt | None = None
    attempts: Attempts = None
    retries: Used | None = None
    scheduled_time: Time | None = None
    start_time: Time | None = None
    completion_time: Time | None = None
    result: Result | None = None
    error: Error | None = None
    queue: Queue | None = None
    pause: Pause | None = None
    spec_hash: Annotated[str | None, Field(max_length=64)] = None
    lineage: Annotated[str | None, Field(max_length=64)] = None
    conditions: Conditions = None
    report: Report | None = None


class FlowRun(Model):
    """One execution of a flow."""

    metadata: ObjectMeta
    spec: FlowRunSpec
    status: FlowRunStatus = FlowRunStatus()
