"""Retention: what is finished is kept for a while, and what is judged is got rid of.

Pods of finished attempts go after `podSeconds`, the run itself after `runSeconds`, never one that somebody tracks (Git, Helm, another
controller): a tracker would make it again, and run it again. A process that outlives its judgement (it can neither claim nor report) is
pushed, with its logs kept as long as possible.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from penstock_operator.api.execution import RunPolicy
from penstock_operator.api.flow import Flow
from penstock_operator.api.flowrun import FlowRun
from penstock_operator.api.times import later
from penstock_operator.api.trackers import tracked_by

from .clock import own_clock
from .conditions import with_generation
from .facts import has_ended, has_started, held_open
from .model import Decision, DeleteRun, Effect, Observed
from .observe import Pod
from .plan import earliest
from .pod import pod_name
from .policy import Policy, effective_policy
from .restarts import RESTARTED
from .stopping import delete, leave_nothing, push

# An engine that has reported its last word leaves within seconds: children, exit functions, the flush of logs.
LEAVE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Tidying:
    """What clean-up there is to do, and when there will be more."""

    effects: tuple[Effect, ...] = ()
    again_at: datetime | None = None


def clean_up(seen: Observed) -> Decision:
    """Return what is left to do for a finished run: pods, the run itself, and the generation that was looked at."""
    run = seen.run
    policy = effective_policy(_flows_policy(seen), run.spec.run_policy)
    status = with_generation(run.status, run.metadata.generation)
    if run.metadata.deletion_timestamp is not None:
        return Decision(status=status)
    tidying = tidy(seen, _own(run, (seen.pod, seen.previous_pod, *seen.older_pods)), policy)
    expiry = _expiry(run, policy)
    if expiry is not None and seen.now >= expiry:
        return Decision(status=status, effects=(*tidying.effects, DeleteRun(run.metadata.uid)))
    return Decision(status=status, effects=tidying.effects, requeue_at=earliest(tidying.again_at, expiry))


def _flows_policy(seen: Observed) -> RunPolicy | None:
    """Return the flow's part of a finished run's policy: as it was when the run began, whatever became of the Flow since."""
    run, info = seen.run, seen.run.status.flow
    if run.spec.flow_spec is not None:
        return run.spec.flow_spec.run_policy
    if info is not None and info.retention is not None:
        return RunPolicy(retention=info.retention)
    # The Flow said nothing then.
    return seen.flow.spec.run_policy if isinstance(seen.flow, Flow) else None


def earlier_pods(seen: Observed) -> list[Pod]:
    """Return the run's pods of earlier attempts, as far as the store has them.

    A pod of a later attempt says that the run as it is known here is old: another operator leads by now, or the run's own event is behind
    its pod's. It is no pod that outlives its judgement.
    """
    attempt = seen.run.status.attempt
    known = attempt.number if attempt is not None else 0
    return [pod for pod in _own(seen.run, (seen.previous_pod, *seen.older_pods)) if not _later(seen.run, pod, known)]


def _later(run: FlowRun, pod: Pod, known: int) -> bool:
    number = pod.name.rpartition("-")[2]
    return number.isdecimal() and int(number) > known and pod.name == pod_name(run, int(number))


def _own(run: FlowRun, pods: Iterable[object]) -> list[Pod]:
    """Return the pods that are there and the run's, each once."""
    own = {pod.uid: pod for pod in pods if isinstance(pod, Pod) and pod.owner_uid == run.metadata.uid}
    return list(own.values())


def tidy(seen: Observed, pods: Iterable[Pod], policy: Policy) -> Tidying:
    """Return what is to be done with pods whose attempts are judged."""
    run, now = seen.run, seen.now
    effects: list[Effect] = []
    again: datetime | None = None
    for pod in pods:
        leaves = LEAVE_SECONDS if not _restarted(run, pod) else 0
        tidying = _retire(pod, _judged_at(run, pod, now), policy, seen, claimed=_claimed(run, pod), leaves_in=leaves)
        effects += tidying.effects
        again = earliest(again, tidying.again_at)
    return Tidying(tuple(effects), again)


def _judged_at(run: FlowRun, pod: Pod, now: datetime) -> datetime:
    ended = {a.pod_name: a.end_time for a in run.status.attempts or () if a.end_time is not None}
    return ended.get(pod.name) or run.status.completion_time or now


def _claimed(run: FlowRun, pod: Pod) -> bool:
    """Whether the pod's attempt was claimed: its start was noted."""
    attempts = (run.status.attempt, *(run.status.attempts or ()))
    return any(a is not None and a.pod_name == pod.name and a.start_time is not None for a in attempts)


def _restarted(run: FlowRun, pod: Pod) -> bool:
    """Whether what runs in the pod is not the attempt's process, which may be leaving, but another one."""
    if any(a.pod_name == pod.name and a.reason == RESTARTED for a in run.status.attempts or ()):
        return True
    state, attempt = run.status.state, run.status.attempt
    return state is not None and state.name == RESTARTED and attempt is not None and attempt.pod_name == pod.name


def _retire(pod: Pod, judged: datetime, policy: Policy, seen: Observed, *, claimed: bool, leaves_in: int) -> Tidying:
    now, own = seen.now, own_clock(seen)
    if pod.deletion_timestamp is not None:
        return Tidying()
    if pod.terminal or (has_ended(pod) and pod.debugged and not held_open(pod)):
        if policy.keep_pods < 0:
            return Tidying()
        due = later(judged, policy.keep_pods)
        return Tidying(delete(pod)) if now >= due else Tidying(again_at=due)
    if has_ended(pod) or not (claimed or has_started(pod)):
        return Tidying(leave_nothing(pod, own, claimed=claimed))
    leaves = later(judged, leaves_in)
    if now < leaves:
        return Tidying(again_at=leaves)
    effects, again = push(pod, now, own, leaves, pod.grace_seconds)
    return Tidying(effects, again if now < again else None)


def _expiry(run: FlowRun, policy: Policy) -> datetime | None:
    if policy.keep_run is None or run.status.completion_time is None or tracker(run) is not None:
        return None
    return later(run.status.completion_time, policy.keep_run)


def tracker(run: FlowRun) -> str | None:
    """Return by which mark somebody tracks a run who would make it again, None if nobody does."""
    meta, owner = run.metadata, run.metadata.controller
    made_by = (owner.api_version, owner.kind) if owner is not None else None
    return tracked_by(meta.labels, meta.annotations, meta.managers, made_by)
