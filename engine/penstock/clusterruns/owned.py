"""A cluster of another operator for one run: made, waited for, taken away again; owned by the run, so that it never outlives it.

A later attempt of the run finds the cluster of the one before, by its name. Neighbours: the runners on Dask and Ray say what
the resource looks like, and when it is ready.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from penstock.base.current import current_run
from penstock.base.exceptions import InfrastructureError
from penstock.clusterruns.connection import connection
from penstock.clusterruns.surroundings import parent
from penstock.interruption.waiting import pause_here
from penstock.kube import paths
from penstock.kube.errors import ApiError

LOOK_SECONDS = 1.0
NAME_LENGTH = 45
"""Of the resource: operators add words of their own, and a Service has 63 letters at most."""
_RIGHT = " cannot "
"""In what the API server's authoriser says of a missing right, as in `User "u" cannot create resource`."""


def container(image: str, env: Mapping[str, str] | None, resources: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what the containers of such a cluster have in common, as fields of a container."""
    common: dict[str, Any] = {
        "image": image,
        "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
    }
    if resources:
        common["resources"] = resources
    return common


class OwnedCluster:
    """A resource that stands for a cluster, from its creation to `close`.

    Args:
        group_version: of the resource, as `ray.io/v1`.
        kind: likewise.
        plural: likewise.
        spec: makes its `spec`, given the resource's name.
        ready: whether the resource says that the cluster can be used.
        installed: what to install where the kind is not known.
        namespace: default: that of the run, else of the kubeconfig.
        wait_seconds: how long it may take.

    Raises:
        InfrastructureError: it cannot be made, or was not ready in time.
    """

    def __init__(
        self,
        group_version: str,
        kind: str,
        plural: str,
        spec: Callable[[str], Mapping[str, Any]],
        ready: Callable[[Mapping[str, Any]], bool],
        installed: str,
        namespace: str | None = None,
        wait_seconds: float = 600.0,
    ) -> None:
        made = connection()
        above = parent()
        self._cluster = made.cluster
        self.namespace = namespace or (above.namespace if above is not None else made.access.namespace)
        self.name = _name(above.name if above is not None else None, above.uid if above is not None else None)
        self.kind = kind
        self._path = paths.custom(group_version, plural, self.namespace, self.name)
        body: dict[str, Any] = {
            "apiVersion": group_version,
            "kind": kind,
            "metadata": {"name": self.name, "labels": {"app.kubernetes.io/managed-by": "penstock"}},
            "spec": spec(self.name),
        }
        if above is not None and above.namespace == self.namespace:
            body["metadata"]["ownerReferences"] = [
                {"apiVersion": paths.GROUP_VERSION, "kind": "FlowRun", "name": above.name, "uid": above.uid}
            ]
        self._body = body
        self._all = paths.custom(group_version, plural, self.namespace)
        self._installed = installed
        self._create()
        try:
            self._wait(ready, wait_seconds)
        except BaseException:
            self.close()
            raise

    def _create(self) -> None:
        try:
            self._cluster.create(self._all, self._body)
        except ApiError as exc:
            if exc.reason != "AlreadyExists":  # that of an attempt before, or of an answer that was lost
                raise InfrastructureError(self._why("made", exc)) from None

    def _wait(self, ready: Callable[[Mapping[str, Any]], bool], seconds: float) -> None:
        until = time.monotonic() + seconds
        while True:
            seen = self._look()
            leaving = "deletionTimestamp" in seen["metadata"]  # what an attempt before has deleted: a new one follows
            if not leaving and ready(seen.get("status") or {}):
                return
            if time.monotonic() > until:
                status = {key: value for key, value in (seen.get("status") or {}).items() if isinstance(value, str)}
                raise InfrastructureError(
                    f"{self.kind} {self.namespace}/{self.name} was not ready within {seconds:g} s; its status says "
                    f"{status or 'nothing'}: does {self._installed} run, and do its pods start?"
                )
            pause_here(LOOK_SECONDS)

    def _look(self) -> dict[str, Any]:
        """The resource as it is; one that was deleted meanwhile is made again."""
        try:
            return self._cluster.get(self._path)
        except ApiError as exc:
            if exc.code != 404:
                raise InfrastructureError(self._why("read", exc)) from None
        self._create()
        return {"metadata": {}}

    def _why(self, what: str, exc: ApiError) -> str:
        told = f"{self.kind} {self.namespace}/{self.name} cannot be {what}: "
        if exc.code == 404:
            return f"{told}the cluster does not know the kind. Install {self._installed}."
        if exc.code == 403 and _RIGHT in exc.message:
            return f"{told}{exc.message}. Give the run's service account this right."
        return told + exc.message  # a quota, a policy, a namespace that ends, a field that is wrong

    def close(self, timeout: float | None = None) -> None:
        """Delete it; what is left of it goes with the run.

        Args:
            timeout: accepted, as clusters of Dask take one.
        """
        with contextlib.suppress(ApiError):
            self._cluster.delete(self._path)


def _name(run: str | None, uid: str | None) -> str:
    """Equal in each attempt of the run, and another one for each flow run in it; a Service takes it, so a letter comes first."""
    if uid is None:
        return f"penstock-{uuid.uuid4().hex[:12]}"
    here = current_run.get()
    digest = sha256(
        f"{uid}/{here.flow.address if here is not None and here.flow is not None else ''}".encode()
    ).hexdigest()
    label = str(run).replace(".", "-")
    label = label if label[0].isalpha() else f"run-{label}"
    return f"{label[: NAME_LENGTH - 9].rstrip('-')}-{digest[:8]}"
