"""What `flow.to_flow(...)` gives: a flow, and what its `Flow` resource is to say besides. `penstock build` writes it down.

Nothing is sent anywhere, and nothing starts. Neighbours: `survey` finds these values in a file that is built, and turns them
into the fields of the resource; `schedules` are a part.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from penstock.definitions.schedules import Schedule

# Fields of the resource's spec by the names of the options, for those that are taken as they are.
_FIELDS = {
    "description": "description", "image": "image", "env": "env", "resources": "resources", "results": "results",
    "run_policy": "runPolicy", "template": "template", "suspend": "suspend", "concurrency": "concurrency",
    "concurrency_groups": "concurrencyGroups", "run_on_change": "runOnChange", "history_limits": "historyLimits",
}  # fmt: skip
_OTHER_WORDS = {
    "cron": "schedules=[Cron(...)], from penstock.schedules",
    "interval": "schedules=[Interval(...)], from penstock.schedules",
    "rrule": "schedules=[Cron(...), ...]: several of them say most of what an RRule says",
    "schedule": "schedules=[...]",
    "paused": "suspend=True",
    "concurrency_limit": "concurrency=...",
    "tags": "labels={...}, which kubectl selects by",
    "version": "nothing: a revision has the hash of what it executes",
    "enforce_parameter_schema": "nothing: parameters are always checked",
    "work_pool_name": "nothing: each run has a pod, and `template` says how it looks",
    "work_queue_name": "concurrency_groups=[...], and `priority` of a run",
    "job_variables": "env={...}, resources={...}, or template={...}",
    "triggers": "run_on_change='Always', or what creates FlowRuns",
}
COLLECTED: ContextVar[list[FlowDefinition] | None] = ContextVar("penstock_definitions", default=None)


@dataclass(frozen=True, slots=True, eq=False)
class FlowDefinition:
    """A flow as a resource; made by `Flow.to_flow`.

    Attributes:
        flow: the flow.
        name: of the resource, as it was given; None: the flow's.
        parameters: defaults of runs, by name.
        schedules: when runs begin by themselves.
        fields: other fields of the resource's spec.
        labels: of the resource.
        annotations: of the resource.
    """

    flow: Any
    name: str | None
    parameters: Mapping[str, Any]
    schedules: tuple[Schedule, ...]
    fields: Mapping[str, Any]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    def __repr__(self) -> str:
        return f"<FlowDefinition {self.name or self.flow.name!r}: `penstock build` writes it down>"


def define(
    flow: Any,
    name: str | None = None,
    *,
    description: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    schedules: Iterable[Schedule] | Schedule = (),
    suspend: bool | None = None,
    concurrency: int | Mapping[str, Any] | None = None,
    concurrency_groups: Sequence[str] | None = None,
    run_on_change: str | None = None,
    history_limits: Mapping[str, int] | None = None,
    image: str | None = None,
    env: Mapping[str, str] | Sequence[Mapping[str, Any]] | None = None,
    resources: Mapping[str, Any] | None = None,
    results: Mapping[str, Any] | None = None,
    run_policy: Mapping[str, Any] | None = None,
    template: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **others: Any,
) -> FlowDefinition:
    """Define a flow as a resource; see `Flow.to_flow`.

    Raises:
        TypeError: an option is unknown or of another type.
    """
    for other in others:
        instead = _OTHER_WORDS.get(other)
        hint = f"; say {instead}" if instead else ""
        raise TypeError(f"to_flow() has no option {other!r}{hint}.")
    if name is not None and not isinstance(name, str):
        raise TypeError(f"The name of a Flow is text; {name!r} was given.")
    if isinstance(concurrency, int) and not isinstance(concurrency, bool):
        concurrency = {"limit": concurrency}
    given = {
        "description": description, "image": image, "env": _env(env), "resources": resources, "results": results,
        "run_policy": run_policy, "template": template, "suspend": suspend, "concurrency": concurrency,
        "concurrency_groups": None if concurrency_groups is None else list(concurrency_groups),
        "run_on_change": run_on_change, "history_limits": history_limits,
    }  # fmt: skip
    definition = FlowDefinition(
        flow=flow,
        name=name,
        parameters=dict(parameters or {}),
        schedules=_schedules(schedules),
        fields={_FIELDS[option]: value for option, value in given.items() if value is not None},
        labels=dict(labels or {}),
        annotations=dict(annotations or {}),
    )
    collected = COLLECTED.get()
    if collected is not None:
        collected.append(definition)
    return definition


def _schedules(given: Iterable[Schedule] | Schedule) -> tuple[Schedule, ...]:
    from penstock.definitions.schedules import Schedule  # with the clocks and calendars that most flows do without

    found = (given,) if isinstance(given, Schedule) else tuple(given)
    for each in found:
        if not isinstance(each, Schedule):
            raise TypeError(f"schedules are Cron(...) and Interval(...) of penstock.schedules; {each!r} was given.")
    return found


def _env(env: Mapping[str, str] | Sequence[Mapping[str, Any]] | None) -> list[Any] | None:
    """Variables as the resource has them: a list of `{name, value}`."""
    if env is None:
        return None
    if not isinstance(env, Mapping):
        return list(env)
    for name, value in env.items():
        if not isinstance(value, str):
            raise TypeError(f"env: the value of {name} is text in a pod; {value!r} was given.")
    return [{"name": name, "value": value} for name, value in env.items()]
