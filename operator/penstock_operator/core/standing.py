"""How a claimed attempt shows while its process runs: Running, or what is happening to it."""

from __future__ import annotations

from penstock_operator.api.flowrun import StateType
from penstock_operator.api.times import later

from .facts import Facts
from .observe import Pod
from .verdict import Degraded, Showing

# A terminating pod is stuck when it outlives its grace by this.
STUCK_SECONDS = 60


def unreachable(pod: Pod) -> bool:
    """Whether the pod's node is not heard of.

    The node controller marks it by `Ready` False without a reason while `ContainersReady` stays True; a kubelet always gives a reason.
    """
    ready, containers = pod.condition("Ready"), pod.condition("ContainersReady")
    marked = (
        ready is not None
        and ready.status == "False"
        and not ready.reason
        and containers is not None
        and containers.status == "True"
    )
    return marked or pod.phase == "Unknown" or pod.reason == "NodeLost"


def show_running(facts: Facts, retrying: str) -> Showing:
    """Return how a claimed attempt shows.

    Args:
        facts: of its pod.
        retrying: what became of the attempt before, empty for the first.
    """
    pod = facts.pod
    if unreachable(pod):
        message = (
            f"node {pod.node_name or '?'} is not heard of; the process may still run, and is replaced only when the node,"
            " its taint manager or a person ends the pod"
        )
        return Showing(StateType.RUNNING, "NodeUnreachable", message, degraded=Degraded("NodeUnreachable", message))
    if pod.deletion_timestamp is not None:
        return _terminating(facts)
    if retrying:
        return Showing(StateType.RUNNING, "Retrying", retrying)
    # Without the node: the claim may be seen before the pod's binding is, and a better message is not worth a write.
    return Showing(StateType.RUNNING, "Running", "the engine runs the flow")


def _terminating(facts: Facts) -> Showing:
    pod = facts.pod
    grace = pod.deletion_grace_seconds if pod.deletion_grace_seconds is not None else pod.grace_seconds
    target = pod.condition("DisruptionTarget")
    cause = f" ({target.reason})" if target is not None and target.status == "True" and target.reason else ""
    message = f"the pod is being deleted{cause}{facts.where}; it has {grace} s to end"
    since = facts.since("Terminating")
    stuck_at = later(since, grace + STUCK_SECONDS)
    if facts.now < stuck_at and facts.degraded != "PodStuckTerminating":
        return Showing(StateType.RUNNING, "Terminating", message, again_at=stuck_at)
    stuck = f"pod {pod.name} is terminating for more than {grace + STUCK_SECONDS} s{facts.where}: is the node alive?"
    return Showing(StateType.RUNNING, "Terminating", message, degraded=Degraded("PodStuckTerminating", stuck))
