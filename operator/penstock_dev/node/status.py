"""A pod's status as a kubelet writes it, from what its containers did. Pure: recordings of a real kubelet are its model.

`Record` is what the pod's worker knows; `status_of` turns it into the document. Conditions keep their transition time while their
status stays the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .client import Json

__all__ = [
    "NEVER",
    "Container",
    "Fate",
    "Record",
    "Running",
    "Terminated",
    "Waiting",
    "seconds",
    "status_of",
    "timestamp",
]

NEVER = 0.0


def timestamp(at: float | None) -> str | None:
    """Return seconds since the epoch as Kubernetes writes a time."""
    return None if at is None else datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> float:
    """Return a Kubernetes time as seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A container that does not run yet."""

    reason: str
    message: str = ""

    def to_json(self) -> Json:
        """Return the API's form."""
        return {"waiting": {"reason": self.reason} | ({"message": self.message} if self.message else {})}


@dataclass(frozen=True, slots=True)
class Running:
    """A container's process runs."""

    started: float

    def to_json(self) -> Json:
        """Return the API's form."""
        return {"running": {"startedAt": timestamp(self.started)}}


@dataclass(frozen=True, slots=True)
class Terminated:
    """A container's process has ended, or will never start.

    `started` is `NEVER` (1970) for one that could not be started, None for one that is not known any more.
    """

    exit_code: int
    reason: str
    message: str = ""
    started: float | None = None
    finished: float | None = None

    def to_json(self, container_id: str) -> Json:
        """Return the API's form."""
        found: Json = {"exitCode": self.exit_code, "reason": self.reason}
        if self.message:
            found["message"] = self.message
        for key, at in (("startedAt", self.started), ("finishedAt", self.finished)):
            if at is not None:
                found[key] = timestamp(at)
        if container_id:
            found["containerID"] = container_id
        return {"terminated": found}


State = Waiting | Running | Terminated


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a pod, as far as its status goes.

    Attributes:
        sidecar: an init container that stays (restartPolicy Always): it holds up neither the start nor the end of the pod.
        container_id: empty until a process was tried.
    """

    name: str
    image: str
    state: State
    container_id: str = ""
    init: bool = False
    sidecar: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether it ended, with exit code 0."""
        return isinstance(self.state, Terminated) and self.state.exit_code == 0

    @property
    def ready(self) -> bool:
        """Whether a kubelet without probes calls it ready."""
        if self.init and not self.sidecar:
            return self.succeeded
        return isinstance(self.state, Running)

    def to_json(self) -> Json:
        """Return the container's status."""
        state = self.state.to_json(self.container_id) if isinstance(self.state, Terminated) else self.state.to_json()
        found: Json = {
            "name": self.name,
            "state": state,
            "lastState": {},
            "ready": self.ready,
            "restartCount": 0,
            "image": self.image,
            "imageID": "",
            "started": isinstance(self.state, Running),
        }
        if self.container_id:
            found["containerID"] = self.container_id
        return found


