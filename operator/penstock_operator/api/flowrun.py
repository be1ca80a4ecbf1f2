"""FlowRun: one execution of a flow. `spec` is the user's, `status` the operator's, `status.report` the engine's; nobody else writes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

from . import names
from .base import OWNED_AS_A_WHOLE, Int32, Int64, Model, Time, Unreadable, Within, free_form, immutable, rules
from .execution import (
    INLINE_ENTRYPOINT,
    EnvList,
    Execution,
    Image,
    Parameters,
    Resources,
    Retention,
    RunPolicy,
    Template,
)
from .metadata import Conditions, ObjectMeta
from .report import Error, Pause, Report, Result

# What a run takes over from the one that it repeats: half of a status, which may be 32 kB.
INHERITED_CHARACTERS = 16_384

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


class NameRef(Model):
    """A reference by name, in the same namespace."""

    name: Annotated[str, names.LABEL.field()]
    """Name of the object, in the same namespace."""


def unchanged(field: str) -> Any:
    """Return the constraint of a field whose value nobody changes; that it stays there is its object's rule."""
    return Field(json_schema_extra=rules(("self == oldSelf", immutable(field))))


SAME_FLOW: Final = (
    "self.entrypoint == oldSelf.entrypoint && has(self.source) == has(oldSelf.source)"
    " && (!has(self.source) || self.source == oldSelf.source)",
    immutable("spec.flowSpec"),
)


class FlowRunSpec(Model):
    """What the user asks for."""

    # A rule is evaluated by every write, also of the status, and each field that it asks an object for costs as much as that object's schema
    # has fields. So what is asked here is only whether a field is there; what it holds is compared where it stands.
    model_config = ConfigDict(
        json_schema_extra=rules(
            ("has(self.flowRef) != has(self.flowSpec)", "exactly one of spec.flowRef and spec.flowSpec"),
            # As one of the two is there, it is said of the flowSpec: what is not there costs least.
            ("has(self.flowSpec) == has(oldSelf.flowSpec)", immutable("spec.flowRef")),
            ("has(self.rerunOf) == has(oldSelf.rerunOf)", immutable("spec.rerunOf")),
            ("has(self.managedBy) == has(oldSelf.managedBy)", immutable("spec.managedBy")),
        )
    )

    flow_ref: Annotated[NameRef | None, unchanged("spec.flowRef")] = None
    """The Flow to run, as it is when the run's first attempt starts. One of flowRef and flowSpec. Immutable."""
    flow_spec: Annotated[Execution | None, Field(json_schema_extra=rules(INLINE_ENTRYPOINT, SAME_FLOW))] = None
    """The flow itself, for a run without a Flow. Immutable."""
    parameters: Parameters = None
    """Parameters by name, any JSON, laid over the flow's: top level only; a null is a value. Immutable."""
    context: Parameters = None
    """Free values for the flow's code (penstock.context, runtime.flow_run.context). Immutable."""
    template: Template | None = None
    """Labels, annotations and a PodSpec for this run's pods, merged over the flow's. Immutable."""
    env: EnvList = None
    """Environment variables for this run, over the flow's, by name. Immutable."""
    resources: Resources = None
    """Requests and limits of the engine's container for this run, over the flow's. Immutable."""
    image: Image = None
    """Container image for this run. Absent: the flow's. Immutable."""
    run_policy: RunPolicy | None = None
    """Deadlines, retry budgets, retention, over the flow's, field by field. Only retention may change."""
    desired_state: Annotated[
        DesiredState,
        Field(
            json_schema_extra=rules(
                (
                    "oldSelf != 'Cancelled' || self == 'Cancelled'",
                    "a cancellation cannot be withdrawn: create a new FlowRun",
                )
            )
        ),
    ] = DesiredState.RUNNING
    """What you want of the run: Running; Paused or Suspended, to stop it between two steps; Cancelled, which
    cannot be withdrawn. Leave it out of files in Git.
    """
    inputs: Annotated[dict[str, Any] | None, free_form(64)] = None
    """Answers to pauses, by the pause's key. May change at any time."""
    scheduled_time: Time | None = None
    """Not before this time. May change while the run is Scheduled."""
    priority: Annotated[Int32, Within(-2_147_483_648, 2_147_483_647)] = 0
    """Order in a concurrency queue: higher first. May change."""
    display_name: Annotated[str | None, Field(max_length=253)] = None
    """A name for people. To rename a run, change this."""
    rerun_of: Annotated[NameRef | None, unchanged("spec.rerunOf")] = None
    """Repeat this FlowRun: take the completed tasks' stored results of it and, where it is of the same flow, the
    parameters that are not given here. Immutable.
    """
    managed_by: Annotated[str | None, names.CONTROLLER.field(), unchanged("spec.managedBy")] = None
    """Name of another controller that handles this run; Penstock's operator then leaves it alone. Immutable."""


