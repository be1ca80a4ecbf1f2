"""How an attempt ended whose engine left no outcome: the pod's fate, told by the first row that matches.

The order is: a disruption that was announced, the pod's own reason, the init containers, the engine's container, its exit code, and then
nothing but absence. What became of other containers decides nothing. An exit code of 0 proves nothing: a program that handles SIGTERM exits
0 when it is evicted. Neighbours: `exits` reads exit codes, `disruptions`, `oom` and `restarts` have rows of their own; `classify` calls this only for
what has ended.
"""

from __future__ import annotations

import re
from dataclasses import replace

from penstock_operator.api.flowrun import StateType

from .disruptions import SHUTDOWN, disrupted, requeued
from .exits import crashed, judge_exit, over_own_limit, own_deadline
from .facts import LOST, START_ERRORS, Facts
from .oom import memory_limit, others_out_of_memory, out_of_memory
from .restarts import restarted, restarting
from .verdict import Budget, Verdict

# The kubelet refused the pod; another node, or the same one later, may take it …
_REJECTED_FOR_NOW = re.compile(
    r"^(OutOf.*|NodeAffinity|NodePorts|UnexpectedAdmissionError|TopologyAffinityError|InvalidNodeInfo|UnknownReason)$"
)
# The pod's reasons for which a kubelet stops an engine that runs.
_STOPPED = SHUTDOWN | {"Evicted", "Preempting", "NodeLost"}
_PASSING_START_ERROR = re.compile(r"no space left|cgroup", re.IGNORECASE)
# Names of ends that say that something happened, and not why.
_UNEXPLAINED = frozenset({"NoReport", "ExitCode", "Signal", "Killed", "Interrupted"})


def told_by_pod(facts: Facts) -> Verdict | None:
    """Return by what a pod says that its engine was stopped from outside, None if it does not say."""
    for row in (disrupted, requeued, restarting):
        verdict = row(facts)
        if verdict is not None:
            return verdict
    return _pod_reason(facts) if facts.pod.reason in _STOPPED else None


def judge_fate(facts: Facts) -> Verdict:
    """Return how an attempt ended that left no outcome.

    Raises:
        Need: the pod's events, where they alone can tell.
    """
    rows = (
        disrupted,
        requeued,
        _deleted_unstarted,
        _pod_reason,
        _init_containers,
        out_of_memory,
        restarted,
        _start_error,
        _lost,
    )
    for row in rows:
        verdict = row(facts)
        if verdict is not None:
            return verdict
    verdict = judge_exit(facts)
    if verdict is None:
        return _absence(facts)
    if verdict.name in _UNEXPLAINED and facts.pod.deletion_timestamp is None:
        return replace(verdict, message=f"{verdict.message}{others_out_of_memory(facts)}")
    return verdict


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
    if reason in SHUTDOWN:
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
        if state is None or state.kind != "terminated" or not state.exit_code:
            continue
        said = f": {state.message}" if state.message else ""
        if state.reason in START_ERRORS:
            text = f"init container {container.name} could not be started ({state.reason}, exit code {state.exit_code}){said}"
            return crashed(facts, "InitContainerFailed", text, Budget.APPLICATION)
        if not container.ran:
            continue
        if state.reason == "OOMKilled":
            text = (
                f"init container {container.name} used more memory than its limit{memory_limit(container, facts.pod)}"
            )
            return crashed(facts, "InitContainerOOMKilled", text, Budget.APPLICATION)
        text = f"init container {container.name} ended with exit code {state.exit_code}{said}"
        return crashed(facts, "InitContainerFailed", text, Budget.APPLICATION)
    return None


def _start_error(facts: Facts) -> Verdict | None:
    state = facts.end
    if state is None or state.kind != "terminated" or state.reason not in START_ERRORS:
        return None
    passing = _PASSING_START_ERROR.search(state.message) is not None
    text = f"the container could not be started{facts.where}: {state.message or state.reason}"
    return crashed(facts, "StartError", text, Budget.NEVER_STARTED if passing else None)


def _lost(facts: Facts) -> Verdict | None:
    """The runtime does not know how the container ended."""
    state = facts.end
    if state is None or state.kind != "terminated":
        return None
    died = state.exit_code == 255 and state.reason in ("Unknown", "Error")
    if state.reason != LOST and not died:
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
