"""What all pods of a node share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from penstock_dev.apiserver.logs import FolderLogs
    from penstock_dev.guard import Guard

    from .client import Client
    from .downward import Host
    from .events import Events
    from .sources import Sources

__all__ = ["Surroundings", "folder_name"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The node, as its pods see it.

    Attributes:
        client: requests to the API server.
        sources: ConfigMaps, Secrets and tokens.
        events: where a pod's events go.
        guard: ends the processes when the node is killed.
        host: what the downward API tells of the node.
        root: folder of the pods' own folders; short, for sockets in TMPDIR have little room for their path.
        claims: folder of what outlives pods (PersistentVolumeClaims).
        logs: the containers' logs.
        workdir: working directory of containers whose own does not exist here.
        mark: what all processes of this node carry in their environment.
        server: the API server's base URL, for the containers.
        clock: seconds since the epoch.
    """

    client: Client
    sources: Sources
    events: Events
    guard: Guard
    host: Host
    root: Path
    claims: Path
    logs: FolderLogs
    workdir: Path
    mark: str
    server: str
    clock: Callable[[], float]


def folder_name(uid: str) -> str:
    """Return the name of a pod's folder: enough of its UID to be its own, little enough for a socket's path."""
    return uid.replace("-", "")[:12]
