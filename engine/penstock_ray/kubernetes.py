"""A Ray cluster for each flow run on Kubernetes: a `RayCluster` of KubeRay, owned by the run.

`RayTaskRunner(cluster_class="penstock_ray.RayCluster", cluster_kwargs={...})`. Neighbours: `task_runners`.
"""

from __future__ import annotations

from typing import Any

from penstock.clusterruns.owned import OwnedCluster, container

PORT = 10001
NODE_PORT = 6380


def spec_of(
    image: str, workers: int, resources: dict[str, Any] | None, env: dict[str, str] | None, pod: dict[str, Any] | None
) -> dict[str, Any]:
    """The `spec` of the resource; arguments as for `RayCluster`."""
    common = container(image, env, resources)
    head = {
        **common,
        **_probes(PORT),
        "name": "ray-head",
        "ports": [
            {"containerPort": 6379, "name": "gcs-server"},
            {"containerPort": 8265, "name": "dashboard"},
            {"containerPort": PORT, "name": "client"},
        ],
    }
    return {
        "headGroupSpec": {
            "rayStartParams": {"num-cpus": "0"},  # the head keeps the cluster; tasks run on the workers
            "template": {"spec": {**(pod or {}), "containers": [head]}},
        },
        "workerGroupSpecs": [
            {
                "groupName": "workers",
                "replicas": workers,
                "minReplicas": workers,
                "maxReplicas": workers,
                "rayStartParams": {"node-manager-port": str(NODE_PORT)},
                "template": {
                    "spec": {**(pod or {}), "containers": [{**common, **_probes(NODE_PORT), "name": "ray-worker"}]}
                },
            }
        ],
    }


def _probes(port: int) -> dict[str, Any]:
    """Probes of a port; KubeRay's own need `wget` in the image, and Ray's dashboard."""
    tcp = {"tcpSocket": {"port": port}}
    return {
        "readinessProbe": {**tcp, "periodSeconds": 1, "timeoutSeconds": 2},
        "livenessProbe": {
            **tcp,
            "initialDelaySeconds": 60,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 12,
        },
    }


class RayCluster(OwnedCluster):
    """A Ray cluster for the flow run around the call.

    Args:
        image: of head and workers; it needs `penstock[ray]`, in the versions of the flow's image, and bash.
        workers: how many.
        resources: of each container, as Kubernetes has them.
        env: variables of each container.
        pod: further fields of the pods, as `serviceAccountName`.
        namespace: default: that of the run.
        wait_seconds: how long it may take until the cluster is there.

    Raises:
        InfrastructureError: it cannot be made, or was not ready in time.
    """

    def __init__(
        self,
        image: str,
        workers: int = 2,
        resources: dict[str, Any] | None = None,
        env: dict[str, str] | None = None,
        pod: dict[str, Any] | None = None,
        namespace: str | None = None,
        wait_seconds: float = 600.0,
    ) -> None:
        super().__init__(
            "ray.io/v1",
            "RayCluster",
            "rayclusters",
            lambda _name: spec_of(image, workers, resources, env, pod),
            lambda status: status.get("state") == "ready",
            "KubeRay (helm chart kuberay-operator)",
            namespace,
            wait_seconds,
        )

    @property
    def address(self) -> str:
        """Where the head takes clients."""
        return f"ray://{self.name}-head-svc.{self.namespace}.svc:{PORT}"
