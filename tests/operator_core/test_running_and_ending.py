"""How a run shows while it runs, and how it ends: one row for each line of the contract's third and fourth tables, and of its order."""

from __future__ import annotations

from typing import Any

import pytest

from penstock_operator.core.model import Look, Observed
from penstock_operator.core.reconcile import reconcile
from tests.support.builders import (
    POD_UID,
    at,
    condition,
    event,
    flow_spec,
    observed,
    pod,
    pod_name,
    report,
    run,
    running,
    status_json,
    terminated,
    termination_message,
    waiting,
)
from tests.support.cases import Case, check, decide

RETRIES = {"infrastructure": 3, "neverStarted": 3, "application": 3}
NONE = {"infrastructure": 0, "neverStarted": 0, "application": 0}


def claimed(
    the_pod: Any = None,
    name: str = "Running",
    *,
    retries: dict[str, int] | None = None,
    said: dict[str, Any] | None = None,
    attempt: int = 1,
    since: float = 2,
    time: float | None = None,
    spec: dict[str, Any] | None = None,
    policy: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    **more: Any,
) -> Observed:
    """A run whose engine has claimed; it is 10 s after NOW, and something is left of every budget."""
    whole = status_json(
        "Running",
        name,
        attempt=attempt,
        since=since,
        time=time,
        started=2,
        pod_uid=POD_UID,
        message="before",
        report=said if said is not None else report(attempt=attempt),
        **(status or {}),
    )
    wanted = {"flowSpec": flow_spec(), "runPolicy": {"retries": retries or RETRIES, **(policy or {})}, **(spec or {})}
    if the_pod is not None:
        more["pod"] = the_pod
    return observed(run(wanted, whole), **more)


def target(reason: str, message: str = "because") -> Any:
    return condition("DisruptionTarget", "True", reason, message)


EVICTION = target("EvictionByEvictionAPI")
OWN_LIMIT = "Pod ephemeral local storage usage exceeds the total limit of containers 16Mi."
NOT_HEARD_OF = (condition("Ready", "False"), condition("ContainersReady", "True"))

SHOWN = [
    Case(
        "claim made: Running/Running",
        observed(run(status=status_json("Pending", "Submitting", report=report())), pod=pod(running())),
        "Running/Running",
    ),
    Case(
        "claim made, attempt > 1: Running/Retrying, what became of the one before",
        observed(
            run(
                status=status_json(
                    "Pending",
                    "Submitting",
                    attempt=2,
                    report=report(attempt=2),
                    attempts=[{"number": 1, "state": "Crashed", "reason": "Evicted", "message": "memory"}],
                )
            ),
            pod=pod(running(), attempt=2),
        ),
        "Running/Retrying",
        says=("attempt 2", "attempt 1: Evicted: memory"),
    ),
    Case(
        "a report of an older attempt is none",
        observed(
            run(status=status_json("Pending", "Submitting", attempt=2, report=report("Completed", attempt=1), since=8)),
            pod=pod(running(), attempt=2),
        ),
        None,
    ),
    Case(
        "deletionTimestamp, engine still up: Running/Terminating",
        claimed(pod(running(), deleted=9)),
        "Running/Terminating",
        says=("30 s to end",),
        again=90,
    ),
    Case(
        "terminating longer than grace + 60 s: Degraded PodStuckTerminating, no second pod",
        claimed(pod(running(), deleted=9), "Terminating", time=10, seconds=100),
        "Running/Terminating",
        degraded="PodStuckTerminating",
    ),
    Case(
        "node not heard of: Running/NodeUnreachable, Degraded",
        claimed(pod(running(), conditions=NOT_HEARD_OF)),
        "Running/NodeUnreachable",
        says=("node-1 is not heard of",),
        degraded="NodeUnreachable",
    ),
    Case(
        "node not heard of, and the pod is being deleted: still NodeUnreachable",
        claimed(pod(running(), conditions=(*NOT_HEARD_OF, target("DeletionByTaintManager")), deleted=9)),
        "Running/NodeUnreachable",
        degraded="NodeUnreachable",
    ),
    Case(
        "phase Unknown: NodeUnreachable",
        claimed(pod(running(), phase="Unknown")),
        "Running/NodeUnreachable",
        degraded="NodeUnreachable",
    ),
    Case(
        "a kubelet's Ready False has a reason: Running",
        claimed(
            pod(
                running(),
                conditions=(condition("Ready", "False", "ContainersNotReady"), condition("ContainersReady", "True")),
            )
        ),
        "Running/Running",
    ),
    Case(
        "DisruptionTarget alone proves nothing",
        claimed(pod(running(), conditions=(target("EvictionByEvictionAPI"),))),
        "Running/Running",
    ),
    Case(
        "the node is back: Running again, not degraded",
        claimed(pod(running()), "NodeUnreachable"),
        "Running/Running",
    ),
    Case(
        "report with ending: Running/Terminating, not the last word",
        claimed(pod(running()), said=report("Completed", ending=True)),
        "Running/Terminating",
    ),
]

