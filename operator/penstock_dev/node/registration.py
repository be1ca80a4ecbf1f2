"""The Node object and its Lease: what makes a control plane believe in this node.

A controller manager deletes pods that are bound to a node without an object, and evicts those of a node whose Lease grows old. The node
carries a taint, so that a real scheduler sends nothing here by itself. Failures are told and passed over: pods run without it too.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock_operator.api.paths import path

from .client import ApiError, ApiUnreachable
from .status import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from .client import Client, Json
    from .downward import Host

__all__ = ["Registration"]

_log = logging.getLogger(__name__)
_RENEW_SECONDS = 10.0
_LEASE_SECONDS = 40


class Registration:
    """Keeps the node registered while `run` runs.

    Args:
        client: the API server's client.
        host: the node's name, address and size.
        pods: how many pods it takes.
        clock: seconds since the epoch.
        kubelet_port: where the API server gets the logs of pods from; None: nowhere.
    """

    def __init__(
        self, client: Client, host: Host, pods: int, clock: Callable[[], float], *, kubelet_port: int | None = None
    ) -> None:
        self._kubelet_port = kubelet_port
        self._client = client
        self._host = host
        self._pods = pods
        self._clock = clock

    async def run(self, *, lease: bool) -> None:
        """Register, and with `lease` renew the Lease until cancelled."""
        try:
            await self._register()
        except (ApiError, ApiUnreachable) as error:
            _log.warning("the node %s could not be registered: %s", self._host.node, error)
        while lease:
            try:
                await self._renew()
            except (ApiError, ApiUnreachable) as error:
                _log.warning("the node's Lease could not be renewed: %s", error)
            await asyncio.sleep(_RENEW_SECONDS)

    async def withdraw(self) -> None:
        """Remove the Node object and the Lease, best effort."""
        for what in (_node(self._host.node), _lease(self._host.node)):
            try:
                await self._client.request("DELETE", what)
            except (ApiError, ApiUnreachable) as error:
                _log.info("%s was not removed: %s", what, error)

    async def _register(self) -> None:
        name = self._host.node
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "labels": {
                    "kubernetes.io/hostname": name,
                    "kubernetes.io/os": platform.system().lower(),
                    "kubernetes.io/arch": _arch(),
                },
            },
            "spec": {"taints": [{"key": "penstock.dev/development-only", "effect": "NoSchedule"}]},
        }
        try:
            await self._client.request("POST", _node(), body=body)
        except ApiError as error:
            if error.status != 409:
                raise
        # Whole lists: of an object that an earlier node left behind nothing may stay.
        await self._client.request(
            "PATCH",
            _node(name, "status"),
            body={"status": self._status()},
            content_type="application/merge-patch+json",
        )

    def _status(self) -> Json:
        now = timestamp(self._clock())
        size = {"cpu": str(self._host.cpu), "memory": str(self._host.memory), "pods": str(self._pods)}
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "penstock dev runs pods as local processes",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
        }
        endpoints = {"daemonEndpoints": {"kubeletEndpoint": {"Port": self._kubelet_port}}} if self._kubelet_port else {}
        return {
            **endpoints,
            "capacity": size,
            "allocatable": size,
            # No Hostname: an API server asks for logs by that first, and this name is in nobody's DNS.
            "addresses": [{"type": "InternalIP", "address": self._host.address}],
            "conditions": [ready],
        }

    async def _renew(self) -> None:
        renewed = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": self._host.node, "leaseDurationSeconds": _LEASE_SECONDS, "renewTime": renewed}
        try:
            await self._client.request(
                "PATCH", _lease(self._host.node), body={"spec": spec}, content_type="application/merge-patch+json"
            )
        except ApiError as error:
            if error.status != 404:
                raise
            body = {
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self._host.node}, "spec": spec,
            }  # fmt: skip
            await self._client.request("POST", _lease(), body=body)


def _node(name: str | None = None, sub: str | None = None) -> str:
    return path("", "v1", "nodes", name=name, sub=sub)


def _lease(name: str | None = None) -> str:
    return path("coordination.k8s.io", "v1", "leases", "kube-node-lease", name)


def _arch() -> str:
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
