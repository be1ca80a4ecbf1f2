"""A run whose next attempt has no pod yet: what it waits for, and the attempt's beginning.

First match wins: cancellation, the run's deadline, a pause, the due time, the flow, parameters, the process of the attempt before, a slot;
then the pod is created. The attempt is written into the status before: its pod's name is fixed by then, and two operators make one pod.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from penstock_operator.api.flowrun import DesiredState, FlowInfo, FlowRun, FlowRunStatus, StateType
from penstock_operator.api.names import FLOW
from penstock_operator.api.times import later, rfc3339

from .attempts import finish, timed_out
from .cancel import cancelled
from .canonical import DEEPEST
from .deadlines import pending_deadline
from .facts import has_ended
from .faults import Need, SourceMissing, Superseded, Unusable
from .inherited import inherited, too_much, written
from .model import UNKNOWN, Checked, Look
from .naming import misnamed
from .nearnames import meant
from .observe import Pod
from .pause import answered, without_pod
from .plan import Plan
from .revisions import current_definition
from .situation import Situation
from .spec_hash import deep_field
from .standing import STUCK_SECONDS
from .stopping import hard_seconds
from .submitting import awaits, awaits_source, flow_name, retention_of, submit, with_flows_policy, without_revision
from .verdict import AWAITING_FLOW, Degraded, Verdict

LATE_SECONDS = 15


def wait_or_begin(s: Situation) -> Plan:
    """Return what a run waits for that has no pod, or the beginning of its attempt.

    Raises:
        Need: facts that are to be read before a pod is created.
    """
    return pending_deadline(with_flows_policy(s), _wait_or_begin(s))


def _wait_or_begin(s: Situation) -> Plan:
    if s.cancelled:
        return finish(
            s, cancelled("cancelled before it ran" if s.status.attempt is None else "cancelled while it waited")
        )
    if s.overdue:
        return finish(s, timed_out(s))
    if s.run.unreadable:
        return _unreadable(s)
    held = _suspended_by_its_own_code(s) or without_pod(s)
    if held is not None:
        return held
    due = s.run.spec.scheduled_time if s.status.attempt is None else s.status.scheduled_time
    if due is not None and s.now < due:
        return _not_due(s, due)
    return _begin_first(s) if s.fresh else begin_again(s)


def _unreadable(s: Situation) -> Plan:
    """No attempt begins of a run that asks for what nobody can read: it may be mended, or a newer operator knows it."""
    text = f"this operator can't read the run: {'; '.join(s.run.unreadable)}"
    return Plan(StateType.SCHEDULED, AWAITING_FLOW, text, degraded=Degraded("Unreadable", text))


def _suspended_by_its_own_code(s: Situation) -> Plan | None:
    """A suspension of the flow's own ends with its input or its deadline, not with `desiredState`, which was Running all along."""
    state, pause = s.status.state, s.status.pause
    if state is None or state.type is not StateType.PAUSED or pause is None:
        return None
    wanted = s.run.spec.desired_state is DesiredState.RUNNING
    over = pause.deadline is not None and s.now >= pause.deadline
    if wanted and (over or answered(s.run.spec, pause)):
        return None
    return Plan(
        StateType.PAUSED, state.name, state.message or "", again_at=pause.deadline if wanted and not over else None
    )


def _not_due(s: Situation, due: datetime) -> Plan:
    state = s.status.state
    at = rfc3339(due.replace(microsecond=0))
    changes = {"scheduled_time": due}
    if s.status.attempt is None:
        return Plan(StateType.SCHEDULED, "Scheduled", f"scheduled for {at}", changes=changes, again_at=due)
    if state is not None and state.name == "AwaitingRetry":
        return Plan(StateType.SCHEDULED, state.name, state.message or "", again_at=due)
    return Plan(
        StateType.SCHEDULED,
        "AwaitingRetry",
        f"attempt {s.attempt.number} at {at}",
        changes={"pause": None},
        again_at=due,
    )


# --- the first attempt --------------------------------------------------------------------------------------------------------------------