DISRUPTED = [
    *(
        Case(
            f"DisruptionTarget {reason}, exit {code}: Crashed/{name}",
            claimed(pod(terminated(code), conditions=(target(reason),), deleted=9)),
            f"Crashed/{name}",
            says=(),
            budget="infrastructure",
        )
        for reason, name in (
            ("PreemptionByScheduler", "Preempted"),
            ("DeletionByTaintManager", "NodeTainted"),
            ("EvictionByEvictionAPI", "Evicted"),
            ("DeletionByDeviceTaintManager", "DeviceTainted"),
            ("SomethingNewOfTomorrow", "Interrupted"),
        )
        for code in (0, 143, 137)
    ),
    Case(
        "DisruptionTarget DeletionByPodGC, containers still `running`: Crashed/NodeLost",
        claimed(pod(running(), phase="Failed", conditions=(target("DeletionByPodGC"),))),
        "Crashed/NodeLost",
        budget="infrastructure",
    ),
    Case(
        "DisruptionTarget and gone: by the last object seen",
        claimed(last_pod=pod(running(), conditions=(target("EvictionByEvictionAPI"),), deleted=9)),
        "Crashed/Evicted",
        budget="infrastructure",
    ),
    Case(
        "TerminationByKubelet, reason Evicted: Crashed/Evicted",
        claimed(
            pod(terminated(143), phase="Failed", reason="Evicted", conditions=(target("TerminationByKubelet", "low"),))
        ),
        "Crashed/Evicted",
        budget="infrastructure",
    ),
    Case(
        "TerminationByKubelet, exit 0 erases the reason: Crashed/Evicted by the words",
        claimed(
            pod(
                terminated(0),
                phase="Succeeded",
                conditions=(target("TerminationByKubelet", "The node was low on resource: memory. Threshold"),),
            )
        ),
        "Crashed/Evicted",
        says=(),
        budget="infrastructure",
    ),
    Case(
        "TerminationByKubelet, exit 0, shutdown: Crashed/NodeShutdown",
        claimed(
            pod(
                terminated(0),
                phase="Succeeded",
                conditions=(
                    target("TerminationByKubelet", "Pod was terminated in response to imminent node shutdown."),
                ),
            )
        ),
        "Crashed/NodeShutdown",
        budget="infrastructure",
    ),
    Case(
        "TerminationByKubelet, exit 0, a critical pod: Crashed/Preempted",
        claimed(
            pod(
                terminated(0),
                phase="Succeeded",
                conditions=(
                    target("TerminationByKubelet", "Pod was preempted by Kubelet to accommodate a critical pod."),
                ),
            )
        ),
        "Crashed/Preempted",
        budget="infrastructure",
    ),
    Case(
        "TerminationByKubelet without any word: Crashed/Interrupted",
        claimed(pod(terminated(0), phase="Succeeded", conditions=(target("TerminationByKubelet", ""),))),
        "Crashed/Interrupted",
        budget="infrastructure",
    ),
]

DISRUPTED += [
    Case(
        "DisruptionTarget of a reason that nobody knows: its own words, and no guess at who did it",
        claimed(pod(terminated(143), conditions=(target("Tomorrow", "moved away"),), deleted=9), retries=NONE),
        "Crashed/Interrupted",
        says=("Tomorrow: moved away",),
    ),
    Case(
        "a taint of a device: said so, with its words",
        claimed(
            pod(
                terminated(143),
                conditions=(target("DeletionByDeviceTaintManager", "Device Taint manager: deleting"),),
                deleted=9,
            ),
            retries=NONE,
        ),
        "Crashed/DeviceTainted",
        says=("taint of a device", "Device Taint manager: deleting"),
    ),
]

TAKEN_BACK = condition(
    "TerminationTarget", "True", "WorkloadEvicted", "Preempted to accommodate a workload (UID: 1) in the ClusterQueue"
)
QUEUED = [
    *(
        Case(
            f"TerminationTarget (Kueue), exit {code}, nothing left of any budget: Preempted in its words, counted in none",
            claimed(pod(terminated(code), conditions=(TAKEN_BACK,), deleted=9), retries=NONE),
            "Scheduled/AwaitingRetry",
            says=("Preempted: taken back by its queue: WorkloadEvicted: Preempted to accommodate", "attempt 2 at"),
        )
        for code in (0, 137, 143)
    ),
    Case(
        "TerminationTarget (Kueue), report Interrupted: likewise",
        claimed(
            pod(running(), conditions=(TAKEN_BACK,), deleted=9),
            said=report("Interrupted", message="by SIGTERM"),
            retries=NONE,
        ),
        "Scheduled/AwaitingRetry",
        says=("Preempted: taken back by its queue", "by SIGTERM"),
    ),
    Case(
        "TerminationTarget (Kueue) before it ran: likewise",
        observed(
            run(
                {"flowSpec": flow_spec(), "runPolicy": {"retries": NONE}},
                status_json("Pending", "ContainerCreating", pod_uid=POD_UID),
            ),
            last_pod=pod(waiting(), conditions=(TAKEN_BACK,), deleted=9),
        ),
        "Scheduled/AwaitingRetry",
        says=("Preempted: taken back by its queue",),
    ),
    Case(
        "TerminationTarget without a deletion proves nothing: the exit code tells",
        claimed(pod(terminated(3), conditions=(TAKEN_BACK,))),
        "Crashed/ExitCode",
        budget="application",
    ),
    Case(
        "TerminationTarget, cancellation asked: Cancelled",
        claimed(pod(terminated(143), conditions=(TAKEN_BACK,), deleted=9), spec={"desiredState": "Cancelled"}),
        "Cancelled/Cancelled",
    ),
]

