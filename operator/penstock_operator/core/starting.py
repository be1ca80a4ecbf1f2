"""Why a pod does not run yet: scheduler, images, volumes, configuration. One line for a person, and how long it may last.

Each row of the table says for how long the operator, on its own clock, puts up with what a container waits for, and what comes then:
the end, or another attempt where the cause is nobody's doing and passes. Neighbours: `unschedulable` reads the scheduler's prose, `images` a
runtime's about images.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from penstock_operator.api.flowrun import StateType
from penstock_operator.api.times import later

from .facts import Facts
from .faults import Need
from .images import missing_image
from .model import Look
from .observe import Container
from .unschedulable import parse_scheduler_message
from .verdict import Budget, Degraded, Showing, Verdict

# Every healthy pod creates its container for a moment; before this it is not worth a write.
CREATING_SECONDS = 5
# A pod that scheduler and node have not looked at yet: with many at once that takes seconds, and a write for each would come just then.
SUBMITTING_SECONDS = 30
# The cause of a long creation stands only in Events, which nothing announces.
EVENTS_SECONDS = 20
# A container runs, and no claim has come: the image has no penstock in it, or the API server can't be reached from the node.
CLAIM_SECONDS = 60

# A later pull, or a container that was made, leaves them behind. (FailedScheduling is told by the condition PodScheduled.)
_CREATION_EVENTS = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox"})
_PROGRESS_EVENTS = frozenset({"Pulling", "Pulled", "Created", "Started"})


@dataclass(frozen=True, slots=True)
class _Row:
    """What a container's waiting reason means.

    Attributes:
        reasons: of `state.waiting`.
        shows: the name under Pending.
        ends: the name under Crashed, when the grace is over.
        grace: seconds; None: for ever; -1: the run policy's imagePullGraceSeconds.
        passing: words in the message that make it a matter of luck, counted in neverStarted instead of ending the run.
    """

    reasons: frozenset[str]
    shows: str
    ends: str
    grace: int | None
    degraded: bool = False
    passing: re.Pattern[str] | None = None


_ROWS: tuple[_Row, ...] = (
    _Row(
        frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError"}),
        "ImagePullBackOff",
        "ImagePullFailed",
        -1,
        degraded=True,
        passing=re.compile(r"\b429\b|toomanyrequests|too many requests|pull QPS exceeded", re.IGNORECASE),
    ),
    _Row(
        frozenset({"InvalidImageName", "ErrImageNeverPull", "SignatureValidationFailed"}),
        "ImagePullBackOff",
        "ImagePullFailed",
        0,
    ),
    _Row(frozenset({"CreateContainerConfigError"}), "ConfigError", "ConfigError", 60, degraded=True),
    _Row(
        frozenset({"CreateContainerError", "PreCreateHookError"}),
        "CreateContainerError",
        "CreateContainerError",
        180,
        passing=re.compile(r"context deadline exceeded|name .* is reserved|is reserved for"),
    ),
    _Row(
        frozenset({"RunContainerError", "PreStartHookError", "PostStartHookError"}),
        "CreateContainerError",
        "StartError",
        60,
        passing=re.compile(r"no space left|cgroup"),
    ),
    _Row(frozenset({"CreatePodSandboxError", "ConfigPodSandboxError"}), "SandboxError", "SandboxError", None),
)


def show_starting(facts: Facts) -> Showing | Verdict:
    """Return how a run shows whose engine has not claimed yet, or that it won't.

    Raises:
        Need: the pod's events.
    """
    if facts.pod.deletion_timestamp is not None:
        # Not the operator's doing (its own are for an end): it shows what it showed until the pod is gone.
        name = facts.state.name if facts.state is not None and facts.state.type is StateType.PENDING else "Submitting"
        return _pending(name, f"the pod is being deleted before it ran{facts.where}")
    scheduled = facts.pod.condition("PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        return _unscheduled(scheduled.reason, scheduled.message)
    state = facts.engine_state
    if state is not None and state.kind == "running":
        return _unclaimed(facts)
    for container in facts.pod.containers:
        row = _row(container)
        if row is not None:
            return _troubled(facts, container, row)
    for container in facts.pod.containers:
        if container.sidecar and _fails(container):
            return _failing_sidecar(facts, container)
    if state is None:
        if scheduled is None:
            return _submitting(facts, "the pod waits for the scheduler")
        return _submitting(facts, f"the pod waits for its node{facts.where}")
    return _creating(facts)


def _pending(name: str, message: str) -> Showing:
    return Showing(StateType.PENDING, name, message)


def _submitting(facts: Facts, message: str, moment: int = SUBMITTING_SECONDS) -> Showing:
    """Every healthy pod passes here for a moment: what it waits for is told, and written, when the moment has become long."""
    tells_at = later(facts.pending_since, moment)
    if facts.now >= tells_at:
        return _pending("Submitting", message)
    state = facts.state
    if state is not None and state.type is StateType.PENDING and state.name == "Submitting" and state.message:
        message = state.message
    return Showing(StateType.PENDING, "Submitting", message, again_at=tells_at)


def _unscheduled(reason: str, message: str) -> Showing:
    if reason == "SchedulingGated":
        return _pending("SchedulingGated", " ".join(message.split()) or "the pod has scheduling gates")
    parsed = parse_scheduler_message(message)
    return _pending("Unschedulable", f"{parsed.cause}: {parsed.line}")


def _row(container: Container) -> _Row | None:
    state = container.state
    if state is None or state.kind != "waiting":
        return None
    return next((row for row in _ROWS if state.reason in row.reasons), None)


def _troubled(facts: Facts, container: Container, row: _Row) -> Showing | Verdict:
    assert container.state is not None
    said = " ".join(container.state.message.split())
    kind = "init container" if container.init else "container"
    what = missing_image(facts.pod, container, said) if row.ends == "ImagePullFailed" else f"{kind} {container.name}"
    message = f"{what}: {container.state.reason}{f': {said}' if said else ''}{facts.where}"
    grace = facts.image_pull_grace if row.grace == -1 else row.grace
    since = facts.since(row.shows)
    if grace is not None and facts.older(since, grace):
        passing = row.passing is not None and row.passing.search(said) is not None
        ended = f"{message}, for {grace} s" if grace else message
        budget = Budget.NEVER_STARTED if passing else None
        if container.init:
            text = f"init container {container.name} can't be started: {ended}"
            return Verdict(StateType.CRASHED, "InitContainerFailed", text, budget or Budget.APPLICATION)
        return Verdict(StateType.CRASHED, row.ends, ended, budget)
    return Showing(
        StateType.PENDING,
        row.shows,
        message,
        degraded=Degraded(row.shows, message) if row.degraded else None,
        again_at=later(since, grace) if grace is not None else None,
    )


def _fails(sidecar: Container) -> bool:
    """Whether a native sidecar has ended, or waits to be started again: the engine is not started before it is up."""
    state = sidecar.state
    if state is None or state.kind == "running":
        return False
    return state.kind == "terminated" or state.reason == "CrashLoopBackOff" or sidecar.restarts > 0


def _failing_sidecar(facts: Facts, sidecar: Container) -> Showing:
    state = sidecar.state
    assert state is not None
    ended = state if state.kind == "terminated" else sidecar.last_state
    parts = [state.reason] if state.reason else []
    if ended is not None and ended.kind == "terminated":
        why = f" ({ended.reason})" if ended.reason and ended is not state else ""
        parts.append(f"it ended with exit code {ended.exit_code}{why}")
        parts += [" ".join(ended.message.split())] if ended.message else []
    elif state.message:
        parts.append(" ".join(state.message.split()))
    times = f", {sidecar.restarts} restarts" if sidecar.restarts else ""
    message = f"sidecar {sidecar.name} must run before the engine starts: {': '.join(parts)}{times}{facts.where}"
    return Showing(StateType.PENDING, "Initializing", message, degraded=Degraded("Initializing", message))


def _waits_for_sidecar(facts: Facts, again: datetime) -> Showing | None:
    """A native sidecar that runs and whose startup probe has not passed: what is behind it waits."""
    sidecar = next((c for c in facts.pod.containers if c.sidecar and _runs(c) and c.up is False), None)
    if sidecar is None:
        return None
    message = f"sidecar {sidecar.name} runs, and its startup probe has not passed yet{facts.where}"
    late = facts.older(facts.pending_since, CLAIM_SECONDS)
    degraded = Degraded("Initializing", message) if late else None
    return Showing(StateType.PENDING, "Initializing", message, degraded=degraded, again_at=again)


def _creating(facts: Facts) -> Showing:
    if not facts.older(facts.pending_since, CREATING_SECONDS):
        return _submitting(facts, f"the pod is being started{facts.where}", CREATING_SECONDS)
    if facts.events is None:
        raise Need(Look.POD_EVENTS)
    again = later(facts.now, EVENTS_SECONDS)
    running = next((c for c in facts.pod.containers if c.init and not c.sidecar and _runs(c)), None)
    if running is not None:
        return Showing(
            StateType.PENDING, "Initializing", f"init container {running.name} runs{facts.where}", again_at=again
        )
    waits = _waits_for_sidecar(facts, again)
    if waits is not None:
        return waits
    newest = next((e for e in reversed(facts.events) if e.reason in _CREATION_EVENTS | _PROGRESS_EVENTS), None)
    if newest is not None and newest.reason in _CREATION_EVENTS:
        message = f"{newest.reason}: {' '.join(newest.message.split())}"
    elif newest is not None and newest.reason == "Pulling":
        message = f"{' '.join(newest.message.split())}{facts.where}"
    else:
        image = facts.container.image if facts.container is not None else ""
        message = f"the container is being created{facts.where}: image {image}, volumes"
    state = facts.engine_state
    initializing = state is not None and state.reason == "PodInitializing"
    return Showing(StateType.PENDING, "Initializing" if initializing else "ContainerCreating", message, again_at=again)


def _runs(container: Container) -> bool:
    return container.state is not None and container.state.kind == "running"


def _unclaimed(facts: Facts) -> Showing:
    began = facts.running_at or facts.now
    state = facts.state
    told = state is not None and state.type is StateType.PENDING and state.name == "Starting"
    if told or facts.older(began, CLAIM_SECONDS):
        message = (
            f"the container runs{facts.where} for more than {CLAIM_SECONDS} s and has not claimed the run:"
            " is penstock in the image, and can the pod reach the API server?"
        )
        return Showing(StateType.PENDING, "Starting", message, degraded=Degraded("Starting", message))
    again = later(began, CLAIM_SECONDS)
    if state is not None and state.type is StateType.PENDING:
        return Showing(StateType.PENDING, state.name, state.message or "", again_at=again)
    return Showing(StateType.PENDING, "Submitting", f"the engine starts{facts.where}", again_at=again)
