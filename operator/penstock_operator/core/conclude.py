"""From a plan to a decision: times, conditions, bounds, events, and no write where nothing changed.

`since` is when the type was entered, `time` when type or name last changed. The pod's UID and node go with the first write that has another
reason, never alone. One Event for each change of the type.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from penstock_operator.api.flowrun import FinishedAttempt, FlowRunStatus, State, StateType

from .cause import with_causes
from .conditions import conditions
from .faults import Unusable
from .lasting import NOT_DURABLE, not_durable
from .limits import MESSAGE, cut, within_bounds
from .model import Decision, Effect, Emit
from .plan import Plan, earliest
from .pod import pod_manifest
from .retention import earlier_pods, tidy, tracker
from .situation import Situation
from .spec_hash import spec_hash
from .verdict import Degraded
from .waiting import first_facts

_ACTIONS = {
    StateType.SCHEDULED: "Schedule",
    StateType.PENDING: "Submit",
    StateType.RUNNING: "Run",
    StateType.PAUSED: "Pause",
    StateType.CANCELLING: "Cancel",
    StateType.CANCELLED: "Cancel",
    StateType.COMPLETED: "Complete",
    StateType.FAILED: "Fail",
    StateType.CRASHED: "Crash",
}
_WARNINGS = frozenset({StateType.FAILED, StateType.CRASHED})


def conclude(s: Situation, plan: Plan) -> Decision:
    """Return the decision that carries a plan out."""
    plan = with_causes(s, plan)
    old, run = s.status, s.run
    state = _enter(old.state, plan, s)
    hashed = spec_hash(run.spec)
    changes: dict[str, Any] = {
        **first_facts(run, old, s.seen.rerun_of),
        "queue": None,
        **plan.changes,
        "state": state,
        "observed_generation": run.metadata.generation,
        "spec_hash": old.spec_hash or hashed,
        "conditions": conditions(
            old.conditions,
            state,
            _degraded(s, plan, hashed),
            run.metadata.generation,
            s.now,
            s.seen.pod_warnings,
        ),
    }
    drop_report = plan.drop_report or (s.foreign is not None and old.report is not None)
    if drop_report:
        changes["report"] = None
    status = old.model_copy(update=changes)
    tidying = tidy(s.seen, earlier_pods(s.seen), s.policy)
    effects: tuple[Effect, ...] = (*plan.effects, *(e for e in tidying.effects if e not in plan.effects))
    deadline = s.deadline if not s.overdue else None
    waits = () if state.type.terminal else (plan.again_at, tidying.again_at, deadline)
    again = earliest(*waits)
    if status == old:
        return Decision(effects=effects, requeue_at=again)
    if old.state is None or old.state.type is not state.type:
        effects = (*effects, _event(state, plan))
    if state.type.terminal and status.start_time is not None and status.completion_time is not None:
        status = status.model_copy(update={"duration": shown(status.completion_time - status.start_time)})
    status = within_bounds(_with_pod(s, status, switched=plan.drop_report))
    return Decision(status=status, drop_report=drop_report, effects=effects, requeue_at=again)


def repaired(notes: tuple[str, ...]) -> Emit:
    """Return the Event that tells of a status that somebody else had written."""
    text = f"the status was not one of the operator's, and was put right: {'; '.join(notes)}"
    return Emit("Warning", "StatusRepaired", text, "Repair")


def _enter(old: State | None, plan: Plan, s: Situation) -> State:
    message = cut(plan.message, MESSAGE)
    if old is None or old.type is not plan.type:
        return State(type=plan.type, name=plan.name, message=message, since=s.now, time=s.now)
    if old.name == plan.name:
        return old.model_copy(update={"message": message}) if old.message != message else old
    # The pending deadline stands still behind a scheduling gate.
    since = s.now if old.name == "SchedulingGated" else old.since
    return State(type=plan.type, name=plan.name, message=message, since=since, time=s.now)


def _degraded(s: Situation, plan: Plan, hashed: str) -> Degraded | None:
    """Return what needs a person, the most urgent first, all of it in the message."""
    found = [plan.degraded] if plan.degraded is not None else []
    if s.run.unreadable:
        found.append(Degraded("Unreadable", f"can't be read, and is left out: {'; '.join(s.run.unreadable)}"))
    if s.status.spec_hash is not None and s.status.spec_hash != hashed:
        text = "the spec was changed after the run began; it goes on with what it was given (install the admission policies)"
        found.append(Degraded("SpecDrift", text))
    mark = tracker(s.run)
    if s.policy.keep_run is not None and mark is not None:
        text = f"retention.runSeconds is ignored: by {mark} somebody tracks the run, who would make it again and run it again"
        found.append(Degraded("RetentionIgnored", text))
    if not plan.type.terminal and (lost := _not_durable(s)) is not None:
        found.append(lost)
    if not found:
        return None
    # What the state's message says already is not said again.
    shown = f"{plan.type.value}/{plan.name}"
    words = (shown if trouble.message == plan.message else trouble.message for trouble in found)
    return Degraded(found[0].reason, cut("; ".join(words), MESSAGE))


def _not_durable(s: Situation) -> Degraded | None:
    """Return what is wrong with the place of results that are to be persisted: by the pod that the run has or will have, and by its report.

    That results are to be persisted may be asked for by the flow's code, which the engine alone knows.
    """
    said = s.report.not_durable if s.report is not None else None
    told = Degraded(NOT_DURABLE, said) if said else None
    definition = s.definition
    if definition is None or definition.execution.results is None or not definition.execution.results.persist:
        return told
    seen, number = s.seen, s.status.attempt.number if s.status.attempt is not None else 1
    secure, base = seen.pod_security, seen.engine_template
    try:
        pod = pod_manifest(
            s.run, definition, s.policy, number, engine_image=seen.engine_image, secure=secure, base=base
        )
    except Unusable:
        return told  # it has no pod, and says why
    return not_durable(pod["spec"]) or told


def _with_pod(s: Situation, status: FlowRunStatus, *, switched: bool) -> FlowRunStatus:
    """Add what is known of the attempt's pod; the next attempt's is not known yet."""
    if s.gone or switched or status.attempt is None:
        return status.model_copy(update={"pod": None}) if status.pod is not None else status
    if s.pod is None:
        return status
    node = s.pod.node_name or status.attempt.node_name
    attempt = status.attempt.model_copy(update={"pod_uid": s.pod.uid, "node_name": node})
    return status.model_copy(update={"attempt": attempt, "pod": s.pod.name})


def shown(took: timedelta) -> str:
    """Return a duration as kubectl writes one: its two greatest units, and milliseconds for what is shorter than a second.

    Args:
        took: never negative in a run's own times; a clock that was set back gives 0s.
    """
    seconds = took.total_seconds()
    if seconds < 1:
        return f"{max(0, int(seconds * 1000))}ms" if seconds > 0 else "0s"
    whole = int(seconds)
    units = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
    at = next(i for i, (_, size) in enumerate(units) if whole >= size)
    (first, size), rest = units[at], units[at + 1 : at + 2]
    text = f"{whole // size}{first}"
    for unit, smaller in rest:
        if left := whole % size // smaller:
            text += f"{left}{unit}"
    return text


def _event(state: State, plan: Plan) -> Emit:
    # A lost attempt is one, though another follows; what the engine gave up by itself, to come back, is not.
    lost = plan.drop_report and state.type is StateType.SCHEDULED and _lost(plan)
    warning = state.type in _WARNINGS or plan.degraded is not None or lost
    return Emit("Warning" if warning else "Normal", state.name, state.message or state.name, _ACTIONS[state.type])


def _lost(plan: Plan) -> bool:
    attempts: Sequence[FinishedAttempt] = plan.changes.get("attempts") or ()
    return bool(attempts) and attempts[-1].state in (StateType.CRASHED, StateType.FAILED)
