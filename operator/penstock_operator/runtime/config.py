"""What the operator is told at its start. `penstock_operator.settings` reads it from the command line and the environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from penstock_operator.api.constants import LEASE_NAME
from penstock_operator.api.execution import Template

ENGINE_IMAGE: Final = "penstock/engine:latest"


@dataclass(frozen=True, slots=True)
class Config:
    """Of one operator.

    Attributes:
        namespaces: to serve; empty: all.
        engine_image: of engines whose Flow and run name no image.
        engine_template: merged over every engine pod before anything of a Flow's or run's.
        pod_security: whether engine pods are hardened by default (Pod Security Standard "restricted").
        health_port: of probes and metrics; 0: none.
        leader_elect: whether to decide only while holding the Lease.
        lease_name: of the Lease.
        lease_namespace: where it is; empty: the operator's own namespace.
        identity: of this process among operators, also on Events.
        workers: runs that are worked on at the same time.
        api_qps: requests a second to the API server, besides watches.
        api_burst: requests at once after a quiet time.
        relist_seconds: between two listings that correct the caches.
    """

    namespaces: tuple[str, ...] = ()
    engine_image: str = ENGINE_IMAGE
    engine_template: Template | None = None
    pod_security: bool = True
    health_port: int = 0
    leader_elect: bool = False
    lease_name: str = LEASE_NAME
    lease_namespace: str = ""
    identity: str = "penstock-operator"
    workers: int = 16
    api_qps: float = 200.0
    api_burst: int = 400
    relist_seconds: float = 300.0
