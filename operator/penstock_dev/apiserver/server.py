"""The embedded control plane's public face: start it, stop it, and how clients reach it.

`ApiServer` ties the rooms of this package together (store, kinds, verbs, HTTP) and owns their lifetime. It listens on loopback
only, over plain HTTP, and answers 401 without its bearer token or a token of one of its ServiceAccounts. Everything it knows is in
memory; with `data` it also writes every change down and reads it again at the next start. It runs no pods: a node does, as a client.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from .logs import LogSource

__all__ = ["ApiServer"]


class ApiServer:
    """A Kubernetes API server in this process, for development.

    Args:
        port: TCP port on 127.0.0.1; 0 takes a free one.
        data: folder to keep objects in over a restart; None keeps them in memory only.
        crds: CustomResourceDefinition objects that are served from the start (created, or replaced when they differ).
        logs: where `pods/log` reads; None: every log is empty.
        clock: seconds since the epoch, as `time.time`.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        data: Path | None = None,
        crds: Iterable[Mapping[str, Any]] = (),
        logs: LogSource | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._wanted_port = port
        self._port = 0
        self._token = secrets.token_hex(16)

    @property
    def url(self) -> str:
        """The server's address, `http://127.0.0.1:<port>`; valid after `start`."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def token(self) -> str:
        """The administrator's bearer token, made anew for every instance (kept with `data`)."""
        return self._token

    @property
    def ca(self) -> str | None:
        """PEM of the certificate authority that clients must trust; None, for the server speaks plain HTTP on loopback."""
        return None

    def kubeconfig(self) -> dict[str, Any]:
        """Return a kubeconfig document (for `yaml.safe_dump` or `json.dump`) with one context, namespace `default`."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "penstock-dev",
            "clusters": [{"name": "penstock-dev", "cluster": {"server": self.url}}],
            "users": [{"name": "penstock-dev", "user": {"token": self._token}}],
            "contexts": [
                {"name": "penstock-dev", "context": {"cluster": "penstock-dev", "user": "penstock-dev", "namespace": "default"}}
            ],
        }

    async def start(self) -> None:
        """Listen; returns when requests are answered. Raises OSError when the port is taken."""

    async def stop(self) -> None:
        """End all watches and follows, close the socket, flush `data`. Safe to call twice."""
