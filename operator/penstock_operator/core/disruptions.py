"""Ends that somebody announced on the pod: the condition DisruptionTarget, and TerminationTarget, by which Kueue takes a pod back.

A condition may be stale: alone it proves nothing, it tells why what has ended did. A reason that is not known here is passed on in its own
words, with no guess at who did it. Rules: Kubernetes' pod disruption conditions (KEP-3329; the device taint manager's since 1.33), Kueue's
plain-pod integration. Neighbours: `fates` asks first here.
"""

from __future__ import annotations

from dataclasses import replace

from .exits import crashed
from .facts import Facts
from .verdict import Budget, Verdict

_KNOWN = {
    "PreemptionByScheduler": ("Preempted", "preempted by the scheduler for a pod of higher priority"),
    "DeletionByTaintManager": ("NodeTainted", "removed by a NoExecute taint of its node"),
    "EvictionByEvictionAPI": ("Evicted", "evicted through the API (a drain, or an autoscaler)"),
    "DeletionByPodGC": ("NodeLost", "its node is gone"),
    "DeletionByDeviceTaintManager": ("DeviceTainted", "removed by a taint of a device that it uses"),
}
_BY_KUBELET = "TerminationByKubelet"
SHUTDOWN = frozenset({"Terminated", "Shutdown", "NodeShutdown"})


def disrupted(facts: Facts) -> Verdict | None:
    """Return what the condition DisruptionTarget makes of an end, None if there is no such condition."""
    target = facts.pod.condition("DisruptionTarget")
    if target is None or target.status != "True":
        return None
    if target.reason in _KNOWN:
        name, words = _KNOWN[target.reason]
        return crashed(facts, name, f"{words}{facts.where}: {target.message}", Budget.INFRASTRUCTURE)
    if target.reason == _BY_KUBELET:
        # The pod's reason says which kind, and an exit code of 0 erases it; the condition's words stay.
        said = target.message or facts.pod.message
        name = _kubelet_kind(facts.pod.reason, said)
        return crashed(facts, name, f"ended by the kubelet{facts.where}: {said}", Budget.INFRASTRUCTURE)
    said = ": ".join(part for part in (target.reason, target.message) if part) or "no reason is given"
    return crashed(facts, "Interrupted", f"disrupted{facts.where}: {said}", Budget.INFRASTRUCTURE)


def _kubelet_kind(reason: str, words: str) -> str:
    if reason == "Preempting" or "preempted" in words.lower():
        return "Preempted"
    if reason in SHUTDOWN or "shutdown" in words.lower():
        return "NodeShutdown"
    if reason == "Evicted" or "low on resource" in words:
        return "Evicted"
    return "Interrupted"


def requeued(facts: Facts) -> Verdict | None:
    """Return what the condition TerminationTarget makes of a deletion, None if there is no such condition.

    The run goes back to the queue that took its pod, as a Job does that Kueue suspends: it loses no retry.
    """
    target = facts.pod.condition("TerminationTarget")
    deleted = facts.gone or facts.pod.deletion_timestamp is not None
    if target is None or target.status != "True" or not deleted:
        return None
    said = ": ".join(part for part in (target.reason, target.message) if part) or "no reason is given"
    return replace(crashed(facts, "Preempted", f"taken back by its queue: {said}", None), requeued=True)
