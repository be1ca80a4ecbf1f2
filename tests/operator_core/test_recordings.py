"""What a real kubelet delivered, step by step, replayed through the core: the right state at each step, and no wrong one in between.

Each file in `recordings/` is one scenario on a single node (Kubernetes 1.36, from 168 on 1.37; containerd): every object that a watch
delivered, as merge patches, and the pod's Events. The container's name is the recording's; the replay gives it the engine's. The engine
claims when its container is first seen running, and reports nothing more: its pod's fate is all there is to judge by. The expected states
are written by hand from the contract. Time passes as it did: what the operator wants to look at between two steps, it looks at.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock_operator.api import constants as k
from penstock_operator.core.model import Refusal
from penstock_operator.core.observe import PodEvent, parse_pod
from tests.support.builders import NOW, POD_UID, RUN_UID, flow_spec, report, run_json
from tests.support.stage import Stage, World

JSON = dict[str, Any]
FOLDER = Path(__file__).parent / "recordings"

PENDING, RUNNING, TERMINATING = "Pending/Submitting", "Running/Running", "Running/Terminating"
INFRASTRUCTURE, NEVER_STARTED, APPLICATION, AT_ONCE = "infrastructure", "neverStarted", "application", None


@dataclass(frozen=True)
class Fate:
    """What the contract says of a recording.

    Attributes:
        states: in their order, without repetition, with no budget at all.
        budget: that the attempt is counted in where there is one; None: the end at once, or no end.
    """

    states: tuple[str, ...]
    budget: str | None = None


def ends(name: str, budget: str | None, *between: str) -> Fate:
    """It ran, and then ended."""
    return Fate((PENDING, RUNNING, *between, name), budget)


def never(name: str, budget: str | None, *between: str) -> Fate:
    """It never ran."""
    return Fate((PENDING, *between, name), budget)


UNSCHEDULABLE = Fate((PENDING, "Pending/Unschedulable"))

EXPECTED: dict[str, Fate] = {
    # The process ends by itself. Exit 0 without a report proves nothing.
    "01-exit-0": ends("Crashed/NoReport", INFRASTRUCTURE),
    "02-exit-1": ends("Crashed/ExitCode", APPLICATION),
    "03-exit-1-message": ends("Crashed/ExitCode", APPLICATION),
    "04-exit-0-message": ends("Crashed/NoReport", INFRASTRUCTURE),
    "05-exit-message-too-long": ends("Crashed/ExitCode", APPLICATION),
    "06-exit-1-log-fallback": ends("Crashed/ExitCode", APPLICATION),
    "08-exit-130": ends("Crashed/Interrupted", INFRASTRUCTURE),
    "09-exit-143-own-handler": ends("Crashed/Interrupted", INFRASTRUCTURE),
    "10-pid1-ignores-own-sigterm": ends("Crashed/ExitCode", APPLICATION),
    "11-sigkill-of-child": ends("Crashed/Killed", INFRASTRUCTURE),
    "12-sigkill-from-other-container": ends("Crashed/Killed", INFRASTRUCTURE),
    "14-abort-pid1": ends("Crashed/Signal", APPLICATION),
    "16-segfault-pid1": ends("Crashed/Signal", APPLICATION),
    # Memory: of the main process or of a child, with any exit code.
    "18-oom-main": ends("Crashed/OOMKilled", APPLICATION),
    "19-oom-child-main-0": ends("Crashed/OOMKilled", APPLICATION),
    "20-oom-child-main-1": ends("Crashed/OOMKilled", APPLICATION),
    "21-oom-child-main-goes-on": ends("Crashed/OOMKilled", APPLICATION),
    # It can't be started.
    "23-command-not-found": never("Crashed/StartError", AT_ONCE),
    "25-not-executable": never("Crashed/StartError", AT_ONCE),
    "26-shell-127": ends("Crashed/StartError", AT_ONCE),
    "28-working-dir-is-file": never("Crashed/StartError", AT_ONCE),
    # Images, configuration, volumes.
    "30-image-not-found": never("Crashed/PodDeleted", NEVER_STARTED, "Pending/ImagePullBackOff"),
    "31-image-unauthorized": Fate((PENDING, "Pending/ImagePullBackOff")),
    "34-image-never-pull": never("Crashed/ImagePullFailed", AT_ONCE),
    "35-image-invalid-name": never("Crashed/ImagePullFailed", AT_ONCE),
    "36-image-appears-later": never("Crashed/ImagePullFailed", AT_ONCE),
    "37-configmap-key-missing-healed": Fate(
        (PENDING, "Pending/ConfigError", RUNNING, "Crashed/NoReport"), INFRASTRUCTURE
    ),
    "39-secret-volume-missing-healed": Fate(
        (PENDING, "Pending/ContainerCreating", RUNNING, "Crashed/NoReport"), INFRASTRUCTURE
    ),
    "40-pvc-missing": UNSCHEDULABLE,
    "42-run-as-non-root": Fate((PENDING, "Pending/ConfigError")),
    # The scheduler.
    "44-unschedulable-cpu": UNSCHEDULABLE,
    "45-unschedulable-memory": UNSCHEDULABLE,
    "47-unschedulable-node-selector": UNSCHEDULABLE,
    "48-unschedulable-affinity": UNSCHEDULABLE,
    "50-unschedulable-then-label": Fate(
        (PENDING, "Pending/Unschedulable", PENDING, RUNNING, "Crashed/NoReport"), INFRASTRUCTURE
    ),
    "52-no-scheduler": Fate((PENDING,)),
    "53-scheduling-gate": Fate(
        (PENDING, "Pending/SchedulingGated", PENDING, RUNNING, "Crashed/NoReport"), INFRASTRUCTURE
    ),
    # Admission by the API server.
    "55-quota-exceeded": Fate((PENDING, "Pending/QuotaExceeded")),
    "56-quota-needs-requests": Fate((PENDING, "Pending/QuotaExceeded")),
    "57-pod-security": never("Crashed/PodRejected", AT_ONCE),
    "58-limit-range": never("Crashed/PodRejected", AT_ONCE),
    "60-name-taken": never("Crashed/PodNameConflict", AT_ONCE),
    "61-invalid-spec": never("Crashed/PodRejected", AT_ONCE),
    # Admission by the kubelet.
    "62-node-out-of-cpu": never("Crashed/NodeRejected", NEVER_STARTED),
    "64-node-affinity-mismatch": never("Crashed/NodeRejected", NEVER_STARTED),
    "65-node-os-mismatch": never("Crashed/NodeRejected", AT_ONCE),
    # A deadline that nobody asked for by cancelling.
    "67-deadline-reached": ends("Failed/TimedOut", AT_ONCE),
    "68-deadline-patched-exit-0": ends("Failed/TimedOut", AT_ONCE),
    "69-deadline-patched-exit-143": ends("Failed/TimedOut", AT_ONCE),
    "70-deadline-patched-ignored": ends("Failed/TimedOut", AT_ONCE),
    "72-deadline-patched-restart-always": ends("Failed/TimedOut", AT_ONCE),
    "74-deadline-raised": ends("Crashed/Interrupted", INFRASTRUCTURE, TERMINATING),
    "75-deadline-after-end": ends("Crashed/NoReport", INFRASTRUCTURE),
    "76-deadline-then-delete": ends("Failed/TimedOut", AT_ONCE, TERMINATING),
    # Somebody deletes the pod.
    "77-delete-exit-0": ends("Crashed/Interrupted", INFRASTRUCTURE, TERMINATING),
    "79-delete-ignored": ends("Crashed/PodDeleted", INFRASTRUCTURE, TERMINATING),
    "80-delete-no-handler": ends("Crashed/PodDeleted", INFRASTRUCTURE, TERMINATING),
    "81-delete-held-exit-0": ends("Crashed/Interrupted", INFRASTRUCTURE, TERMINATING),
    "82-delete-held-exit-143": ends("Crashed/Interrupted", INFRASTRUCTURE, TERMINATING),
    "84-delete-held-message": ends("Crashed/Interrupted", INFRASTRUCTURE, TERMINATING),
    "85-delete-held-restart-always": ends("Crashed/Interrupted", INFRASTRUCTURE, TERMINATING),
    "86-delete-force": ends("Crashed/PodDeleted", INFRASTRUCTURE, TERMINATING),
    "88-delete-twice": ends("Crashed/PodDeleted", INFRASTRUCTURE, TERMINATING),
    "89-delete-pending": never("Crashed/PodDeleted", NEVER_STARTED, "Pending/Unschedulable"),
    "91-delete-while-finishing": ends("Crashed/ExitCode", APPLICATION, TERMINATING),
    "92-delete-finished": ends("Crashed/NoReport", INFRASTRUCTURE),
    # Evictions.
    "93-evict-api-exit-0": ends("Crashed/Evicted", INFRASTRUCTURE, TERMINATING),
    "94-evict-api-exit-143": ends("Crashed/Evicted", INFRASTRUCTURE, TERMINATING),
    "96-evict-api-budget": Fate((PENDING, RUNNING)),
    "97-ephemeral-storage-exceeded": ends("Crashed/StorageLimitExceeded", APPLICATION),
    "98-emptydir-exceeded": ends("Crashed/StorageLimitExceeded", APPLICATION),
    "100-ephemeral-storage-exceeded-exit-0": ends("Crashed/StorageLimitExceeded", APPLICATION),
    "101-ephemeral-storage-exceeded-exit-143": ends("Crashed/StorageLimitExceeded", APPLICATION),
    # Probes.
    "104-liveness-failed": ends("Crashed/Unresponsive", INFRASTRUCTURE),
    "106-startup-failed": ends("Crashed/Unresponsive", INFRASTRUCTURE),
    "107-readiness-failed": Fate((PENDING, RUNNING)),
    # Other containers.
    "108-init-failed": never("Crashed/InitContainerFailed", APPLICATION),
    "109-init-ok": ends("Crashed/NoReport", INFRASTRUCTURE),
    "110-init-oom": never("Crashed/InitContainerOOMKilled", APPLICATION),
    "112-init-image-not-found": Fate((PENDING, "Pending/ImagePullBackOff")),
    "113-init-deleted": never("Crashed/PodDeleted", NEVER_STARTED),
    "114-native-sidecar-main-0": ends("Crashed/NoReport", INFRASTRUCTURE),
    "115-native-sidecar-main-1": ends("Crashed/ExitCode", APPLICATION),
    "116-native-sidecar-deleted": ends("Crashed/Interrupted", INFRASTRUCTURE, TERMINATING),
    "118-sidecar-stays": ends("Crashed/NoReport", INFRASTRUCTURE),
    "119-sidecar-stays-main-1": ends("Crashed/ExitCode", APPLICATION),
    "120-sidecar-failed-main-0": ends("Crashed/NoReport", INFRASTRUCTURE),
    # Hooks of the pod, restarts of the container.
    "122-post-start-failed": never("Crashed/StartError", AT_ONCE),
    "123-pre-stop-slow": ends("Crashed/Interrupted", INFRASTRUCTURE, TERMINATING),
    "125-pre-stop-deadline": ends("Failed/TimedOut", AT_ONCE),
    "126-restart-on-failure": ends("Crashed/ExitCode", APPLICATION),
    "127-container-restart-rules": ends("Crashed/ExitCode", APPLICATION),
    "128-unschedulable-taint": Fate(
        (PENDING, "Pending/Unschedulable", PENDING, RUNNING, "Crashed/NoReport"), INFRASTRUCTURE
    ),
    # Disruptions.
    "129-drain": ends("Crashed/Evicted", INFRASTRUCTURE, TERMINATING),
    "130-taint-noexecute-exit-0": ends("Crashed/NodeTainted", INFRASTRUCTURE, TERMINATING),
    "132-preempted-exit-0": ends("Crashed/Preempted", INFRASTRUCTURE, TERMINATING),
    "134-preempted-by-kubelet-exit-143": ends("Crashed/Preempted", INFRASTRUCTURE),
    "135-preempted-by-kubelet": ends("Crashed/Preempted", INFRASTRUCTURE),
    # Kubelet, runtime, node.
    "136-kubelet-restarted-running": ends("Crashed/NoReport", INFRASTRUCTURE),
    "137-kubelet-restarted-terminating": ends("Crashed/PodDeleted", INFRASTRUCTURE, TERMINATING),
    "138-kubelet-restarted-deadline": ends("Failed/TimedOut", AT_ONCE),
    "139-kubelet-stopped-ended-meanwhile": ends("Crashed/NoReport", INFRASTRUCTURE),
    "140-task-killed": ends("Crashed/Killed", INFRASTRUCTURE),
    "142-shim-killed": ends("Crashed/ContainerLost", INFRASTRUCTURE),
    "143-sandbox-killed": ends("Crashed/Interrupted", INFRASTRUCTURE),
    "144-containerd-restarted": ends("Crashed/NoReport", INFRASTRUCTURE),
    "146-node-rebooted": ends("Crashed/ContainerLost", INFRASTRUCTURE),
    "147-node-rebooted-restart-always": ends("Crashed/ContainerLost", INFRASTRUCTURE),
    "148-node-not-ready-and-back": ends(
        "Crashed/Interrupted", INFRASTRUCTURE, "Running/NodeUnreachable", RUNNING, TERMINATING
    ),
    "149-node-lost-taint-eviction": ends("Crashed/NodeTainted", INFRASTRUCTURE, "Running/NodeUnreachable", TERMINATING),
    "150-node-lost-only-node": ends("Crashed/NodeTainted", INFRASTRUCTURE, "Running/NodeUnreachable", TERMINATING),
    "152-node-deleted": ends("Crashed/NodeLost", INFRASTRUCTURE),
    # Pressure and shutdown.
    "153-memory-pressure-exit-0": ends("Crashed/Evicted", INFRASTRUCTURE),
    "155-disk-pressure-exit-0": ends("Crashed/Evicted", INFRASTRUCTURE),
    "156-disk-pressure-exit-143": ends("Crashed/Evicted", INFRASTRUCTURE),
    "157-memory-pressure-ignored": ends("Crashed/Evicted", INFRASTRUCTURE),
    "159-memory-pressure-slow-exit-143": ends("Crashed/Evicted", INFRASTRUCTURE),
    "160-kubelet-restarted-under-pressure-exit-0": ends("Crashed/Evicted", INFRASTRUCTURE),
    "162-admission-under-pressure": never("Crashed/Evicted", NEVER_STARTED),
    "163-unschedulable-disk-pressure": UNSCHEDULABLE,
    "164-node-shutdown-exit-0": ends("Crashed/NodeShutdown", INFRASTRUCTURE),
    "166-node-shutdown-ignored": ends("Crashed/NodeShutdown", INFRASTRUCTURE),
    "167-node-shutdown-admission": never("Crashed/NodeShutdown", NEVER_STARTED),
    # New in Kubernetes 1.36 and 1.37: restarts in place, limits of the pod, volumes that are images.
    "168-restart-all-by-sidecar": ends("Crashed/ContainerRestarted", INFRASTRUCTURE),
    "169-restart-all-signals": ends("Crashed/ContainerRestarted", INFRASTRUCTURE),
    "171-pod-level-oom": ends("Crashed/OOMKilled", APPLICATION),
    "172-image-volume-missing": Fate((PENDING, "Pending/ImagePullBackOff")),
}

# The same recordings when the deadline is the operator's own, because the run was cancelled at that moment.
CANCELLED = (
    "68-deadline-patched-exit-0",
    "69-deadline-patched-exit-143",
    "70-deadline-patched-ignored",
    "76-deadline-then-delete",
    "125-pre-stop-deadline",
    "138-kubelet-restarted-deadline",
)
# What the replay can't take as it is: the recorded request was refused, and the pods of the steps are others.
REFUSED = (
    "55-quota-exceeded",
    "56-quota-needs-requests",
    "57-pod-security",
    "58-limit-range",
    "60-name-taken",
    "61-invalid-spec",
)


@dataclass(frozen=True)
class Step:
    """An object that the watch delivered, at a time in seconds."""

    at: float
    type: str
    pod: JSON


class Recording:
    """One file."""

    def __init__(self, name: str) -> None:
        raw = json.loads((FOLDER / f"{name}.json").read_text())
        self.container: str = raw["container"]
        self.refused: list[JSON] = raw.get("refused", [])
        self.events: list[tuple[float, PodEvent]] = [
            (at, PodEvent(type=type_, reason=reason, message=message, container=self._named(container)))
            for at, type_, reason, message, container in raw["events"]
        ]
        self.steps: list[Step] = []
        whole: JSON = {}
        for at, type_, patch in raw["steps"]:
            whole = merge(whole, patch)
            self.steps.append(Step(at, type_, whole))

    def _named(self, container: str) -> str:
        return k.ENGINE_CONTAINER if container == self.container else container

    def pod(self, step: Step, name: str) -> JSON:
        """The pod of a step as the pod of our run."""
        text = json.dumps(step.pod).replace(f'"name": "{self.container}"', f'"name": "{k.ENGINE_CONTAINER}"')
        pod: JSON = json.loads(text)
        owner = {"apiVersion": k.API_VERSION, "kind": "FlowRun", "name": "etl", "uid": RUN_UID, "controller": True}
        pod["metadata"] |= {"name": name, "uid": POD_UID, "resourceVersion": "7", "ownerReferences": [owner]}
        return pod


def merge(base: JSON, patch: JSON) -> JSON:
    """A JSON merge patch."""
    out = dict(base)
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = merge(out[key], value)
        else:
            out[key] = copy.deepcopy(value)
    return out


class Replay:
    """A run whose pod lives as the recorded one did."""

    def __init__(self, name: str, retries: int) -> None:
        budgets = {"infrastructure": retries, "neverStarted": retries, "application": retries}
        spec = {
            "flowSpec": flow_spec(),
            "runPolicy": {"retries": budgets, "backoff": {"initialSeconds": 3600, "maximumSeconds": 3600}},
        }
        self.recording = Recording(name)
        self.stage = Stage(World(run_json(spec)))
        if name in REFUSED:
            said = self.recording.refused[0]
            self.stage.world.refuse = lambda _: Refusal(said["code"], said["reason"], said["message"], self.stage.now)
        self.claimed = False

    def play(self, *, cancel_at_deadline: bool = False) -> list[str]:
        """Replay all steps; return the states in their order."""
        stage = self.stage
        stage.settle()
        for step in () if stage.refusal is not None else self.recording.steps:
            self._let_pass(NOW + timedelta(seconds=step.at))
            if cancel_at_deadline and "activeDeadlineSeconds" in step.pod["spec"] and not self._asked():
                stage.world.patch_spec(desiredState="Cancelled")
                stage.settle()
            self._deliver(step)
        return stage.states

    def _asked(self) -> bool:
        return bool(self.stage.run["spec"]["desiredState"] == "Cancelled")

    def _let_pass(self, until: datetime) -> None:
        """Let time pass, with a look whenever the operator wanted one."""
        while (wanted := self.stage.decision.requeue_at) is not None and self.stage.now < wanted < until:
            self.stage.now = wanted
            self.stage.settle()
        self.stage.now = max(self.stage.now, until)

    def _deliver(self, step: Step) -> None:
        stage, name = self.stage, self.stage.pod_of_attempt_1
        # Times of events have whole seconds.
        stage.world.events = [event for at, event in self.recording.events if at <= step.at + 1]
        if step.type == "DELETED":
            stage.world.pods[name] = self.recording.pod(step, name)
            stage.remove_pod(name)
        else:
            stage.world.pods[name] = self.recording.pod(step, name)
        stage.settle()
        pod = stage.world.pods.get(name)
        container = parse_pod(pod).container(k.ENGINE_CONTAINER) if pod is not None else None
        runs = container is not None and container.state is not None and container.state.kind == "running"
        if runs and not self.claimed:
            self.claimed = True
            stage.engine(report())
            stage.settle()


@pytest.mark.parametrize("name", EXPECTED)
def test_states_of_a_recording(name: str) -> None:
    assert Replay(name, retries=0).play() == list(EXPECTED[name].states)


@pytest.mark.parametrize(
    "name", [name for name, fate in EXPECTED.items() if fate.states[-1].startswith(("Crashed", "Failed"))]
)
def test_budget_of_a_recording(name: str) -> None:
    fate = EXPECTED[name]
    replay = Replay(name, retries=1)
    states = replay.play()
    if fate.budget is None:
        assert states == list(fate.states)
        return
    assert states == [*fate.states[:-1], "Scheduled/AwaitingRetry"]
    counted = replay.stage.status["attempts"][0]
    assert (f"{counted['state']}/{counted['reason']}", counted["budget"]) == (fate.states[-1], fate.budget)


@pytest.mark.parametrize("name", CANCELLED)
def test_a_recorded_deadline_is_a_cancellation_when_one_was_asked(name: str) -> None:
    states = Replay(name, retries=1).play(cancel_at_deadline=True)
    assert states == [PENDING, RUNNING, "Cancelling/Cancelling", "Cancelled/Cancelled"]


def test_every_recording_is_expected() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(EXPECTED)


WORDS = {
    "168-restart-all-by-sidecar": "a rule (RestartAllContainers) of container proxy",
    "171-pod-level-oom": "out of memory in container engine: the pod's limit 64Mi",
    "172-image-volume-missing": "image penstock.local/no-model:1 (volume m): ImagePullBackOff",
}


@pytest.mark.parametrize("name", WORDS)
def test_words_of_a_recording(name: str) -> None:
    replay = Replay(name, retries=0)
    replay.play()
    assert WORDS[name] in replay.stage.status["state"]["message"]


@pytest.mark.parametrize("name", ["168-restart-all-by-sidecar", "169-restart-all-signals"])
def test_a_pod_that_was_restarted_in_place_is_ended(name: str) -> None:
    replay = Replay(name, retries=1)
    replay.play()
    assert "patch-pod" in [verb for verb, _ in replay.stage.writes]
    assert replay.stage.status["attempt"]["number"] == 2
