"""The report: what the engine says of its attempt, under `status.report`. Results, errors and pauses go from it into the run's status.

Neighbour: `flowrun`, whose status holds it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from .base import Int32, Model, Time


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


class Result(Model):
    """The result whole where it is small, else how it begins; and whether and where it is kept."""

    json_: Annotated[str | None, Field(max_length=1024, alias="json")] = None
    """The result as JSON, where it is small (at most 1 KiB)."""
    type: Annotated[str | None, Field(max_length=256)] = None
    """Name of its Python type."""
    preview: Annotated[str | None, Field(max_length=512)] = None
    """How a larger result begins, for people; what is left out is said in its place."""
    size: Annotated[str | None, Field(max_length=32)] = None
    """How large a result is that does not stand here whole, e.g. 12 MB."""
    kept: bool | None = None
    """Whether the whole result can still be had: from here, or from its store. False: it is gone with its pod."""
    location: Annotated[str | None, Field(max_length=2048)] = None
    """Where the whole result is stored. Never a place that is gone with the pod."""


class Error(Model):
    """The exception that ended the flow, with the user's frames."""

    type: Annotated[str | None, Field(max_length=256)] = None
    """Name of the exception's type."""
    message: Annotated[str | None, Field(max_length=1024)] = None
    """The exception's own words."""
    location: Annotated[str | None, Field(max_length=512)] = None
    """File, line and function of the user's code that raised it."""
    traceback: Annotated[str | None, Field(max_length=2048)] = None
    """The end of the traceback, the user's frames."""


def _without_nulls(value: Any) -> Any:
    """Return JSON without what is null in its mappings: no merge patch can write that, and the status is written by one.

    In a schema nothing is lost: a default that is null is one, and what has a default is not required.
    """
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


class PauseInput(Model):
    """What a pause waits for."""

    schema_: Annotated[dict[str, Any] | None, Field(max_length=64, alias="schema"), BeforeValidator(_without_nulls)] = (
        None
    )
    """JSON Schema of the answer."""
    description: Annotated[str | None, Field(max_length=1024)] = None
    """The question, for people."""
    error: Annotated[str | None, Field(max_length=1024)] = None
    """Why the last answer was not taken."""


class Pause(Model):
    """A pause by the flow's own code."""

    key: Annotated[str | None, Field(max_length=253)] = None
    """The key that spec.inputs takes the answer under."""
    since: Time | None = None
    """When the pause began."""
    deadline: Time | None = None
    """When it ends by itself."""
    seen: Annotated[str | None, Field(max_length=64)] = None
    """Hash of the answer that was read last."""
    input: PauseInput | None = None
    """What is asked for; absent: any answer resumes the run."""


HookNames = Annotated[tuple[Annotated[str, Field(max_length=253)], ...] | None, Field(max_length=32)]


class Hooks(Model):
    """What became of the hooks."""

    ran: HookNames = None
    """Names of the hooks that ran."""
    failed: HookNames = None
    """Names of the hooks that raised an exception."""
    not_run: HookNames = None
    """Names of the hooks for which there was no time."""


class Progress(Model):
    """Counts of task runs, written by the engine now and then."""

    summary: Annotated[str | None, Field(max_length=64)] = None
    """Completed task runs: 12 done, or 12/40 where 40 is known; how many failed stands beside it."""
    total: Annotated[Int32 | None, Field(ge=0)] = None
    """Task runs made so far."""
    running: Annotated[Int32 | None, Field(ge=0)] = None
    """Task runs that run now."""
    completed: Annotated[Int32 | None, Field(ge=0)] = None
    """Task runs that ended Completed."""
    failed: Annotated[Int32 | None, Field(ge=0)] = None
    """Task runs that ended Failed."""
    cached: Annotated[Int32 | None, Field(ge=0)] = None
    """Task runs whose result was there already."""
    activity: Annotated[str | None, Field(max_length=253)] = None
    """What runs now, by name."""


class TaskSummary(Model):
    """One task run, or one subflow run, as it stood at the attempt's end."""

    address: Annotated[str, Field(max_length=506)]
    """Its place in the run, e.g. below:0/load:0[3]: call, map index, nested."""
    name: Annotated[str | None, Field(max_length=253)] = None
    """What it is called, where that does not follow from the address."""
    state: Annotated[str, Field(max_length=64)]
    """Name of its last state: Completed, Cached, TimedOut, ..."""
    type: Annotated[str | None, Field(max_length=16)] = None
    """Type of that state, where the name is another."""
    start_time: Time | None = None
    """When its first try began."""
    duration_seconds: Annotated[float | None, Field(ge=0)] = None
    """From there to its end; absent while it runs."""
    tries: Annotated[Int32 | None, Field(ge=0)] = None
    """How often it was tried, where that is not once."""
    cached: bool | None = None
    """Whether its result was there already."""
    subflow: bool | None = None
    """Whether it is a subflow run."""


class Tasks(Model):
    """The task runs of the attempt, in its last report: those that failed first, then the longest."""

    runs: Annotated[tuple[TaskSummary, ...] | None, Field(max_length=128)] = None
    """As many as fit into 8 kB."""
    omitted: Annotated[Int32 | None, Field(ge=0)] = None
    """How many task runs are left out."""


class Report(Model):
    """What the engine says of its attempt. The operator reads it, and removes it with the attempt; it never writes one."""

    attempt: Annotated[Int32, Field(ge=1)]
    """Number of the attempt that reports."""
    instance: Annotated[str, Field(max_length=64)]
    """Random name of the reporting process: of two processes only the first one's claim holds."""
    type: ReportType
    """What the attempt is doing, or how it ended."""
    name: Annotated[str | None, Field(max_length=64)] = None
    """The type more exactly."""
    message: Annotated[str | None, Field(max_length=1024)] = None
    """One line for people."""
    time: Time | None = None
    """When this was reported, on the pod's clock."""
    start_time: Time | None = None
    """When user code started."""
    resume_time: Time | None = None
    """When the flow wants to go on, after AwaitingRetry or a timed suspension."""
    waiting: Annotated[str | None, Field(max_length=512)] = None
    """Address of the step that waits."""
    ending: bool | None = None
    """Whether the outcome is still being completed (hooks run, the process leaves)."""
    signal: Annotated[str | None, Field(max_length=16)] = None
    """The signal that ended the flow."""
    intent: Annotated[str | None, Field(max_length=32)] = None
    """What was asked of the run when the signal came."""
    hooks: Hooks | None = None
    """What became of the hooks."""
    result: Result | None = None
    """The flow's result."""
    error: Error | None = None
    """The exception that ended the flow."""
    progress: Progress | None = None
    """Counts of task runs, written now and then."""
    tasks: Tasks | None = None
    """The task runs, written at the end of the attempt."""
    not_durable: Annotated[str | None, Field(max_length=512)] = None
    """That results are persisted where they are gone with the pod, and what to do; as the flow's code asked for it."""
    pause: Pause | None = None
    """The pause that the flow is in."""