REMOVED = "The container is removed because RestartAllContainers in place"
MADE_UP = terminated(137, "RestartingAllContainers", REMOVED, started=None)
AGAIN = waiting("RestartingAllContainers", REMOVED)
RESTARTED = [
    *(
        Case(
            f"all containers restarted in place, {what}: Crashed/ContainerRestarted, the pod is ended",
            claimed(pod(state, last_state=MADE_UP, phase=phase, sidecars={"proxy": running()}, rules=("proxy",))),
            "Crashed/ContainerRestarted",
            effects,
            budget="infrastructure",
        )
        for what, state, phase, effects in (
            ("removed", AGAIN, "Running", ("patch-pod",)),
            ("initializing again", waiting("PodInitializing"), "Pending", ("patch-pod",)),
            ("running again", running(8), "Running", ("patch-pod",)),
            ("the second process was refused", terminated(77, started=8), "Running", ()),
        )
    ),
    Case(
        "all containers restarted in place: by whose rule, and no exit code that is made up",
        claimed(pod(AGAIN, last_state=MADE_UP, sidecars={"proxy": AGAIN}, rules=("proxy",)), retries=NONE),
        "Crashed/ContainerRestarted",
        ("patch-pod",),
        says=("restarted in place on node node-1 by a rule (RestartAllContainers) of container proxy",),
    ),
    Case(
        "the engine's container restarted by a rule of its own: with the first process's exit code",
        claimed(pod(running(8), last_state=terminated(42)), retries=NONE),
        "Crashed/ContainerRestarted",
        ("patch-pod",),
        says=("its first process had ended with exit code 42",),
    ),
    *(
        Case(
            f"restarted by a rule of its own, and ended again with {code}: the process that had claimed is judged",
            claimed(pod(terminated(code, started=8), last_state=terminated(last))),
            f"Crashed/{name}",
            effects=None,
            budget=budget,
        )
        for code, last, name, budget in (
            (1, 42, "ExitCode", "application"),
            (77, 139, "Signal", "application"),
            (0, 66, "LoadError", "T"),
            (1, 137, "Killed", "infrastructure"),
        )
    ),
    Case(
        "restarted after an OOM kill: Crashed/OOMKilled",
        claimed(pod(running(8), last_state=terminated(137, "OOMKilled"))),
        "Crashed/OOMKilled",
        effects=None,
        budget="application",
    ),
    Case(
        "restarted in place, the first process's report got out: it wins",
        claimed(pod(running(8), last_state=MADE_UP), said=report("Completed")),
        "Completed/Completed",
        ("patch-pod",),
    ),
    Case(
        "restarted in place, what it had decided stands",
        claimed(
            pod(running(8), last_state=MADE_UP), said=report("Failed", message="no rows", ending=True), retries=NONE
        ),
        "Failed/Failed",
        ("patch-pod",),
        says=("no rows",),
    ),
    Case(
        "report Interrupted while all containers are being restarted: the cause in name and words",
        claimed(
            pod(running(), conditions=(condition("AllContainersRestarting", "True", "RestartAllContainersStarted"),)),
            said=report("Interrupted", message="by SIGTERM"),
        ),
        "Crashed/ContainerRestarted",
        ("patch-pod",),
        budget="infrastructure",
    ),
    Case(
        "restarted in place, cancellation asked: Cancelled, the pod is ended",
        claimed(pod(running(8), last_state=MADE_UP), spec={"desiredState": "Cancelled"}),
        "Cancelled/Cancelled",
        ("patch-pod",),
        says=("restarted in place",),
    ),
    Case(
        "restarted before the claim, which was seen with the restart: the process that is there has claimed",
        observed(
            run(status=status_json("Pending", "Submitting", report=report(time=at(8.5)))),
            pod=pod(running(8), last_state=MADE_UP),
        ),
        "Running/Running",
    ),
    Case(
        "restarted before the claim, and seen again: it goes on",
        observed(
            run(
                status={
                    **status_json("Running", pod_uid=POD_UID, report=report(), started=9),
                    "attempt": {
                        "number": 1,
                        "podName": pod().name,
                        "podUID": POD_UID,
                        "startTime": at(9),
                        "restarts": 1,
                    },
                }
            ),
            pod=pod(running(8), last_state=MADE_UP),
        ),
        "Running/Running",
    ),
    Case(
        "restarted again after the claim: Crashed/ContainerRestarted",
        claimed(
            pod(running(8), last_state=MADE_UP, restarts={"engine": 2}),
            said=report(time=at(100)),
            status={},
        ),
        "Crashed/ContainerRestarted",
        ("patch-pod",),
        budget="infrastructure",
    ),
    Case(
        "the engine crash-loops before its claim: its own end is judged",
        observed(
            run(
                {"flowSpec": flow_spec(), "runPolicy": {"retries": RETRIES}},
                status_json("Pending", "Submitting", pod_uid=POD_UID),
            ),
            pod=pod(waiting("CrashLoopBackOff", "back-off 10s"), last_state=terminated(3, message="no config")),
        ),
        "Crashed/ExitCode",
        ("patch-pod",),
        says=(),
        budget="application",
    ),
]

