"""The kubeconfig of a `penstock dev` that runs in this folder, so that nobody has to name it.

A folder may come from anywhere, a cloned repository for one, and a kubeconfig can name programs to run and servers to send a token to. So
only the very file that `penstock dev` writes is taken: of this user, for an address of this machine, with a token and nothing else, and
while something listens there.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

__all__ = ["PLACE", "running"]

PLACE = Path(".penstock/kubeconfig")
_LOOPBACK = "127.0.0.1"
_CONNECT_SECONDS = 0.3
_LARGEST = 100_000


def running(folder: Path | None = None) -> Path | None:
    """Return the kubeconfig of the `penstock dev` of a folder (default: this one) if it runs; None otherwise."""
    path = (folder or Path()) / PLACE
    try:
        with path.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_uid != os.getuid():
                return None
            document = json.loads(file.read(_LARGEST))
        port = _port(document)
        if port is None:
            return None
        with socket.create_connection((_LOOPBACK, port), timeout=_CONNECT_SECONDS):
            return path
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _port(document: Any) -> int | None:
    """Return the port of a kubeconfig that is what `penstock dev` writes; None if it says anything else."""
    clusters, users = document["clusters"], document["users"]
    if len(clusters) != 1 or len(users) != 1:
        return None
    cluster, user = clusters[0]["cluster"], users[0]["user"]
    server = urlsplit(cluster["server"])
    if set(user) != {"token"} or set(cluster) - {"server", "certificate-authority-data"}:
        return None
    if (server.scheme, server.hostname) != ("https", _LOOPBACK):
        return None
    port: int | None = server.port
    return port
