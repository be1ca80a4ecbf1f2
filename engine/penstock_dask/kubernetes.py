"""A Dask cluster for each flow run on Kubernetes: a `DaskCluster` of Dask's operator, owned by the run.

`DaskTaskRunner(cluster_class="penstock_dask.DaskCluster", cluster_kwargs={...})`. Neighbours: `task_runners`.
"""

from __future__ import annotations

from typing import Any

from penstock.clusterruns.owned import OwnedCluster, container

PORT, DASHBOARD = 8786, 8787


def spec_of(
    name: str, image: str, workers: int, threads: int, resources: dict[str, Any] | None, env: dict[str, str] | None,
    idle_seconds: int, pod: dict[str, Any] | None,
) -> dict[str, Any]:  # fmt: skip
    """The `spec` of the resource; arguments as for `DaskCluster`."""
    common = container(image, env, resources)
    ports = [
        {"name": "tcp-comm", "containerPort": PORT, "protocol": "TCP"},
        {"name": "http-dashboard", "containerPort": DASHBOARD, "protocol": "TCP"},
    ]
    health = {"httpGet": {"port": "http-dashboard", "path": "/health"}}
    scheduler = {
        **common,
        "name": "scheduler",
        "command": ["dask", "scheduler", "--host", "0.0.0.0"],
        "ports": ports,
        "readinessProbe": {**health, "periodSeconds": 1},
        "livenessProbe": {**health, "initialDelaySeconds": 15, "periodSeconds": 20},
    }
    worker = {
        **common,
        "name": "worker",
        "command": [
            "dask", "worker", "--name", "$(DASK_WORKER_NAME)", "--nthreads", str(threads), "--dashboard",
            "--dashboard-address", "8788",
        ],
        "ports": [{"name": "http-dashboard", "containerPort": 8788, "protocol": "TCP"}],
    }  # fmt: skip
    return {
        "idleTimeout": idle_seconds,
        "scheduler": {
            "spec": {**(pod or {}), "containers": [scheduler]},
            "service": {
                "type": "ClusterIP",
                "selector": {"dask.org/cluster-name": name, "dask.org/component": "scheduler"},
                "ports": [
                    {"name": "tcp-comm", "protocol": "TCP", "port": PORT, "targetPort": "tcp-comm"},
                    {"name": "http-dashboard", "protocol": "TCP", "port": DASHBOARD, "targetPort": "http-dashboard"},
                ],
            },
        },
        "worker": {"replicas": workers, "spec": {**(pod or {}), "containers": [worker]}},
    }


class DaskCluster(OwnedCluster):
    """A Dask cluster for the flow run around the call.

    Args:
        image: of scheduler and workers; it needs `penstock[dask]`, in the versions of the flow's image.
        workers: how many.
        threads: of each worker.
        resources: of each container, as Kubernetes has them.
        env: variables of each container.
        idle_seconds: after which Dask's operator ends a cluster whose flow is gone; 0: never.
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
        threads: int = 1,
        resources: dict[str, Any] | None = None,
        env: dict[str, str] | None = None,
        idle_seconds: int = 600,
        pod: dict[str, Any] | None = None,
        namespace: str | None = None,
        wait_seconds: float = 600.0,
    ) -> None:
        self.idle_seconds = idle_seconds
        super().__init__(
            "kubernetes.dask.org/v1",
            "DaskCluster",
            "daskclusters",
            lambda name: spec_of(name, image, workers, threads, resources, env, idle_seconds, pod),
            lambda status: status.get("phase") == "Running",
            "Dask's operator (helm chart dask-kubernetes-operator)",
            namespace,
            wait_seconds,
        )

    @property
    def scheduler_address(self) -> str:
        """Where the scheduler is."""
        return f"tcp://{self.name}-scheduler.{self.namespace}.svc:{PORT}"