class State(Model):
    """The state of a run."""

    type: StateType
    """The kind of state, of a closed set; Cancelled, Completed, Failed and Crashed are final."""
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    """The state more exactly, e.g. Retrying, ImagePullBackOff, OOMKilled; docs/troubleshooting.md has an entry
    for each.
    """
    message: Annotated[str | None, Field(max_length=1024)] = None
    """One line for people, with the cause first and the numbers that matter."""
    since: Time | None = None
    """When the type was entered, on the operator's clock."""
    time: Time | None = None
    """When type or name last changed, on the operator's clock."""


class FlowInfo(Model):
    """Which flow, in which revision."""

    name: Annotated[str | None, names.FLOW.field()] = None
    """Name of the Flow; for a flowSpec that of its function."""
    uid: Annotated[str | None, Field(max_length=64)] = None
    """UID of the Flow, from the first attempt on. Absent for a flowSpec."""
    revision: Annotated[str | None, names.SUBDOMAIN.field(80)] = None
    """Name of the ConfigMap that holds the Flow as this run uses it, for all its attempts. Absent for a flowSpec."""
    revision_digest: Annotated[str | None, Field(max_length=64, pattern="^[0-9a-f]{64}$")] = None
    """SHA-256 of that ConfigMap's content. What holds something else is not executed. Absent for a flowSpec."""
    retention: Retention | None = None
    """The Flow's `runPolicy.retention` as it was when the run began: the Flow may be gone when the time is over."""


class Attempt(Model):
    """The attempt under way: one pod."""

    number: Annotated[
        Int32,
        Field(ge=1, json_schema_extra=rules(("self >= oldSelf", "status.attempt.number never decreases"))),
    ]
    """Number of the attempt, from 1. Never decreases."""
    pod_name: Annotated[str, names.SUBDOMAIN.field()]
    """Name that the attempt's pod has, or will have: it is decided before the pod is made."""
    pod_uid: Annotated[str | None, Field(max_length=64, alias="podUID")] = None
    """UID of the pod, once it was seen."""
    start_time: Time | None = None
    """When the engine's claim was seen: user code is about to run."""
    restarts: Annotated[Int32 | None, Field(ge=0)] = None
    """Restarts of the engine's container when the claim was first seen; a later one ends the attempt."""
    node_name: Annotated[str | None, names.SUBDOMAIN.field()] = None
    """Node of the pod, once it was seen there."""
    suspend_time: Time | None = None
    """When its suspension was begun: it is carried out, also when the run is wanted to run again meanwhile; then a new attempt begins."""


class FinishedAttempt(Model):
    """An attempt that was judged, and what it was counted as."""

    number: Annotated[Int32, Field(ge=1)]
    """Number of the attempt."""
    pod_name: Annotated[str | None, names.SUBDOMAIN.field()] = None
    """Name of its pod."""
    state: Annotated[str | None, Field(max_length=32)] = None
    """What it ended as."""
    reason: Annotated[str | None, Field(max_length=64)] = None
    """Why, in one word."""
    message: Annotated[str | None, Field(max_length=512)] = None
    """Why, in one line for people."""
    start_time: Time | None = None
    """When user code started; absent: it never did."""
    end_time: Time | None = None
    """When the attempt was over."""
    exit_code: Int32 | None = None
    """Exit code of the engine's container, where there was one."""
    budget: Annotated[str | None, Field(max_length=32)] = None
    """The retry budget that it was counted for: infrastructure, neverStarted, application; absent: none."""


