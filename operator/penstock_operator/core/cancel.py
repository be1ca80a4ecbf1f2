"""Cancellation: the one PATCH, the operator's own deadline, and DELETE where nothing else works. It needs nobody's cooperation.

All waits count from `since` of the state Cancelling, on the operator's own clock: they survive its restart, and no node's clock matters.
Neighbours: `stopping` makes the requests; `attempts` judges the outcome of an engine that still reported one.
"""

from __future__ import annotations

from dataclasses import replace

from penstock_operator.api import constants as k
from penstock_operator.api.flowrun import DesiredState, StateType
from penstock_operator.api.times import later

from .attempts import finish
from .facts import has_started
from .faults import Need
from .intent import Intent, wanted_intent
from .model import UNKNOWN, Look
from .observe import Pod
from .plan import Plan, earliest
from .situation import Situation
from .stopping import CANCEL_AHEAD, DEADLINE_LATE, delete, hard_seconds, obeys, stop
from .verdict import Verdict


def cancel(s: Situation) -> Plan | None:
    """Return what a cancellation that was asked comes to, for an attempt that has a pod and left no outcome; None: none was asked.

    Raises:
        Need: the pod, which is not in the store.
    """
    if not s.cancelled:
        return None
    if s.ended:
        return finish(s, cancelled(_how_it_ended(s)))
    if s.pod is None:
        if s.seen.pod is UNKNOWN:
            raise Need(Look.POD)
        return finish(s, cancelled(_without_pod(s)))
    return _enforce(s, s.pod)


def cancelled(message: str) -> Verdict:
    """Return the end by cancellation."""
    return Verdict(StateType.CANCELLED, "Cancelled", message)


def _enforce(s: Situation, pod: Pod) -> Plan:
    state = s.status.state
    since = s.now
    if state is not None and state.type is StateType.CANCELLING and state.since is not None:
        since = state.since
    hard = later(since, hard_seconds(pod.grace_seconds))
    if s.now >= hard:
        waited = hard_seconds(pod.grace_seconds)
        end = finish(
            s, cancelled(f"cancelled; the pod did not end within {waited} s and was deleted: its process may still run")
        )
        return replace(end, effects=delete(pod))
    if s.report is None and not has_started(pod):
        return Plan(
            StateType.CANCELLING,
            "Cancelling",
            f"{s.with_parent or s.displaced or 'cancelled'} before it ran; its pod is being deleted",
            effects=delete(pod),
            again_at=hard,
        )
    late = later(since, CANCEL_AHEAD + DEADLINE_LATE)
    deaf = s.now >= late and not obeys(pod)
    effects = (
        delete(pod)
        if deaf
        else stop(pod, s.own_now, Intent(DesiredState.CANCELLED, wanted_intent(s.run).token), CANCEL_AHEAD)
    )
    return Plan(
        StateType.CANCELLING,
        "Cancelling",
        f"{s.with_parent or s.displaced or 'cancelling'}: SIGTERM in at most {CANCEL_AHEAD} s, then {pod.grace_seconds} s to end",
        effects=effects,
        again_at=earliest(late if s.now < late else None, hard),
    )


def _without_pod(s: Situation) -> str:
    pod = s.foreign
    if pod is not None and not pod.owner_uid and pod.labels.get(k.LABEL_FLOW_RUN_UID) == s.run.metadata.uid:
        return f"cancelled; its pod {pod.name} was left without an owner (--cascade=orphan?): its process may still run"
    if s.report is not None:
        return "cancelled; its pod belongs to somebody else, its process may still run"
    return "cancelled before its pod was made"


def _how_it_ended(s: Situation) -> str:
    """The message for an engine that left no outcome."""
    if s.report is None and (s.pod is None or not has_started(s.pod)):
        return "cancelled before it ran"
    container = s.pod.container(k.ENGINE_CONTAINER) if s.pod is not None else None
    state = container.state if container is not None else None
    if s.pod is not None and s.facts(s.pod).restarted:
        return (
            "cancelled; its container was restarted in place before the engine could report, its hooks may not have run"
        )
    if state is None or state.kind != "terminated":
        return "cancelled; the pod was deleted before the engine could report, its hooks may not have run"
    if state.exit_code == 137:
        return f"cancelled; killed after its grace of {s.policy.grace} s (exit code 137), not all hooks may have run"
    return f"cancelled; exit code {state.exit_code} without a report, not all hooks may have run"
