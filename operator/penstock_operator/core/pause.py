"""Pause, suspend, resume, and inputs: what the pod is told while it runs.

Pausing is the annotation alone. Suspending is the annotation and a deadline that gives the engine time for a task boundary, or DELETE for a pod
that never started. Neither can be taken back, so a suspension that was begun is carried out whatever is wanted meanwhile; and the status says
that it was begun before the pod is touched: a pod that is gone tells nobody who ended it. Neighbours: `waiting` holds what has no pod.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from penstock_operator.api.flowrun import DesiredState, FlowRunSpec, StateType
from penstock_operator.api.report import Pause, Report, ReportType
from penstock_operator.api.times import later

from .attempts import settle
from .canonical import digest, too_deep
from .facts import has_started
from .faults import Need
from .intent import Intent, pod_intent, wanted_intent
from .model import UNKNOWN, Effect, Look
from .observe import Pod
from .plan import Plan
from .situation import Situation
from .stopping import DEADLINE_LATE, SUSPEND_AHEAD, delete, obeys, stop, tell
from .verdict import Verdict

# A kubelet now and then projects an annotation only at its next sync, a minute later; a changed value makes it look again.
REPEAT_SECONDS = 5
# Not obeyed after that often means busy, not deaf: the engine pauses at a task boundary, which may be far.
REPEATS = 3


@dataclass(frozen=True, slots=True)
class Telling:
    """What a live pod is to be told, and when to see whether it obeyed.

    Attributes:
        effects: the requests.
        again_at: when to look again.
        suspends: whether this begins its suspension, which is to be written down first.
    """

    effects: tuple[Effect, ...] = ()
    again_at: datetime | None = None
    suspends: bool = False


def suspend(s: Situation) -> Plan | None:
    """Return the state of a run that was suspended from outside, once its engine is gone without an outcome; None: not (yet).

    Raises:
        Need: the pod, which is not in the store.
    """
    if not s.suspended:
        return None
    if s.ended:
        return settle(s, Verdict(StateType.PAUSED, "Suspended", "suspended; a resume begins a new attempt"))
    if s.pod is None:
        return without_pod(s)
    return None


def without_pod(s: Situation) -> Plan | None:
    """Return the state of a run that is to be paused or suspended before its attempt has a pod; None: it is wanted to run.

    Raises:
        Need: the pod, which is not in the store.
    """
    desired = s.run.spec.desired_state
    if desired not in (DesiredState.PAUSED, DesiredState.SUSPENDED):
        return None
    state, attempt = s.status.state, s.status.attempt
    # Pending without an attempt, as for want of a ConfigMap: there is no pod to ask for.
    if attempt is not None and state is not None and state.type is StateType.PENDING and s.seen.pod is UNKNOWN:
        raise Need(Look.POD)
    name = "Paused" if desired is DesiredState.PAUSED else "Suspended"
    later_one = attempt is not None and attempt.number > 1
    when = "between two attempts" if later_one else "before it ran"
    return Plan(StateType.PAUSED, name, f"{name.lower()} {when}: set desiredState to Running to go on")


def telling(s: Situation) -> Telling:
    """Return what the attempt's live pod is to be told.

    Raises:
        Need: the run, before it is suspended: that can't be taken back, and it may have been resumed.
    """
    pod = s.pod
    if pod is None or s.ended or pod.deletion_timestamp is not None:
        return Telling()
    if s.suspended:
        begins = s.attempt.suspend_time is None
        if not s.suspending:
            s.need_run()
        if s.report is None and not has_started(pod):
            return Telling(delete(pod), suspends=begins)
        return replace(_suspending(s, pod), suspends=begins)
    wanted, told = wanted_intent(s.run), pod_intent(pod)
    if (told.state, told.token) != (wanted.state, wanted.token):
        return Telling(tell(pod, wanted))
    if s.report is None or _obeyed(s.report, wanted) or told.repeated >= REPEATS:
        return Telling()
    again = later(s.seen.intent_at or s.now, REPEAT_SECONDS)
    if s.now < again:
        return Telling(again_at=again)
    return Telling(tell(pod, Intent(wanted.state, wanted.token, told.repeated + 1)))


def _suspending(s: Situation, pod: Pod) -> Telling:
    """The PATCH; and DELETE, where the kubelet does not act on it."""
    late = later(s.seen.stopped_at or s.now, SUSPEND_AHEAD + DEADLINE_LATE)
    if s.now >= late and not obeys(pod):
        return Telling(delete(pod))
    intent = Intent(DesiredState.SUSPENDED, wanted_intent(s.run).token)
    return Telling(stop(pod, s.own_now, intent, SUSPEND_AHEAD), late if s.now < late else None)


def _obeyed(report: Report, wanted: Intent) -> bool:
    """Whether the engine does what it was told. A pause of the flow's own waits for its input, which is another matter."""
    if wanted.state is DesiredState.PAUSED:
        return report.type is not ReportType.RUNNING
    if report.type is ReportType.PAUSED and report.pause is not None and report.pause.key is not None:
        return not wanted.token or report.pause.seen is not None
    return report.type is not ReportType.PAUSED


def answered(spec: FlowRunSpec, pause: Pause) -> bool:
    """Whether the input that a suspended run waits for is there, and is not the one that the engine has read already."""
    inputs = spec.inputs or {}
    if pause.key is None or pause.key not in inputs:
        return False
    return input_hash(inputs[pause.key]) != pause.seen


def input_hash(value: object) -> str:
    """Return the hash by which engine and operator tell inputs apart: 16 hex digits."""
    return digest(None if too_deep(value) else value)[:16]