@dataclass(frozen=True, slots=True)
class Fate:
    """Why a pod ends otherwise than by its containers: a deadline, a node that stops.

    A deadline fails the pod whatever the exit codes are. A disruption does not: a pod whose containers then exit with 0 succeeds,
    and nothing but the condition tells of it (that is the kubelet's behaviour, not a wish).

    Attributes:
        disruption: reason of the condition DisruptionTarget, where the pod is not to blame.
    """

    reason: str
    message: str
    disruption: str = ""

    @property
    def forces(self) -> bool:
        """Whether the pod fails by it in any case."""
        return not self.disruption


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a pod on this node.

    Attributes:
        start_time: when the node took the pod.
        containers: init containers first, each in the pod's order.
        sandbox: its volumes are there, so that containers can start.
        fate: set once the pod is being ended for that reason.
        refused: the node did not take the pod: `fate` tells why, and no container has a status.
        over: all that the node will do with it is done.
    """

    start_time: float
    containers: tuple[Container, ...] = field(default=())
    sandbox: bool = False
    fate: Fate | None = None
    refused: bool = False
    over: bool = False


def _phase(record: Record) -> str:
    inits = [c for c in record.containers if c.init]
    mains = [c for c in record.containers if not c.init]
    if record.over:
        ended_well = all(c.succeeded for c in inits if not c.sidecar) and all(c.succeeded for c in mains)
        return (
            "Failed"
            if record.refused or not ended_well or (record.fate is not None and record.fate.forces)
            else "Succeeded"
        )
    # One container that waits keeps the pod Pending; when all have ended the phase stays as it was until everything is done.
    waits = any(isinstance(c.state, Waiting) for c in mains)
    ran = any(isinstance(c.state, Running) or (isinstance(c.state, Terminated) and c.state.started) for c in mains)
    return "Running" if ran and not waits else "Pending"


def _failing(record: Record) -> bool:
    """Whether the pod has ended, or is being ended, as Failed (a kubelet says so in Ready before the phase does)."""
    if record.fate is not None and record.fate.forces:
        return True
    inits = [c for c in record.containers if c.init and not c.sidecar]
    mains = [c for c in record.containers if not c.init]
    if any(isinstance(c.state, Terminated) and not c.succeeded for c in inits):
        return True
    return (record.over or _ended(record)) and not all(c.succeeded for c in mains)


def _ended(record: Record) -> bool:
    """Whether all containers have ended, sidecars too."""
    return not any(
        isinstance(c.state, Running) if c.sidecar else not isinstance(c.state, Terminated)
        for c in record.containers
        if c.sidecar or not c.init
    )


def _conditions(record: Record) -> Iterable[Json]:
    mains = [c for c in record.containers if not c.init]
    inits = [c for c in record.containers if c.init]
    done = _ended(record) and all(c.succeeded for c in mains)
    failing = _failing(record)
    incomplete = [c.name for c in inits if (isinstance(c.state, Waiting) if c.sidecar else not c.ready)]
    unready = [c.name for c in record.containers if (c.sidecar or not c.init) and not c.ready]
    if record.fate is not None and record.fate.disruption and record.over:
        yield {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": record.fate.disruption,
            "message": record.fate.message,
        }
    yield {"type": "PodReadyToStartContainers", "status": str(record.sandbox and not record.over)}
    if incomplete:
        message = f"containers with incomplete status: [{' '.join(incomplete)}]"
        yield {"type": "Initialized", "status": "False", "reason": "ContainersNotInitialized", "message": message}
    else:
        yield {"type": "Initialized", "status": "True"} | ({"reason": "PodCompleted"} if done and not failing else {})
    for name in ("Ready", "ContainersReady"):
        if failing:
            yield {"type": name, "status": "False", "reason": "PodFailed"}
        elif done:
            yield {"type": name, "status": "False", "reason": "PodCompleted"}
        elif unready or incomplete:
            message = f"containers with unready status: [{' '.join(unready)}]"
            yield {"type": name, "status": "False", "reason": "ContainersNotReady", "message": message}
        else:
            yield {"type": name, "status": "True"}
    yield {"type": "PodScheduled", "status": "True"}


def status_of(record: Record, *, generation: int | None, address: str, before: Mapping[str, Json], now: float) -> Json:
    """Return the status document.

    Args:
        record: what is known.
        generation: the pod's `metadata.generation` that this takes account of.
        address: the node's IP address.
        before: the conditions written last, by type.
        now: seconds since the epoch.
    """
    observed = {} if generation is None else {"observedGeneration": generation}
    phase = _phase(record)
    status: Json = {**observed, "phase": phase, "startTime": timestamp(record.start_time)}
    if record.fate is not None and phase == "Failed":
        status |= {"reason": record.fate.reason, "message": record.fate.message}
    if record.refused:
        return status
    conditions = []
    for condition in _conditions(record):
        old = before.get(condition["type"])
        since = old["lastTransitionTime"] if old and old["status"] == condition["status"] else timestamp(now)
        # Named although empty: a patch that merges by type would keep an older reason.
        filled = {"reason": None, "message": None, **condition}
        conditions.append({**filled, **observed, "lastProbeTime": None, "lastTransitionTime": since})
    status |= {"conditions": conditions, "hostIP": address, "hostIPs": [{"ip": address}]}
    if any(c.container_id for c in record.containers):
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
    inits = [c.to_json() for c in record.containers if c.init]
    if inits:
        status["initContainerStatuses"] = inits
    status["containerStatuses"] = [c.to_json() for c in sorted(record.containers, key=lambda c: c.name) if not c.init]
    return status
