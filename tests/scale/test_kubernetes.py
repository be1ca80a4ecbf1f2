"""Clusters for a run on Kubernetes: what is created is what the operators' own CRDs take, on a real API server.

The CRDs come from the operators' public packages, at the time of the test. The operators do not run here: the test says in
their place that a cluster is ready.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from penstock import flow
from penstock.clusterruns import connection
from penstock.exceptions import InfrastructureError
from penstock.kube.access import find
from tests.support.realserver import ASSETS, MISSING, RealServer

if TYPE_CHECKING:
    from collections.abc import Iterator

DASK = "dask-kubernetes==2026.3.0"
KUBERAY = "github.com/ray-project/kuberay/ray-operator@v1.4.2"
OWNER = {"PENSTOCK_FLOWRUN": "nightly.report", "PENSTOCK_FLOWRUN_UID": "5f0c", "PENSTOCK_NAMESPACE": "default"}


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    """A real API server without controllers."""
    folder = os.environ.get(ASSETS)
    if not folder:
        pytest.skip(MISSING)
    made = RealServer(Path(folder), controllers=False)
    try:
        yield made.start()
    finally:
        made.stop()


def dask_crd(folder: Path) -> Any:
    """Of Dask's operator, from its package."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(folder), DASK],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"{DASK} cannot be had: {done.stderr.strip().splitlines()[-1:]}")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith("/crds/daskcluster.yaml"))
        return yaml.safe_load(wheel.read(name))


def ray_crd(folder: Path) -> Any:
    """Of KubeRay, from its Go module."""
    go = shutil.which("go") or "/usr/local/go/bin/go"
    if not Path(go).exists():
        pytest.skip("KubeRay's CRD comes by Go's module proxy: there is no go")
    done = subprocess.run(
        [go, "mod", "download", "-json", KUBERAY], capture_output=True, text=True, check=False, cwd=folder
    )
    if done.returncode:
        pytest.skip(f"{KUBERAY} cannot be had: {done.stdout.strip()[-200:]}")
    return yaml.safe_load(
        (Path(json.loads(done.stdout)["Dir"]) / "config/crd/bases/ray.io_rayclusters.yaml").read_text()
    )


def eventually(condition: Any) -> Any:
    """What the condition gives, once it is true."""
    until = time.monotonic() + 30
    while not (found := condition()):
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_a_cluster_of_a_run(kind: str, server: RealServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "dask":
        from penstock_dask.kubernetes import DaskCluster as Cluster

        crd, ready = dask_crd(tmp_path), {"phase": "Running"}
    else:
        from penstock_ray.kubernetes import RayCluster as Cluster  # type: ignore[assignment]

        crd, ready = ray_crd(tmp_path), {"state": "ready"}
    group, plural = crd["spec"]["group"], crd["spec"]["names"]["plural"]
    kubeconfig = server.write_kubeconfig("admin", server.admin_token)
    for name, value in OWNER.items():
        monkeypatch.setenv(name, value)
    way = connection.Connection(find({"KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path)}))
    where = f"/apis/{group}/v1/namespaces/default/{plural}"
    made: list[Any] = []
    arguments: dict[str, Any] = {
        "image": "registry.example/flow:1",
        "workers": 3,
        "env": {"A": "b"},
        "resources": {"limits": {"cpu": "1"}},
    }
    client = server.client(server.admin_token)

    def make() -> None:
        made.append(Cluster(**arguments, wait_seconds=30, pod={"serviceAccountName": "tasks"}))

    with pytest.raises(InfrastructureError, match=r"does not know the kind. Install"), connection.used(way):
        flow(make, name="f")()
    assert client.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", json=crd).status_code == 201
    eventually(lambda: client.get(where).status_code == 200)
    late = r"was not ready within 0 s; its status says nothing: does"
    with pytest.raises(InfrastructureError, match=late), connection.used(way):
        flow(lambda: Cluster(image="i", wait_seconds=0), name="f")()
    assert client.get(where).json()["items"] == []  # what never got ready is taken away

    def operator() -> None:
        item = eventually(lambda: client.get(where).json().get("items"))[0]
        path = f"{where}/{item['metadata']['name']}"
        sub = "/status" if "status" in (crd["spec"]["versions"][0].get("subresources") or {}) else ""
        answer = client.patch(
            path + sub, json={"status": ready}, headers={"Content-Type": "application/merge-patch+json"}
        )
        assert answer.status_code == 200, answer.text

    saying = threading.Thread(target=operator)
    saying.start()
    with connection.used(way):
        flow(make, name="f")()  # created with strict validation: an unknown field would be refused
    saying.join()
    stored = client.get(where).json()["items"][0]
    assert stored["metadata"]["ownerReferences"][0]["uid"] == "5f0c"
    assert stored["metadata"]["name"].startswith("nightly-report-")
    address = getattr(made[0], "scheduler_address", None) or made[0].address
    assert f"{stored['metadata']['name']}-" in address
    with connection.used(way):
        flow(make, name="f")()  # a later attempt finds it
    assert made[1].name == made[0].name
    made[0].close()
    assert client.get(where).json()["items"] == []
