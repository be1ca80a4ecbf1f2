"""The next step to take with a run: what a person can do about the state that it is in, as words and commands to paste. Pure.

docs/troubleshooting.md says more of each state's name; a test holds that no name of those that need somebody is missing here.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from . import asking

if TYPE_CHECKING:
    from .runs import Run

__all__ = ["next_steps"]

# While it does not run yet, and where somebody can help. {flow}: the Flow's name; {time}: when it is due; {name}: the run's.
_WAITING: Final = {
    "Scheduled": "nothing: it begins at {time}",
    "Late": "see why the operator has not taken it up: its pod, its log",
    "AwaitingFlow": "apply the Flow {flow}, or make a run of another one: {program} get flows{where}",
    "Unreadable": "bring the CRDs and the operator to one version, or {program} delete fr {name}{where}",
    "AwaitingConcurrencySlot": "wait for a slot, or raise the limit: {program} describe fl {flow}{where}",
    "AwaitingRetry": "nothing: the next attempt begins at {time}",
    "Forbidden": "give the operator the chart's rights in this namespace",
    "QuotaExceeded": "free some of the namespace's quota, or ask for less",
    "SchedulingGated": "wait for whoever set the gate to take it away",
    "Unschedulable": "ask for less, add nodes, or check selectors and taints",
    "ContainerCreating": "look at the volumes and the node that the message names",
    "Initializing": "look at the init containers: kubectl logs {pod} --all-containers{where}",
    "ImagePullBackOff": "check the image's name and tag, and the pull secret",
    "ConfigError": "create what the message names: the run goes on by itself",
    "CreateContainerError": "read the message: the container's runtime says why",
    "SandboxError": "look at the network plugin of the pod's node",
    "Starting": "see whether the pod can reach the API server: kubectl logs {pod}{where}",
    "NodeUnreachable": "nothing: it is replaced when the cluster ends the pod",
}
# Of what has ended: before it is run again.
_ENDED: Final = {
    "TimedOut": "raise activeDeadlineSeconds or the flow's own timeout",
    "InvalidParameters": "run it with parameters that fit: {program} run {flow} -p key=value",
    "InvalidFlow": "correct what the message names, and make a new run",
    "LoadError": "correct the flow's file where the error says, and make a new run",
    "NotAuthorized": "install the chart's engine role in this namespace",
    "ApiUnreachable": "see why pods cannot reach the API server: network policies, a proxy",
    "OOMKilled": "raise the memory limit: resources.limits.memory",
    "StorageLimitExceeded": "raise the limit on local storage",
    "StartError": "correct the container's command",
    "ImagePullFailed": "check the image's name and tag, and the pull secret",
    "ConfigError": "create what the message names",
    "CreateContainerError": "read the message: the container's runtime says why",
    "NodeRejected": "see why the kubelet refused the pod",
    "PodRejected": "change what admission refuses: the message has its words",
    "PodNameConflict": "see whose pod has the name, and delete it",
    "InitContainerFailed": "look at the init containers: kubectl logs {pod} --all-containers{where}",
    "InitContainerOOMKilled": "raise the init container's memory limit",
    "Unschedulable": "ask for less, add nodes, or check selectors and taints",
    "QuotaExceeded": "free some of the namespace's quota, or ask for less",
    "FlowDeleted": "apply the Flow {flow} again",
    "RevisionChanged": "see who made the ConfigMap that the message names, and delete it",
}
# A run that is repeated would end the same way: a new one has to be made.
_ANEW: Final = frozenset({"InvalidParameters", "InvalidFlow"})
# Of a LoadError for want of a package: nothing is wrong with the file.
_NO_PACKAGE: Final = "install the package where the pod runs: in its image, for penstock dev in the Python that runs it; or correct the import"


def next_steps(run: Run, program: str) -> list[str]:
    """Return what to do about a run, the first thing first; empty: nothing.

    Args:
        run: as it is.
        program: what the user called this program.
    """
    kind, name, _ = run.state
    known = {
        "program": program,
        "name": shlex.quote(run.name),
        "where": "" if run.namespace == "default" else f" -n {shlex.quote(run.namespace)}",
        "flow": run.flow,
        "pod": run.pod,
        "time": str(run.status.get("scheduledTime") or run.body["spec"].get("scheduledTime") or "its time"),
    }
    if kind == "Paused":
        return _held(run, program, known)
    if not run.finished:
        advice = _WAITING.get(name)
        return [advice.format_map(known)] if advice and (kind, name) != ("Running", "Running") else []
    if kind == "Completed":
        return []
    again = "{program} retry {name}{where}".format_map(known)
    if kind == "Cancelled":
        return [again]
    advice = _ended(run, name) or _overdue(name) or ("{program} logs {name}{where}" if run.attempt else None)
    steps = [advice.format_map(known)] if advice else []
    return steps if name in _ANEW or (name == "LoadError" and _carries_file(run)) else [*steps, again]


def _lacks_package(run: Run) -> bool:
    return (run.status.get("error") or {}).get("type") == "ModuleNotFoundError"


def _ended(run: Run, name: str) -> str | None:
    return _NO_PACKAGE if name == "LoadError" and _lacks_package(run) else _ENDED.get(name)


def _carries_file(run: Run) -> bool:
    """Whether the text that could not be loaded stands in the run itself, and so in each that repeats it."""
    own = (run.body["spec"].get("flowSpec") or {}).get("source") or {}
    return "inline" in own and not _lacks_package(run)


def _overdue(name: str) -> str | None:
    """What it waited for too long (pendingDeadlineSeconds) is still to be done."""
    advice = _WAITING.get(name)
    return None if advice is None or advice.startswith("nothing") else advice


def _held(run: Run, program: str, known: dict[str, str]) -> list[str]:
    desired = run.body["spec"].get("desiredState", "Running")
    asked = bool((run.status.get("pause") or {}).get("key"))
    if desired in ("Paused", "Suspended"):
        return ["{program} resume {name}{where}".format_map(known)]
    if asked:
        return [asking.command(run, program)]
    return ["nothing: it goes on at {time}".format_map(known)]