def _begin_first(s: Situation) -> Plan:
    """Check everything that a pod would be created in vain for, and create it."""
    run, scheduled = s.run, s.run.spec.scheduled_time
    waits = {"scheduled_time": scheduled}
    deep = deep_field(run.spec)
    if deep is not None:
        name = "InvalidParameters" if deep == "parameters" else "InvalidFlow"
        return _end(s, Verdict(StateType.FAILED, name, f"{deep} is nested deeper than {DEEPEST} levels"), waits)
    odd = misnamed(run.spec)
    if odd is not None:
        return _end(s, Verdict(StateType.FAILED, "InvalidFlow", odd), waits)
    try:
        definition = current_definition(s.seen)
        if definition is None:
            if s.seen.flow is UNKNOWN:
                raise Need(Look.FLOW)  # applied together, the run may be seen first
            assert run.spec.flow_ref is not None
            text = f"there is no Flow {run.spec.flow_ref.name!r} in namespace {run.metadata.namespace!r} (yet){meant(s.seen.near)}"
            return Plan(StateType.SCHEDULED, AWAITING_FLOW, text, changes=waits)
        if run.spec.rerun_of is not None and not isinstance(s.seen.rerun_of, FlowRun):
            text = f"rerunOf names a FlowRun {run.spec.rerun_of.name!r} that does not exist"
            return awaits(s, text, waits)
        if run.spec.rerun_of is not None:
            excess = too_much(inherited(run, s.seen.rerun_of), run.spec.rerun_of.name)
            if excess is not None:
                return _end(s, Verdict(StateType.FAILED, "InvalidParameters", excess), waits)
        execution = definition.execution
        checked = s.seen.checked if execution.parameters_schema is not None else Checked()
        if not isinstance(checked, Checked):
            raise Need(Look.PARAMETERS)
        if checked.unusable is not None:
            return _unusable(s, Unusable(checked.unusable), waits)
        if checked.bad is not None:
            info = FlowInfo(name=flow_name(run), retention=retention_of(definition))
            return _end(s, Verdict(StateType.FAILED, "InvalidParameters", checked.bad), {**waits, "flow": info})
        return submit(s, definition, 1)
    except Superseded as e:
        return _end(s, Verdict(StateType.CANCELLED, "Superseded", str(e)), waits)
    except SourceMissing as e:
        return awaits_source(s, e.name, waits)
    except Unusable as e:
        return _unusable(s, e, waits)


def _unusable(s: Situation, why: Unusable, changes: dict[str, Any]) -> Plan:
    """A Flow may be put right; what stands in the run itself never is."""
    if s.run.spec.flow_spec is not None or why.of_run:
        return _end(s, Verdict(StateType.FAILED, "InvalidFlow", str(why)), changes)
    assert s.run.spec.flow_ref is not None
    text = f"Flow {s.run.spec.flow_ref.name!r} can't be run: {why}"
    return awaits(s, text, changes)


def _end(s: Situation, verdict: Verdict, changes: dict[str, Any]) -> Plan:
    end = finish(s, verdict)
    return replace(end, changes={**end.changes, **changes})


# --- a later attempt, or the same one again -----------------------------------------------------------------------------------------------


def begin_again(s: Situation) -> Plan:
    """Create the pod of the attempt that the status names: a new attempt, or one whose pod was never seen.

    Raises:
        Need: the previous attempt's pod, the revision, or the Flow.
    """
    if s.attempt.number > 1:
        left = _previous_leaves(s)
        if left is not None:
            return left
    if s.unread:
        raise Need(*s.unread)
    if s.run.unreadable:
        return _unreadable(s)
    if s.definition is None:
        return without_revision(s)
    try:
        return submit(s, s.definition, s.attempt.number)
    except Unusable as e:
        return finish(s, Verdict(StateType.FAILED, "InvalidFlow", str(e)))


def _previous_leaves(s: Situation) -> Plan | None:
    """Return what shows while the previous attempt's process is still there; None: it is not.

    Raises:
        Need: the previous pod; that it is gone is a conclusion from absence.
    """
    previous = s.seen.previous_pod
    if previous is UNKNOWN:
        raise Need(Look.PREVIOUS_POD)
    if not isinstance(previous, Pod) or previous.owner_uid != s.run.metadata.uid or has_ended(previous):
        return None
    state = s.status.state
    if state is not None and state.type is StateType.PENDING and not s.seen.previous_pod_is_live:
        # Somebody has seen its end, and gone on: that is not taken back for a sight of it which may be old.
        raise Need(Look.PREVIOUS_POD)
    waits = f"attempt {s.attempt.number} waits for the process of attempt {s.attempt.number - 1} to end (pod {previous.name})"
    due = s.status.scheduled_time
    resumes = state is not None and (state.type is StateType.PAUSED or state.name == "Resuming")
    if due is None or resumes:
        return Plan(StateType.SCHEDULED, "Resuming", waits, changes={"pause": None})
    late = later(due, LATE_SECONDS)
    if s.now < late:
        return Plan(StateType.SCHEDULED, "AwaitingRetry", waits, again_at=late)
    stuck = later(due, hard_seconds(previous.grace_seconds) + STUCK_SECONDS)
    if s.now < stuck:
        return Plan(StateType.SCHEDULED, "Late", waits, again_at=stuck)
    return Plan(StateType.SCHEDULED, "Late", waits, degraded=Degraded("PodStuckTerminating", waits))


def first_facts(run: FlowRun, status: FlowRunStatus, rerun_of: object) -> dict[str, Any]:
    """Return what is written once, with the first status: the flow's name, whose results the run may reuse, and whose parameters it takes over."""
    changes: dict[str, Any] = {}
    if status.flow is None:
        name = flow_name(run)
        # A name that no Flow can have stands in the message; the CRD would refuse it here.
        changes["flow"] = FlowInfo(name=name if FLOW.fault(name) is None else None)
    if status.lineage is None:
        if run.spec.rerun_of is None:
            changes["lineage"] = run.metadata.uid
        elif isinstance(rerun_of, FlowRun):
            changes["lineage"] = rerun_of.status.lineage or rerun_of.metadata.uid
            taken = inherited(run, rerun_of)
            changes["parameters"] = written(taken) if too_much(taken, run.spec.rerun_of.name) is None else None
    return changes
