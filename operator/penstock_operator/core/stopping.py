"""Stopping a pod without losing its logs: one PATCH with the intent and a deadline a few seconds ahead.

The engine sees the annotation and ends by itself; else the deadline fires, and the kubelet sends SIGTERM and grants the full grace. A pod that
never started has no such clock (its deadline would never fire) and nothing to lose: it is deleted. DELETE takes the log away within a second,
so it is the hard path only. Every function gives nothing when the pod already shows what it would do: a repeated decision does nothing.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from penstock_operator.api import constants as k
from penstock_operator.api.base import SECONDS_MAXIMUM
from penstock_operator.api.times import later, seconds_between

from .facts import has_ended, has_started, held_open
from .intent import Intent
from .model import DeletePod, Effect, PatchPod
from .observe import Pod

CANCEL_AHEAD = 3  # seconds: two of skew between the clocks are harmless, and the annotation arrives before the SIGTERM
SUSPEND_AHEAD = 15  # the engine waits 10 s for a task boundary
LEAVE_AHEAD = 1  # nothing of ours runs any more
# 10 s after a deadline was due the pod shows Ready=False with the reason PodFailed, unless the kubelet does not act on it.
DEADLINE_LATE = 10


def hard_seconds(grace: int) -> int:
    """Return after how long a stop is a matter for DELETE: a kubelet that restarts meanwhile begins the grace anew."""
    return 2 * grace + 30


def stop(pod: Pod, now: datetime, intent: Intent | None, ahead: int) -> tuple[Effect, ...]:
    """Return the PATCH that ends a pod.

    Args:
        pod: a pod that has a start time.
        now: the operator's own clock: what the node counts has nothing to do with the run's.
        intent: what the engine is told; None: the annotation stays.
        ahead: seconds until the kubelet sends SIGTERM.
    """
    if pod.deletion_timestamp is not None:
        return ()  # it is ending; a kubelet updates no volume of an ending pod, and a second way does not shorten the grace
    patch: dict[str, Any] = {}
    if intent is not None and pod.annotations.get(k.ANNOTATION_INTENT) != str(intent):
        patch["metadata"] = {"annotations": {k.ANNOTATION_INTENT: str(intent)}}
    deadline = _deadline(pod, now, ahead)
    if deadline is not None:
        patch["spec"] = {"activeDeadlineSeconds": deadline}
    return (PatchPod(pod.name, pod.uid, patch),) if patch else ()


def _deadline(pod: Pod, now: datetime, ahead: int) -> int | None:
    """Return the deadline to set, None if the pod has one that is as near: it may be set or lowered only."""
    if pod.start_time is None:
        return None
    wanted = min(max(1, math.floor(seconds_between(pod.start_time, now)) + ahead), SECONDS_MAXIMUM)
    return wanted if pod.active_deadline_seconds is None or pod.active_deadline_seconds > wanted else None


def delete(pod: Pod) -> tuple[Effect, ...]:
    """Return the DELETE of a pod, with its own grace; nothing if it is being deleted."""
    return () if pod.deletion_timestamp is not None else (DeletePod(pod.name, pod.uid),)


def tell(pod: Pod, intent: Intent) -> tuple[Effect, ...]:
    """Return the PATCH that tells the engine something without ending it."""
    if pod.annotations.get(k.ANNOTATION_INTENT) == str(intent):
        return ()
    return (PatchPod(pod.name, pod.uid, {"metadata": {"annotations": {k.ANNOTATION_INTENT: str(intent)}}}),)


def leave_nothing(pod: Pod, now: datetime, *, claimed: bool, runs_again: bool = False) -> tuple[Effect, ...]:
    """Return what ends a pod whose attempt is judged: delete what never started, end what other containers hold open.

    One that `runs_again` is ended too: its containers were or will be restarted in place, for an attempt that is over.

    An engine that still runs has reported and is leaving; it is not pushed here. One that has claimed runs or has run, whatever an older
    sight of its pod shows: a report may overtake the kubelet's status, and a pod that was deleted for it would take its logs along.
    """
    if pod.terminal or pod.deletion_timestamp is not None:
        return ()
    if has_ended(pod):
        return stop(pod, now, None, LEAVE_AHEAD) if held_open(pod) else ()
    if runs_again:
        return stop(pod, now, None, LEAVE_AHEAD)
    if claimed or has_started(pod):
        return ()
    return delete(pod)


def obeys(pod: Pod) -> bool:
    """Whether the kubelet is ending the pod: the reason comes with the SIGTERM, while the containers still run."""
    ready = pod.condition("Ready")
    return pod.deletion_timestamp is not None or (ready is not None and ready.reason == "PodFailed")


def push(pod: Pod, now: datetime, own: datetime, since: datetime, grace: int) -> tuple[tuple[Effect, ...], datetime]:
    """Return how a process is got rid of that should have left by itself since some moment, and when to look again.

    Args:
        pod: its pod.
        now: on the run's clock.
        own: now, on the operator's.
        since: on the run's clock.
        grace: seconds.
    """
    if not has_started(pod) or pod.start_time is None:
        return delete(pod), later(since, hard_seconds(grace))
    hard = later(since, hard_seconds(grace))
    if now >= hard:
        return delete(pod), hard
    return stop(pod, own, None, CANCEL_AHEAD), hard
