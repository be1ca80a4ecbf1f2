"""What is known of a pod when the node begins with it: nothing has started yet, or all of it died with an earlier node. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .status import Container, Record, Terminated, Waiting, seconds

if TYPE_CHECKING:
    from .client import Json

__all__ = ["first_record", "lost_record"]


def first_record(pod: Json, now: float) -> Record:
    """Return the record of a pod whose containers all wait."""
    return Record(now, _containers(pod))


def _containers(pod: Json) -> tuple[Container, ...]:
    inits = pod["spec"].get("initContainers") or []
    waiting = Waiting("PodInitializing" if inits else "ContainerCreating")

    def one(spec: dict[str, Any], *, init: bool) -> Container:
        sidecar = init and spec.get("restartPolicy") == "Always"
        return Container(spec["name"], spec.get("image", ""), waiting, init=init, sidecar=sidecar)

    return (*(one(c, init=True) for c in inits), *(one(c, init=False) for c in pod["spec"]["containers"]))


def lost_record(pod: Json, now: float) -> Record:
    """Return what is known of a pod whose processes died with the node: exit 255, as after a reboot."""
    status = pod["status"]
    started: dict[str, Terminated] = {}
    for found in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state = found.get("state") or {}
        if running := state.get("running"):
            started[found["name"]] = Terminated(255, "Unknown", started=seconds(running["startedAt"]), finished=now)
        elif ended := state.get("terminated"):
            begun, end = ended.get("startedAt"), ended.get("finishedAt")
            started[found["name"]] = Terminated(
                ended["exitCode"],
                ended.get("reason", ""),
                ended.get("message", ""),
                started=seconds(begun) if begun else None,
                finished=seconds(end) if end else None,
            )
    containers = tuple(
        replace(c, state=started[c.name], container_id=f"process://{c.name}") if c.name in started else c
        for c in _containers(pod)
    )
    begun = status.get("startTime")
    return Record(seconds(begun) if begun else now, containers)
