"""How an attempt ended whose engine left no outcome: the pod's fate, told by the first row that matches.

The order is: a disruption that was announced, the pod's own reason, the containers (init first, then the engine, then the others), the
engine's exit code, and then nothing but absence. An exit code of 0 proves nothing: a program that handles SIGTERM exits 0 when it is
evicted. Neighbours: `exits` reads exit codes; `classify` calls this only for what has ended.
"""

from __future__ import annotations

import re

from penstock_operator.api.flowrun import StateType

from .exits import crashed, judge_exit, over_own_limit, own_deadline
from .facts import Facts
from .observe import Container
from .verdict import Budget, Verdict

_DISRUPTIONS = {
    "PreemptionByScheduler": ("Preempted", "preempted by the scheduler for a pod of higher priority"),
    "DeletionByTaintManager": ("NodeTainted", "removed by a NoExecute taint of its node"),
    "EvictionByEvictionAPI": ("Evicted", "evicted through the API (a drain, or an autoscaler)"),
    "DeletionByPodGC": ("NodeLost", "its node is gone"),
}
# The kubelet refused the pod; another node, or the same one later, may take it …
_REJECTED_FOR_NOW = re.compile(
    r"^(OutOf.*|NodeAffinity|NodePorts|UnexpectedAdmissionError|TopologyAffinityError|InvalidNodeInfo|UnknownReason)$"
)
_SHUTDOWN = frozenset({"Terminated", "Shutdown", "NodeShutdown"})
# The pod's reasons for which a kubelet stops an engine that runs.
_STOPPED = _SHUTDOWN | {"Evicted", "Preempting", "NodeLost"}
_PASSING_START_ERROR = re.compile(r"no space left|cgroup", re.IGNORECASE)


def told_by_pod(facts: Facts) -> Verdict | None:
    """Return by what a pod says that its engine was stopped from outside, None if it does not say."""
    verdict = _disruption(facts)
    if verdict is None and facts.pod.reason in _STOPPED:
        verdict = _pod_reason(facts)
    return verdict


def judge_fate(facts: Facts) -> Verdict:
    """Return how an attempt ended that left no outcome.

    Raises:
        Need: the pod's events, where they alone can tell.
    """
    for row in (_disruption, _deleted_unstarted, _pod_reason, _init_containers, _out_of_memory, _start_error, _lost):
        verdict = row(facts)
        if verdict is not None:
            return verdict
    return judge_exit(facts) or _absence(facts)


def _disruption(facts: Facts) -> Verdict | None:
    target = facts.pod.condition("DisruptionTarget")
    if target is None or target.status != "True":
        return None
    known = _DISRUPTIONS.get(target.reason)
    if known is not None:
        name, words = known
        return crashed(facts, name, f"{words}{facts.where}: {target.message}", Budget.INFRASTRUCTURE)
    # TerminationByKubelet: the pod's reason says which kind, and an exit code of 0 erases it; the condition's words stay.
    words = target.message or facts.pod.message
    return crashed(facts, _kubelet_kind(facts.pod.reason, words), f"ended by the kubelet{facts.where}: {words}",
                   Budget.INFRASTRUCTURE)  # fmt: skip


def _kubelet_kind(reason: str, words: str) -> str:
    if reason == "Preempting" or "preempted" in words.lower():
        return "Preempted"
    if reason in _SHUTDOWN or "shutdown" in words.lower():
        return "NodeShutdown"
    if reason == "Evicted" or "low on resource" in words:
        return "Evicted"
    return "Interrupted"


def _deleted_unstarted(facts: Facts) -> Verdict | None:
    """A pod that is deleted before its start may show a container `terminated` with 137 that never was."""
    if facts.started or not (facts.gone or facts.pod.deletion_timestamp is not None):
        return None
    return crashed(facts, "PodDeleted", f"the pod was deleted before it ran{facts.where}", Budget.NEVER_STARTED)