POD_REASONS = [
    Case(
        "Evicted, low on resource: Crashed/Evicted",
        claimed(
            pod(terminated(137), phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
        ),
        "Crashed/Evicted",
        budget="infrastructure",
    ),
    Case(
        "Evicted, low on ephemeral-storage: the node's trouble, not the pod's limit",
        claimed(
            pod(
                terminated(137),
                phase="Failed",
                reason="Evicted",
                message="The node was low on resource: ephemeral-storage. Container engine was using 1Gi",
            )
        ),
        "Crashed/Evicted",
        budget="infrastructure",
    ),
    *(
        Case(
            f"Evicted, {words[:40]}: Crashed/StorageLimitExceeded",
            claimed(pod(terminated(137), phase="Failed", reason="Evicted", message=words)),
            "Crashed/StorageLimitExceeded",
            budget="application",
        )
        for words in (
            "Pod ephemeral local storage usage exceeds the total limit of containers 20Mi. ",
            'Container engine exceeded its local ephemeral storage limit "1Gi". ',
            'Usage of EmptyDir volume "d" exceeds the limit "20Mi". ',
        )
    ),
    Case(
        "Preempting: Crashed/Preempted",
        claimed(pod(terminated(143), phase="Failed", reason="Preempting", message="critical pod")),
        "Crashed/Preempted",
        budget="infrastructure",
    ),
    *(
        Case(
            f"{reason}: Crashed/NodeShutdown",
            claimed(pod(terminated(143), phase="Failed", reason=reason, message="shutdown")),
            "Crashed/NodeShutdown",
            budget="infrastructure",
        )
        for reason in ("Terminated", "Shutdown", "NodeShutdown")
    ),
    *(
        Case(
            f"DeadlineExceeded of a template's own, exit {code}: Failed/TimedOut",
            claimed(pod(terminated(code), phase="Failed", reason="DeadlineExceeded", deadline=7)),
            "Failed/TimedOut",
            says=("7 s",),
            budget="T",
        )
        for code in (0, 143, 137)
    ),
    Case(
        "DeadlineExceeded after an OOM kill long before: the pod's reason comes first",
        claimed(pod(terminated(143, "OOMKilled"), phase="Failed", reason="DeadlineExceeded", deadline=7)),
        "Failed/TimedOut",
        budget="T",
    ),
    Case(
        "a kubelet that restarts refuses a running pod: Crashed/NodeRejected",
        claimed(pod(terminated(137), phase="Failed", reason="NodeAffinity", message="Pod was rejected")),
        "Crashed/NodeRejected",
        budget="infrastructure",
    ),
]


def out_of_memory(code: int) -> Any:
    return pod(terminated(code, "OOMKilled"), memory="256Mi")


CONTAINERS = [
    *(
        Case(
            f"OOMKilled, exit {code}: Crashed/OOMKilled",
            claimed(out_of_memory(code)),
            "Crashed/OOMKilled",
            budget="application",
        )
        for code in (137, 0, 1, 143)
    ),
    Case(
        "OOMKilled: the limit and the container are told",
        claimed(out_of_memory(137), retries=NONE),
        "Crashed/OOMKilled",
        says=("container engine", "256Mi", "137"),
    ),
    Case(
        "OOMKilled before a restart of the container: by lastState",
        claimed(pod(terminated(1), last_state=terminated(137, "OOMKilled"))),
        "Crashed/OOMKilled",
        budget="application",
    ),
    Case(
        "OOMKilled at the pod's limit: that one is told",
        claimed(pod(terminated(137, "OOMKilled"), pod_memory="1Gi"), retries=NONE),
        "Crashed/OOMKilled",
        says=("the pod's limit 1Gi", "template.spec.resources"),
    ),
    Case(
        "OOMKilled with limits of both: the container's",
        claimed(pod(terminated(137, "OOMKilled"), memory="256Mi", pod_memory="1Gi"), retries=NONE),
        "Crashed/OOMKilled",
        says=(": limit 256Mi",),
    ),
    Case(
        "OOMKilled without any limit: the node had none left",
        claimed(pod(terminated(137, "OOMKilled")), retries=NONE),
        "Crashed/OOMKilled",
        says=("neither it nor the pod has a limit", "requests.memory"),
    ),
    *(
        Case(
            f"{whose}'s OOM kill decides nothing: {what}",
            claimed(
                pod(
                    state,
                    **{where: {"proxy": terminated(137, "OOMKilled") if where == "others" else running()}},
                    **({"last_states": {"proxy": terminated(137, "OOMKilled")}} if where == "sidecars" else {}),
                    **more,
                ),
            ),
            want,
            effects=None,
            budget=budget,
        )
        for whose, where in (("another container", "others"), ("a native sidecar", "sidecars"))
        for what, state, more, want, budget in (
            ("exit 3", terminated(3), {}, "Crashed/ExitCode", "application"),
            ("exit 66", terminated(66), {}, "Crashed/LoadError", "T"),
            ("SIGKILL from outside", terminated(137), {}, "Crashed/Killed", "infrastructure"),
            ("deleted", terminated(137), {"deleted": 9}, "Crashed/PodDeleted", "infrastructure"),
            ("lost", terminated(137, "ContainerStatusUnknown"), {}, "Crashed/ContainerLost", "infrastructure"),
            ("exit 0", terminated(0), {}, "Crashed/NoReport", "infrastructure"),
        )
    ),
    Case(
        "another container's OOM kill is a word beside a fate that nothing else explains",
        claimed(pod(terminated(1), others={"proxy": terminated(137, "OOMKilled")}), retries=NONE),
        "Crashed/ExitCode",
        says=("exit code 1", "container proxy was killed for its memory"),
    ),
    Case(
        "its pod force-deleted after a sidecar's OOM kill: Crashed/PodDeleted",
        claimed(
            last_pod=pod(
                running(), sidecars={"proxy": running()}, last_states={"proxy": terminated(137, "OOMKilled")}, deleted=9
            )
        ),
        "Crashed/PodDeleted",
        budget="infrastructure",
    ),
    *(
        Case(
            f"another container's {code} means nothing",
            claimed(pod(terminated(3), others={"proxy": terminated(code)})),
            "Crashed/ExitCode",
            budget="application",
        )
        for code in (137, 143)
    ),
    Case(
        "a native sidecar's 137 means nothing",
        claimed(pod(terminated(3), sidecars={"proxy": terminated(137)})),
        "Crashed/ExitCode",
        budget="application",
    ),
    Case(
        "engine ended, others still run: judged, and the pod is ended by a deadline alone",
        claimed(pod(terminated(3), others={"proxy": running()}), retries=NONE),
        "Crashed/ExitCode",
        ("patch-pod",),
    ),
    Case(
        "ContainerStatusUnknown with a startedAt: Crashed/ContainerLost",
        claimed(pod(terminated(137, "ContainerStatusUnknown"))),
        "Crashed/ContainerLost",
        budget="infrastructure",
    ),
    *(
        Case(
            f"exit 255, {reason}: Crashed/ContainerLost",
            claimed(pod(terminated(255, reason))),
            "Crashed/ContainerLost",
            budget="infrastructure",
        )
        for reason in ("Unknown", "Error")
    ),
]

CODES = [
    Case(
        "exit 0, no report: Crashed/NoReport", claimed(pod(terminated(0))), "Crashed/NoReport", budget="infrastructure"
    ),
    Case(
        "Succeeded, no report: Crashed/NoReport",
        claimed(pod(terminated(0), phase="Succeeded")),
        "Crashed/NoReport",
        budget="infrastructure",
    ),
    Case(
        "exit 0 and deleted: Crashed/Interrupted",
        claimed(pod(terminated(0), deleted=9)),
        "Crashed/Interrupted",
        budget="infrastructure",
    ),
    Case(
        "exit 0 hides an eviction for local storage: its Event tells",
        claimed(
            pod(terminated(0)),
            events=(
                event("Evicted", "Pod ephemeral local storage usage exceeds the total limit of containers 20Mi."),
                event("Killing", "Stopping container engine", "Normal"),
            ),
        ),
        "Crashed/StorageLimitExceeded",
        budget="application",
    ),
    Case(
        "an eviction took the container away, and the kubelet counts that as a restart: its Event tells",
        claimed(
            pod(waiting(), last_state=terminated(137, "ContainerStatusUnknown"), phase="Running"),
            said=report("Interrupted", message="by SIGTERM"),
            events=(event("Evicted", "Pod ephemeral local storage usage exceeds the total limit of containers 20Mi."),),
        ),
        "Crashed/StorageLimitExceeded",
        effects=None,
        budget="infrastructure",
    ),
    Case(
        "exit 0 hides an emptyDir's limit: its Event tells",
        claimed(
            pod(terminated(0)), events=(event("Evicted", 'Usage of EmptyDir volume "d" exceeds the limit "20Mi".'),)
        ),
        "Crashed/StorageLimitExceeded",
        budget="application",
    ),
    Case(
        "exit 0 hides an eviction: its Event tells",
        claimed(pod(terminated(0)), events=(event("Evicted", "The node was low on resource: memory."),)),
        "Crashed/Evicted",
        budget="infrastructure",
    ),
    Case(
        "exit 0 hides a preemption: its Event tells",
        claimed(pod(terminated(0)), events=(event("Preempting", "Preempted in order to admit critical pod"),)),
        "Crashed/Preempted",
        budget="infrastructure",
    ),
    Case(
        "exit 0 hides a stop by the kubelet: Killing tells",
        claimed(pod(terminated(0)), events=(event("Killing", "Stopping container engine", "Normal"),)),
        "Crashed/Interrupted",
        budget="infrastructure",
    ),
    *(
        Case(
            f"liveness failure, exit {code}: Crashed/Unresponsive",
            claimed(
                pod(terminated(code)),
                events=(event("Unhealthy", "Liveness probe failed: hung"), event("Killing", "Stopping", "Normal")),
            ),
            "Crashed/Unresponsive",
            budget="infrastructure",
        )
        for code in (0, 137, 143)
    ),
    Case(
        "a failed readiness probe is no cause",
        claimed(
            pod(terminated(137)),
            events=(event("Unhealthy", "Readiness probe failed: "), event("Killing", "Stopping", "Normal")),
        ),
        "Crashed/Killed",
        budget="infrastructure",
    ),
    Case("exit 77: Crashed/Refused", claimed(pod(terminated(77))), "Crashed/Refused", budget="infrastructure"),
    Case(
        "exit 77 after a restart of the container: the process that had claimed is judged",
        claimed(pod(terminated(77), last_state=terminated(139))),
        "Crashed/Signal",
        budget="application",
    ),
    Case(
        "exit 77, termination message Refused: no outcome",
        claimed(pod(terminated(77, message=termination_message("Refused")))),
        "Crashed/Refused",
        budget="infrastructure",
    ),
    Case("exit 66: Crashed/LoadError", claimed(pod(terminated(66))), "Crashed/LoadError", budget="T"),
    Case("exit 70: Crashed/EngineError", claimed(pod(terminated(70))), "Crashed/EngineError", budget="application"),
    *(
        Case(
            f"exit 70, termination message {name}: Crashed/{name}, the infrastructure's",
            observed(
                run(
                    {"flowSpec": flow_spec(), "runPolicy": {"retries": RETRIES}},
                    status_json("Pending", "Submitting", pod_uid=POD_UID),
                ),
                pod=pod(terminated(70, message=termination_message("Crashed", name, message="no route"))),
            ),
            f"Crashed/{name}",
            budget="infrastructure",
        )
        for name in ("ApiUnreachable", "NotAuthorized")
    ),
    *(
        Case(f"exit {code}: Crashed/ExitCode", claimed(pod(terminated(code))), "Crashed/ExitCode", budget="application")
        for code in (1, 5, 125)
    ),
    Case(
        "exit 126: Crashed/StartError, not executable",
        claimed(pod(terminated(126))),
        "Crashed/StartError",
        says=("not executable",),
        budget="T",
    ),
    Case(
        "exit 127: Crashed/StartError, not found",
        claimed(pod(terminated(127))),
        "Crashed/StartError",
        says=("not found",),
        budget="T",
    ),
    *(
        Case(
            f"exit {code} without cancel: Crashed/Interrupted",
            claimed(pod(terminated(code))),
            "Crashed/Interrupted",
            budget="infrastructure",
        )
        for code in (130, 143)
    ),
    *(
        Case(
            f"exit {code}: Crashed/Signal ({name})",
            claimed(pod(terminated(code)), retries=NONE),
            "Crashed/Signal",
            says=(name,),
        )
        for code, name in ((134, "SIGABRT"), (139, "SIGSEGV"), (132, "SIGILL"), (136, "SIGFPE"))
    ),
    Case(
        "exit 137, no OOM, no disruption, no deletion: Crashed/Killed",
        claimed(pod(terminated(137)), retries=NONE),
        "Crashed/Killed",
        says=("137", "child's OOM kill", "node-1"),
    ),
    Case(
        "exit 137: counted as infrastructure", claimed(pod(terminated(137))), "Crashed/Killed", budget="infrastructure"
    ),
    Case(
        "exit 137 of a pod that somebody deleted: Crashed/PodDeleted",
        claimed(pod(terminated(137), deleted=9)),
        "Crashed/PodDeleted",
        budget="infrastructure",
    ),
    Case(
        "pod force-deleted, 404: Crashed/PodDeleted",
        claimed(last_pod=pod(running(), deleted=9)),
        "Crashed/PodDeleted",
        budget="infrastructure",
    ),
    Case("404, never seen by this operator", claimed(), "Crashed/PodDeleted", budget="infrastructure"),
    Case(
        "a pod of ours with another UID than the recorded: the recorded one is gone",
        claimed(pod(waiting(), uid="another"), retries=NONE),
        "Crashed/PodDeleted",
    ),
]


def reported(type_: str, name: str | None = None, **more: Any) -> Observed:
    said = {key: more.pop(key) for key in list(more) if key in REPORT_FIELDS}
    return claimed(more.pop("the_pod", pod(running())), said=report(type_, name, **said), **more)


NO_PANDAS = {
    "type": "ModuleNotFoundError",
    "message": "No module named 'pandas'",
    "location": "p.py:1 in <module>",
    "traceback": "Traceback (most recent call last):\n…",
}
UNBOUND = {"type": "penstock.exceptions.ParameterBindError", "message": "unexpected 'false'"}
BOOM = {"type": "ValueError", "message": "boom\nand more", "location": "etl.py:12 in load"}

REPORT_FIELDS = ("message", "ending", "resumeTime", "pause", "result", "error", "hooks", "waiting", "signal")

REPORTS = [
    Case("report Completed", reported("Completed"), "Completed/Completed"),
    Case("report Completed with a name of the flow's own", reported("Completed", "Cached"), "Completed/Cached"),
    Case(
        "a name that no condition bears goes before the message",
        reported("Completed", "all good!", message="3 rows"),
        "Completed/Completed",
        says=("all good!: 3 rows",),
    ),
    Case(
        "report Completed, whatever the pod does later",
        reported("Completed", the_pod=pod(terminated(137, "OOMKilled"))),
        "Completed/Completed",
    ),
    Case("report Completed, the pod gone", claimed(said=report("Completed")), "Completed/Completed"),
    Case(
        "report Failed: budget application",
        reported("Failed", message="no rows"),
        "Failed/Failed",
        budget="application",
    ),
    Case(
        "report Failed, no budget",
        reported("Failed", message="no rows", retries=NONE),
        "Failed/Failed",
        says=("no rows",),
    ),
    Case("report Failed/TimedOut", reported("Failed", "TimedOut", retries=NONE), "Failed/TimedOut"),
    Case(
        "report Failed/InvalidParameters: never repeated",
        reported("Failed", "InvalidParameters"),
        "Failed/InvalidParameters",
    ),
    Case("report Cancelled though nobody asked", reported("Cancelled"), "Cancelled/Cancelled"),
    Case(
        "report Cancelled: what became of the hooks",
        reported("Cancelled", message="stopped", hooks={"ran": ["a"], "notRun": ["b"]}),
        "Cancelled/Cancelled",
        says=("stopped", "hooks ran: a", "not run: b"),
    ),
    Case(
        "report Cancelled: a sentence goes on with the hooks",
        reported("Cancelled", message="Flow run was cancelled.", hooks={"ran": ["a"]}),
        "Cancelled/Cancelled",
        says=("Flow run was cancelled; hooks ran: a",),
    ),
    Case("report Crashed/LoadError", reported("Crashed", "LoadError"), "Crashed/LoadError", budget="T"),
    Case(
        "report Crashed/LoadError: the cause first, and which image lacks the module",
        reported("Crashed", "LoadError", message="Traceback (most recent call last): | …", error=NO_PANDAS),
        "Crashed/LoadError",
        says=("ModuleNotFoundError: No module named 'pandas' (p.py:1); not in image registry.example/engine:1",),
        budget="T",
    ),
    Case(
        "report Failed by an exception: what is wrong, and where",
        reported(
            "Failed", message="Flow run encountered an exception: ValueError: boom and more", error=BOOM, retries=NONE
        ),
        "Failed/Failed",
        says=("ValueError: boom and more (etl.py:12 in load)",),
    ),
    Case(
        "report Failed by an exception, and what else the engine says of it: both",
        reported(
            "Failed",
            message="Flow run encountered an exception: ValueError: boom and more; not kept: a",
            error=BOOM,
            retries=NONE,
        ),
        "Failed/Failed",
        says=("ValueError: boom and more (etl.py:12 in load); not kept: a",),
    ),
    Case(
        "report InvalidParameters: what YAML has made of a name stands behind the exception's words",
        reported("Failed", "InvalidParameters", message="unexpected 'false'; YAML reads", error=UNBOUND, retries=NONE),
        "Failed/InvalidParameters",
        says=("penstock.exceptions.ParameterBindError: unexpected 'false'; YAML reads",),
    ),
    Case(
        "report Failed with words of the flow's own beside its exception: those",
        reported("Failed", message="two of three sensors are silent", error=BOOM, retries=NONE),
        "Failed/Failed",
        says=("two of three sensors are silent",),
    ),
    Case(
        "report Failed by an exception without words: its type",
        reported("Failed", error={"type": "KeyError", "location": "etl.py:3 in f"}, retries=NONE),
        "Failed/Failed",
        says=("KeyError (etl.py:3 in f)",),
    ),
    Case("report Crashed: budget application", reported("Crashed"), "Crashed/Crashed", budget="application"),
    Case(
        "report Interrupted: budget infrastructure",
        reported("Interrupted"),
        "Crashed/Interrupted",
        budget="infrastructure",
    ),
    Case("report Interrupted, no budget", reported("Interrupted", retries=NONE), "Crashed/Interrupted"),
    Case(
        "report Interrupted of an evicted engine: the cause in name and words, type and budget by the report",
        reported("Interrupted", message="by SIGTERM", the_pod=pod(running(), conditions=(EVICTION,), deleted=9)),
        "Crashed/Evicted",
        says=("Evicted: evicted through the API", "because; by SIGTERM; attempt 2 of 4 at"),
        budget="infrastructure",
    ),
    Case(
        "report Interrupted of an evicted engine, no budget: Crashed/Evicted",
        reported("Interrupted", retries=NONE, the_pod=pod(running(), conditions=(EVICTION,), deleted=9)),
        "Crashed/Evicted",
        says=("evicted through the API",),
    ),
    Case(
        "report Interrupted, only an Event tells of the storage limit: StorageLimitExceeded, by the report's budget",
        reported("Interrupted", events=(event("Evicted", OWN_LIMIT), event("Killing", "Stopping container engine"))),
        "Crashed/StorageLimitExceeded",
        says=(f"{OWN_LIMIT.removesuffix('.')}; interrupted by ",),
        budget="infrastructure",
    ),
    Case(
        "report Interrupted, only an Event tells of the pod's own deadline",
        reported("Interrupted", events=(event("DeadlineExceeded", "Pod was active"), event("Killing"))),
        "Crashed/Interrupted",
        says=("the pod's own activeDeadlineSeconds passed",),
        budget="infrastructure",
    ),
    Case(
        "report Interrupted, the liveness probe failed: Unresponsive",
        reported("Interrupted", events=(event("Unhealthy", "Liveness probe failed: "), event("Killing"))),
        "Crashed/Unresponsive",
        budget="infrastructure",
    ),
    Case(
        "report Interrupted of a pod that somebody deleted: said so",
        reported("Interrupted", the_pod=pod(running(), deleted=9)),
        "Crashed/Interrupted",
        says=("the pod was deleted on node node-1",),
        budget="infrastructure",
    ),
    Case(
        "report Interrupted of an evicted engine, cancellation asked: Cancelled",
        reported(
            "Interrupted", spec={"desiredState": "Cancelled"}, the_pod=pod(running(), conditions=(EVICTION,), deleted=9)
        ),
        "Cancelled/Cancelled",
    ),
    Case(
        "report Interrupted, cancellation asked: Cancelled",
        reported("Interrupted", spec={"desiredState": "Cancelled"}),
        "Cancelled/Cancelled",
    ),
    Case(
        "report Interrupted, the run's deadline passed: Failed/TimedOut",
        reported("Interrupted", policy={"activeDeadlineSeconds": 8}),
        "Failed/TimedOut",
        says=("8 s",),
    ),
    Case(
        "report Interrupted, suspension sent: Paused/Suspended",
        reported("Interrupted", the_pod=pod(running(), intent="Suspended")),
        "Paused/Suspended",
    ),
    Case(
        "report Paused: Paused/Paused, pod stays",
        reported("Paused", message="waits for approve"),
        "Paused/Paused",
        says=("approve",),
    ),
    Case(
        "report Running after Paused",
        observed(
            run(status=status_json("Paused", "Paused", pod_uid=POD_UID, report=report(), pause={"key": "a"})),
            pod=pod(running()),
        ),
        "Running/Running",
    ),
    Case("report Suspended: Paused/Suspended, no budget", reported("Suspended"), "Paused/Suspended"),
    Case(
        "report AwaitingRetry: Scheduled/AwaitingRetry at its time, no budget",
        reported("AwaitingRetry", resumeTime=at(70), waiting="load:0"),
        "Scheduled/AwaitingRetry",
        says=("load:0",),
        again=60,
    ),
    *(
        Case(
            f"report {type_}, cancellation asked: Cancelled",
            reported(type_, spec={"desiredState": "Cancelled"}),
            "Cancelled/Cancelled",
        )
        for type_ in ("Suspended", "AwaitingRetry")
    ),
    *(
        Case(
            f"report {type_}, cancellation asked: it stays {type_}, and no attempt begins",
            reported(type_, spec={"desiredState": "Cancelled"}),
            f"{type_}/{type_}",
        )
        for type_ in ("Failed", "Crashed")
    ),
    Case(
        "report with ending, pod ended: what it decided stands",
        reported("Failed", message="no rows", ending=True, the_pod=pod(terminated(1)), retries=NONE),
        "Failed/Failed",
        says=("no rows",),
    ),
    Case(
        "termination message of this instance goes over a report with ending",
        claimed(
            pod(terminated(1, message=termination_message("Completed", message="done"))),
            said=report("Interrupted", ending=True),
        ),
        "Completed/Completed",
        says=("done",),
    ),
    Case(
        "an accepted report goes over a termination message that differs",
        claimed(pod(terminated(1, message=termination_message("Failed"))), said=report("Completed")),
        "Completed/Completed",
    ),
    Case(
        "termination message where there is no report: any instance",
        observed(
            run(status=status_json("Pending", "Submitting", pod_uid=POD_UID)),
            pod=pod(terminated(0, message=termination_message("Completed", instance="whoever"))),
        ),
        "Completed/Completed",
    ),
    Case(
        "termination message of another instance: the pod's fate",
        claimed(pod(terminated(3, message=termination_message("Completed", instance="other")))),
        "Crashed/ExitCode",
        budget="application",
    ),
    Case(
        "termination message of another run: the pod's fate",
        claimed(pod(terminated(3, message=termination_message("Completed", uid="other")))),
        "Crashed/ExitCode",
        budget="application",
    ),
    Case(
        "termination message of another attempt: the pod's fate",
        claimed(pod(terminated(3, message=termination_message("Completed", attempt=7)))),
        "Crashed/ExitCode",
        budget="application",
    ),
    Case(
        "termination message that lost its beginning: the pod's fate",
        claimed(pod(terminated(3, message=termination_message("Completed")[20:]))),
        "Crashed/ExitCode",
        budget="application",
    ),
]


@pytest.mark.parametrize(
    "case", [*SHOWN, *DISRUPTED, *QUEUED, *RESTARTED, *POD_REASONS, *CONTAINERS, *CODES, *REPORTS], ids=str
)
def test_row(case: Case) -> None:
    check(case)


def test_a_missing_report_is_looked_for_live() -> None:
    # The store has no report; the API server has one.
    stale = claimed(pod(terminated(0)))
    assert reconcile(stale).looks == {Look.RUN}


def test_the_cause_of_an_interruption_is_looked_for_live() -> None:
    # The store may lag behind the mark of an eviction, and an Event is announced to nobody.
    assert reconcile(reported("Interrupted")).looks == {Look.POD, Look.POD_EVENTS}
    marked = reported("Interrupted", the_pod=pod(running(), conditions=(EVICTION,)))
    assert reconcile(marked).looks == frozenset()


def test_a_missing_pod_is_looked_for_live() -> None:
    assert reconcile(claimed()).looks == {Look.POD}


def test_a_result_comes_with_its_state_and_an_error_with_its_own() -> None:
    result = {"type": "list", "preview": "[1, … 9 more]", "size": "12 MB", "kept": True, "location": "s3://x"}
    done = decide(reported("Completed", result=result)).status
    assert done is not None
    assert done.result is not None
    assert done.result.to_json() == result
    failed = decide(reported("Failed", error={"type": "ValueError"}, retries=NONE)).status
    assert failed is not None
    assert failed.error is not None
    assert failed.error.type == "ValueError"
    again = decide(reported("Failed", error={"type": "ValueError"})).status
    assert again is not None
    assert again.error is None


def test_judging_switches_to_the_next_attempt_in_one_patch() -> None:
    decision = decide(claimed(pod(terminated(137))))
    status = decision.status
    assert decision.drop_report
    assert status is not None
    assert status.attempt is not None
    assert status.attempt.to_json() == {"number": 2, "podName": status.attempt.pod_name}
    assert status.attempt.pod_name.endswith("-2")
    assert status.report is None
    assert status.retries is not None
    assert status.retries.infrastructure == 1
    assert status.scheduled_time is not None
    assert (status.scheduled_time - observed().now).total_seconds() == 10
    assert status.completion_time is None


def test_an_attempt_that_was_judged_is_written_down() -> None:
    status = decide(claimed(pod(terminated(137)))).status
    assert status is not None
    (written,) = (attempt.to_json() for attempt in status.attempts or ())
    message = written.pop("message")
    assert "137" in message or "SIGKILL" in message
    assert written == {
        "number": 1,
        "podName": pod_name(),
        "state": "Crashed",
        "reason": "Killed",
        "startTime": at(2),
        "endTime": at(10),
        "exitCode": 137,
        "budget": "infrastructure",
    }


def test_ten_attempts_are_kept() -> None:
    old = [{"number": n, "reason": "Killed"} for n in range(1, 11)]
    decision = decide(claimed(pod(terminated(137), attempt=11), attempt=11, status={"attempts": old}))
    assert decision.status is not None
    assert [a.number for a in decision.status.attempts or ()] == list(range(2, 12))


def test_an_exit_code_that_is_made_up_is_not_kept() -> None:
    decision = decide(claimed(pod(terminated(77), last_state=MADE_UP)))
    assert decision.status is not None
    assert [(a.reason, a.exit_code) for a in decision.status.attempts or ()] == [("ContainerRestarted", None)]
    own = decide(claimed(pod(running(8), last_state=terminated(42))))
    assert own.status is not None
    assert [(a.reason, a.exit_code) for a in own.status.attempts or ()] == [("ContainerRestarted", 42)]


def test_a_restart_before_the_claim_is_kept_in_mind() -> None:
    seen = observed(
        run(status=status_json("Pending", "Submitting", report=report(time=at(8.5)))),
        pod=pod(running(8), last_state=MADE_UP),
    )
    status = decide(seen).status
    assert status is not None
    assert status.attempt is not None
    assert status.attempt.restarts == 1


def test_a_message_begins_with_the_cause() -> None:
    for seen, head in (
        (reported("Crashed", "LoadError", message="Traceback", error=NO_PANDAS), "ModuleNotFoundError: No module"),
        (reported("Failed", message="x: ValueError: boom and more", error=BOOM, retries=NONE), "ValueError: boom"),
    ):
        status = decide(seen).status
        assert status is not None
        assert status.state is not None
        assert (status.state.message or "").startswith(head)


def test_what_a_queue_takes_back_is_counted_in_nothing() -> None:
    decision = decide(claimed(pod(terminated(143), conditions=(TAKEN_BACK,), deleted=9), retries=NONE))
    assert decision.status is not None
    assert [(a.reason, a.budget) for a in decision.status.attempts or ()] == [("Preempted", None)]
    assert decision.status.retries is None
    assert decision.status.attempt is not None
    assert decision.status.attempt.number == 2
