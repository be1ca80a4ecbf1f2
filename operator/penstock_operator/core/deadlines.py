"""The run's deadlines: `activeDeadlineSeconds` from its start to its end, `pendingDeadlineSeconds` for an attempt that does not come to run.

Both count on the operator's own clock from what the status keeps, so they are exact after a restart, and a node's clock does no harm.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from penstock_operator.api.flowrun import StateType
from penstock_operator.api.metadata import ConditionStatus
from penstock_operator.api.times import later

from .attempts import finish, timed_out
from .facts import has_started
from .faults import Need
from .model import UNKNOWN, Look
from .plan import Plan, earliest
from .situation import DEADLINE_PASSED, Situation
from .stopping import CANCEL_AHEAD, DEADLINE_LATE, delete, hard_seconds, obeys, stop
from .verdict import AWAITING_FLOW, Verdict

# What waiting alone can't help is given up after this; until then somebody may raise the quota.
HOPELESS_SECONDS = 600


def enforce_deadline(s: Situation) -> Plan | None:
    """Return how the run's own deadline ends an attempt that has a pod and left no outcome; None: it has not passed.

    Raises:
        Need: the pod, which is not in the store.
    """
    if not s.overdue:
        return None
    pod = s.pod
    if pod is None and not s.gone and s.seen.pod is UNKNOWN:
        raise Need(Look.POD)
    if s.ended or pod is None or (s.report is None and not has_started(pod)):
        return finish(s, timed_out(s))
    since = _terminating_since(s)
    hard = later(since, hard_seconds(pod.grace_seconds))
    if s.now >= hard:
        return replace(finish(s, timed_out(s)), effects=delete(pod))
    late = later(since, CANCEL_AHEAD + DEADLINE_LATE)
    deaf = s.now >= late and not obeys(pod)
    effects = delete(pod) if deaf else stop(pod, s.own_now, None, CANCEL_AHEAD)
    return Plan(
        StateType.RUNNING,
        "Terminating",
        f"{DEADLINE_PASSED}{s.policy.active_deadline} s) passed; the pod has {pod.grace_seconds} s to end",
        effects=effects,
        again_at=earliest(late if s.now < late else None, hard),
    )


def _terminating_since(s: Situation) -> datetime:
    """When the deadline began to be enforced; a pod may have been terminating before, for another reason."""
    state = s.status.state
    assert s.deadline is not None
    if state is not None and state.name == "Terminating" and state.type is StateType.RUNNING and state.time is not None:
        return max(state.time, s.deadline)
    return s.now


def pending_deadline(s: Situation, plan: Plan, *, hopeless: bool = False) -> Plan:
    """Return the plan of an attempt that does not run yet, or the run's end if it has waited for too long: for its Flow, or for its pod.

    The clock stands still behind a scheduling gate, and begins when the gate opens. It begins anew when what the Flow lacked has come.

    Args:
        s: the run and what is around it.
        plan: what it would show.
        hopeless: waiting alone can't help: it is given up also where no deadline is set.
    """
    limit = s.policy.pending_deadline
    if limit is None and hopeless:
        return _give_up(s, plan)
    since = _waits_since(s, plan) if limit is not None else None
    if limit is None or since is None:
        return plan
    due = later(since, limit)
    if s.now < due:
        return replace(plan, again_at=earliest(plan.again_at, due))
    return _too_late(s, plan, f"pendingDeadlineSeconds ({limit} s)")


def _waits_since(s: Situation, plan: Plan) -> datetime | None:
    """Return since when the attempt could have begun, and has not; None: that is not what it waits for."""
    state = s.status.state
    if plan.type is StateType.PENDING and plan.name != "SchedulingGated":
        waiting = state is not None and state.type is StateType.PENDING and state.name != "SchedulingGated"
        return (state.since if waiting and state is not None else None) or s.now
    if plan.type is StateType.SCHEDULED and plan.name == AWAITING_FLOW:
        # Scheduled is also what waits for its time, or for a slot: not by its own fault.
        waiting = state is not None and state.type is StateType.SCHEDULED and state.name == AWAITING_FLOW
        return (state.time if waiting and state is not None else None) or s.now
    return None


def _give_up(s: Situation, plan: Plan) -> Plan:
    due = later(_hopeless_since(s, plan), HOPELESS_SECONDS)
    if s.now < due:
        return replace(plan, again_at=earliest(plan.again_at, due))
    return _too_late(s, plan, f"{HOPELESS_SECONDS} s")


def _hopeless_since(s: Situation, plan: Plan) -> datetime:
    """A wait of the same name may have gone before in which others could give way: the condition Degraded tells since when they can't."""
    state = s.status.state
    told = next((c for c in s.status.conditions or () if c.type == "Degraded"), None)
    if state is None or state.time is None or told is None:
        return s.now
    if state.name != plan.name or told.status is not ConditionStatus.TRUE or told.reason != plan.name:
        return s.now
    return max(state.time, told.last_transition_time)


def _too_late(s: Situation, plan: Plan, after: str) -> Plan:
    text = f"not running after {after}: {plan.message}"
    return finish(s, Verdict(StateType.CRASHED, plan.name, text))
