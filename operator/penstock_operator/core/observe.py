"""Pods and Events as the core sees them: small values, parsed once from what the API server shows.

A parse never fails on what a newer server adds, and never invents: what is absent is None. Neighbours: `classify` judges these values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from penstock_operator.api.times import read_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ContainerState:
    """One of a container's states (`state` or `lastState`)."""

    kind: str  # waiting, running, terminated
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    signal: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """A container's status, with the limit and image that a message may need."""

    name: str
    init: bool
    image: str = ""
    memory_limit: str = ""
    state: ContainerState | None = None
    last_state: ContainerState | None = None
    restart_count: int = 0
    sidecar: bool = False  # an init container with restartPolicy Always: its end means nothing
    up: bool | None = None  # `started`: its startup probe has passed; what comes behind a sidecar waits for that
    restarts_all: bool = False  # a rule of its own restarts all containers of the pod in place

    @property
    def ran(self) -> bool:
        """Whether a process of this container ever ran: `startedAt` of a container that never did is null or 1970."""
        return any(
            s.kind == "running" or (s.kind == "terminated" and s.started_at is not None and s.started_at > EPOCH)
            for s in (self.state, self.last_state)
            if s is not None
        )

    @property
    def oom_killed(self) -> bool:
        """Whether the kernel killed a process of this container for its memory, now or before a restart."""
        return any(s is not None and s.reason == "OOMKilled" for s in (self.state, self.last_state))

    @property
    def restarts(self) -> int:
        """How many processes it had before: `restartPolicy: Never` is no promise against restart rules."""
        return self.restart_count or int(self.last_state is not None and self.last_state.kind == "terminated")


@dataclass(frozen=True, slots=True)
class PodCondition:
    """A condition of a pod."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class PodEvent:
    """A Kubernetes Event about the pod."""

    type: str
    reason: str
    message: str
    time: datetime | None = None
    count: int = 1
    container: str = ""  # which one it is about; empty: the pod


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, as far as a decision may depend on it."""

    name: str
    uid: str
    resource_version: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    owner_uid: str  # of the controller reference
    phase: str
    reason: str = ""
    message: str = ""
    node_name: str = ""
    start_time: datetime | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_seconds: int | None = None
    active_deadline_seconds: int | None = None
    grace_seconds: int = 30
    conditions: tuple[PodCondition, ...] = ()
    containers: tuple[Container, ...] = ()  # init first, as in the spec
    memory_limit: str = ""  # of the pod as a whole, `spec.resources`
    debugged: bool = False  # an ephemeral container (kubectl debug) runs: it keeps the phase Running after all others
    image_volumes: tuple[tuple[str, str], ...] = ()  # volumes of type image: name and reference

    def container(self, name: str) -> Container | None:
        """Return the (non-init) container of that name."""
        return next((c for c in self.containers if c.name == name and not c.init), None)

    def condition(self, kind: str) -> PodCondition | None:
        """Return the condition of that type."""
        return next((c for c in self.conditions if c.type == kind), None)

    @property
    def terminal(self) -> bool:
        """Whether the phase is Succeeded or Failed."""
        return self.phase in ("Succeeded", "Failed")


def parse_time(value: Any) -> datetime | None:
    """Return an RFC 3339 time as UTC, or None if it is absent or unreadable."""
    if not isinstance(value, str):
        return None
    try:
        return read_time(value)
    except ValueError:
        return None


def _state(raw: Mapping[str, Any] | None) -> ContainerState | None:
    if not raw:
        return None
    for kind in ("running", "terminated", "waiting"):
        if kind in raw:
            detail = raw[kind] or {}
            return ContainerState(
                kind=kind,
                reason=detail.get("reason", ""),
                message=detail.get("message", ""),
                exit_code=detail.get("exitCode"),
                signal=detail.get("signal"),
                started_at=parse_time(detail.get("startedAt")),
                finished_at=parse_time(detail.get("finishedAt")),
            )
    return None