class Used(Model):
    """How much of each retry budget is used, consecutively."""

    infrastructure: Annotated[Int32 | None, Field(ge=0)] = None
    """Attempts lost to nodes, evictions and kills, since the last long one."""
    never_started: Annotated[Int32 | None, Field(ge=0)] = None
    """Attempts lost before user code ran."""
    application: Annotated[Int32 | None, Field(ge=0)] = None
    """Attempts lost by the flow's own doing."""


class Queue(Model):
    """The place in a concurrency queue."""

    position: Annotated[Int32 | None, Field(ge=0)] = None
    """Place in the queue: 0 is the next to run."""
    group: Annotated[str | None, names.KEY.field()] = None
    """The concurrency group whose limit is waited for; absent: the Flow's own limit."""


Attempts = Annotated[
    tuple[FinishedAttempt, ...] | None,
    Field(max_length=10, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["number"]}),
]


class FlowRunStatus(Model):
    """What is true of a run."""

    model_config = ConfigDict(
        json_schema_extra={
            **OWNED_AS_A_WHOLE,
            **rules(
                # What is there in nearly every write is asked for first.
                ("has(self.state) || !has(oldSelf.state)", "status.state may not be removed"),
                ("has(self.attempt) || !has(oldSelf.attempt)", "status.attempt.number never decreases"),
                ("!has(oldSelf.completionTime) || has(self.completionTime)", "status.completionTime is final"),
            ),
        }
    )

    observed_generation: Int64 | None = None
    """metadata.generation of the spec that this status is about. -1: nobody has looked at it yet."""
    state: Annotated[
        State | None,
        Field(
            json_schema_extra=rules(
                (f"!(oldSelf.type in {TERMINAL_CEL}) || self == oldSelf", "a terminal state is final"),
            )
        ),
    ] = None
    """The state of the run. A final one never changes."""
    flow: FlowInfo | None = None
    """Which flow runs, in which revision."""
    attempt: Attempt | None = None
    """The attempt under way, or the last one."""
    pod: Annotated[str | None, Field(max_length=253)] = None
    """Name of the current attempt's pod, once it was seen."""
    attempts: Attempts = None
    """The attempts that were judged, the newest 10."""
    retries: Used | None = None
    """How much of each retry budget is used."""
    scheduled_time: Time | None = None
    """When the run, or its next attempt, is due."""
    start_time: Time | None = None
    """When user code first started."""
    completion_time: Annotated[
        Time | None, Field(json_schema_extra=rules(("self == oldSelf", "status.completionTime is final")))
    ] = None
    """When the run ended. Never changes."""
    duration: Annotated[str | None, Field(max_length=16)] = None
    """How long it took from startTime to completionTime, e.g. 3m12s. Set when the run has ended."""
    result: Result | None = None
    """The flow's result: whole or how it begins, and where it is kept."""
    error: Error | None = None
    """The exception that ended the flow."""
    queue: Queue | None = None
    """The place in a concurrency queue, while the run waits for a slot."""
    pause: Pause | None = None
    """What the run waits for, while it is Paused."""
    spec_hash: Annotated[str | None, Field(max_length=64)] = None
    """Hash of the immutable part of the spec as it was at the first look."""
    lineage: Annotated[str | None, Field(max_length=64)] = None
    """UID of the run whose stored results this one may use: its own, or that of the run it repeats."""
    parameters: Annotated[str | None, Field(max_length=INHERITED_CHARACTERS)] = None
    """JSON of the parameters that were taken from the run which this one repeats; those of the spec go over them."""
    conditions: Conditions = None
    """Finished, Succeeded, Reconciling, Stalled, Ready, Degraded; for `kubectl wait` and tools."""
    report: Report | None = None
    """What the engine says of its attempt. The engine alone writes it; everything else in the status is the
    operator's.
    """


class FlowRun(Model):
    """One execution of a flow."""

    metadata: ObjectMeta
    spec: FlowRunSpec
    status: FlowRunStatus = FlowRunStatus()
    unreadable: Unreadable = ()