def _pod_reason(facts: Facts) -> Verdict | None:
    reason, said = facts.pod.reason, facts.pod.message
    if reason == "Evicted":
        if over_own_limit(said):
            return crashed(facts, "StorageLimitExceeded", said, Budget.APPLICATION)
        return crashed(facts, "Evicted", f"evicted{facts.where}: {said}", Budget.INFRASTRUCTURE)
    if reason == "Preempting":
        return crashed(facts, "Preempted", f"preempted by the kubelet{facts.where}: {said}", Budget.INFRASTRUCTURE)
    if reason in _SHUTDOWN:
        return crashed(facts, "NodeShutdown", f"the node shut down{facts.where}: {said}", Budget.INFRASTRUCTURE)
    if reason == "NodeLost":
        return crashed(facts, "NodeLost", f"the node was lost{facts.where}: {said}", Budget.INFRASTRUCTURE)
    if reason == "DeadlineExceeded":
        return Verdict(StateType.FAILED, "TimedOut", own_deadline(facts))
    if reason and facts.pod.phase == "Failed" and not facts.started and not _any_ran(facts):
        text = f"the kubelet refused the pod{facts.where}: {reason}: {said}"
        passing = _REJECTED_FOR_NOW.match(reason) is not None
        return crashed(facts, "NodeRejected", text, Budget.NEVER_STARTED if passing else None)
    if reason and facts.pod.phase == "Failed" and facts.started and _REJECTED_FOR_NOW.match(reason):
        # A kubelet that restarts admits its running pods anew, and may refuse them.
        return crashed(facts, "NodeRejected", f"the kubelet refused the pod{facts.where}: {reason}: {said}",
                       Budget.INFRASTRUCTURE)  # fmt: skip
    return None


def _any_ran(facts: Facts) -> bool:
    return any(container.ran for container in facts.pod.containers)


def _init_containers(facts: Facts) -> Verdict | None:
    for container in facts.pod.containers:
        if not container.init or container.sidecar or facts.started:
            continue
        state = container.state
        if state is None or state.kind != "terminated" or not state.exit_code or not container.ran:
            continue
        if container.oom_killed:
            text = f"init container {container.name} used more memory than its limit{_limit(container)}"
            return crashed(facts, "InitContainerOOMKilled", text, Budget.APPLICATION)
        said = f": {state.message}" if state.message else ""
        text = f"init container {container.name} ended with exit code {state.exit_code}{said}"
        return crashed(facts, "InitContainerFailed", text, Budget.APPLICATION)
    return None


def _out_of_memory(facts: Facts) -> Verdict | None:
    engine = [c for c in facts.pod.containers if c.name == facts.engine and not c.init]
    others = [c for c in facts.pod.containers if c not in engine]
    victim = next((c for c in (*engine, *others) if c.oom_killed), None)
    if victim is None:
        return None
    code = facts.engine_state.exit_code if facts.engine_state is not None else None
    ended = f", exit code {code}" if code is not None else ""
    text = f"out of memory in container {victim.name}: limit{_limit(victim) or ' not set'}{ended}; raise resources.limits.memory"
    return crashed(facts, "OOMKilled", text, Budget.APPLICATION)


def _limit(container: Container) -> str:
    return f" {container.memory_limit}" if container.memory_limit else ""


def _start_error(facts: Facts) -> Verdict | None:
    state = facts.engine_state
    if state is None or state.kind != "terminated" or state.reason not in ("StartError", "ContainerCannotRun"):
        return None
    passing = _PASSING_START_ERROR.search(state.message) is not None
    text = f"the container could not be started{facts.where}: {state.message or state.reason}"
    return crashed(facts, "StartError", text, Budget.NEVER_STARTED if passing else None)


def _lost(facts: Facts) -> Verdict | None:
    """The runtime does not know how the container ended."""
    state = facts.engine_state
    if state is None or state.kind != "terminated":
        return None
    died = state.exit_code == 255 and state.reason in ("Unknown", "Error")
    if state.reason != "ContainerStatusUnknown" and not died:
        return None
    if facts.pod.deletion_timestamp is not None and not died:
        return crashed(facts, "PodDeleted", f"the pod was deleted{facts.where}", Budget.INFRASTRUCTURE)
    text = f"the container was lost{facts.where}: the runtime, its shim or the node died (exit code {state.exit_code}, {state.reason})"
    return crashed(facts, "ContainerLost", text, Budget.INFRASTRUCTURE)


def _absence(facts: Facts) -> Verdict:
    """Nothing tells how it ended; what is left is that it has."""
    if facts.gone:
        text = f"the pod was deleted{facts.where}; its process may run for some seconds yet, and can't report any more"
        return crashed(facts, "PodDeleted", text, Budget.INFRASTRUCTURE)
    text = f"the pod is {facts.pod.phase}{facts.where}, and nothing says how its container ended"
    return crashed(facts, "ContainerLost", text, Budget.INFRASTRUCTURE)