def parse_pod(raw: Mapping[str, Any]) -> Pod:
    """Read a pod as the API server shows it."""
    meta, spec, status = raw.get("metadata", {}), raw.get("spec", {}), raw.get("status", {}) or {}
    owner: Mapping[str, Any] = next((o for o in meta.get("ownerReferences", ()) if o.get("controller")), {})
    containers = []
    for init, specs, statuses in (
        (True, spec.get("initContainers") or (), status.get("initContainerStatuses") or ()),
        (False, spec.get("containers") or (), status.get("containerStatuses") or ()),
    ):
        by_name = {s["name"]: s for s in statuses}
        for c in specs:
            seen = by_name.get(c["name"], {})
            containers.append(
                Container(
                    name=c["name"],
                    init=init,
                    image=c.get("image", ""),
                    memory_limit=_memory_limit(c),
                    state=_state(seen.get("state")),
                    last_state=_state(seen.get("lastState")),
                    restart_count=seen.get("restartCount", 0),
                    sidecar=init and c.get("restartPolicy") == "Always",
                    up=seen.get("started"),
                    restarts_all=any(
                        rule.get("action") == "RestartAllContainers" for rule in c.get("restartPolicyRules") or ()
                    ),
                )
            )
    return Pod(
        name=meta.get("name", ""),
        uid=meta.get("uid", ""),
        resource_version=meta.get("resourceVersion", ""),
        labels=meta.get("labels") or {},
        annotations=meta.get("annotations") or {},
        owner_uid=owner.get("uid", ""),
        phase=status.get("phase", ""),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        node_name=spec.get("nodeName", ""),
        start_time=parse_time(status.get("startTime")),
        deletion_timestamp=parse_time(meta.get("deletionTimestamp")),
        deletion_grace_seconds=meta.get("deletionGracePeriodSeconds"),
        active_deadline_seconds=spec.get("activeDeadlineSeconds"),
        grace_seconds=spec.get("terminationGracePeriodSeconds", 30),
        conditions=tuple(
            PodCondition(
                type=c.get("type", ""),
                status=c.get("status", ""),
                reason=c.get("reason", ""),
                message=c.get("message", ""),
                last_transition_time=parse_time(c.get("lastTransitionTime")),
            )
            for c in status.get("conditions") or ()
        ),
        containers=tuple(containers),
        memory_limit=_memory_limit(spec),
        debugged=any("running" in (c.get("state") or {}) for c in status.get("ephemeralContainerStatuses") or ()),
        image_volumes=tuple(
            (v.get("name", ""), v["image"]["reference"])
            for v in spec.get("volumes") or ()
            if (v.get("image") or {}).get("reference")
        ),
    )


def _memory_limit(spec: Mapping[str, Any]) -> str:
    """Return the memory limit of a container's or a pod's spec: the newest one, also after a resize in place."""
    return str(((spec.get("resources") or {}).get("limits") or {}).get("memory", ""))


def parse_event(raw: Mapping[str, Any]) -> PodEvent:
    """Read a core/v1 Event."""
    series = raw.get("series") or {}
    return PodEvent(
        type=raw.get("type", ""),
        reason=raw.get("reason", ""),
        message=raw.get("message", "") or raw.get("note", ""),
        time=parse_time(
            series.get("lastObservedTime")
            or raw.get("lastTimestamp")
            or raw.get("eventTime")
            or raw.get("firstTimestamp")
        ),
        count=series.get("count") or raw.get("count") or 1,
        container=_container_of(raw),
    )


def _container_of(raw: Mapping[str, Any]) -> str:
    """Return the container in a field path like `spec.containers{engine}`."""
    path = (raw.get("involvedObject") or raw.get("regarding") or {}).get("fieldPath") or ""
    return str(path).rpartition("{")[2].rstrip("}") if "{" in path else ""
