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
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from penstock import flow
from penstock.clusterruns import connection, owned
from penstock.exceptions import InfrastructureError
from penstock.kube.access import find
from tests.support.realserver import ASSETS, MISSING, RealServer
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

DASK = "dask-kubernetes==2026.3.0"
KUBERAY = "github.com/ray-project/kuberay/ray-operator@v1.4.2"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples/scale"
OWNER = {"PENSTOCK_FLOWRUN": "2026.report", "PENSTOCK_FLOWRUN_UID": "5f0c", "PENSTOCK_NAMESPACE": "default"}


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


def account(client: httpx.Client, kind: str) -> tuple[str, Any]:
    """The example's ServiceAccount: its token, and what makes its rights."""
    documents = list(yaml.safe_load_all((EXAMPLES / f"{kind}.yaml").read_text()))
    of = {each["kind"]: each for each in documents if each["kind"] in ("ServiceAccount", "Role", "RoleBinding")}
    name = of["ServiceAccount"]["metadata"]["name"]
    core, rbac = "/api/v1/namespaces/default", "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    posted(client, f"{core}/serviceaccounts", of["ServiceAccount"])
    of["RoleBinding"]["subjects"][0]["namespace"] = "default"  # as kubectl's user would; ours has none

    def grant() -> None:
        posted(client, f"{rbac}/roles", of["Role"])
        posted(client, f"{rbac}/rolebindings", of["RoleBinding"])

    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    return posted(client, f"{core}/serviceaccounts/{name}/token", asked)["status"]["token"], grant


def posted(client: httpx.Client, path: str, body: Any) -> Any:
    """What the server made of it."""
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def patched(client: httpx.Client, path: str, body: Any) -> None:
    """A merge patch."""
    answer = client.patch(path, json=body, headers={"Content-Type": "application/merge-patch+json"})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_a_cluster_of_a_run(
    kind: str, server: RealServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if kind == "dask":
        from penstock_dask.kubernetes import DaskCluster as Cluster

        crd, ready = dask_crd(tmp_path), {"phase": "Running"}
    else:
        from penstock_ray.kubernetes import RayCluster as Cluster  # type: ignore[assignment]

        crd, ready = ray_crd(tmp_path), {"state": "ready"}
    monkeypatch.setattr(owned, "LOOK_SECONDS", 0.05)
    group, plural = crd["spec"]["group"], crd["spec"]["names"]["plural"]
    client = server.client(server.admin_token)
    request.addfinalizer(client.close)
    token, grant = account(client, kind)
    kubeconfig = server.write_kubeconfig(f"runs-{kind}", token)
    for name, value in OWNER.items():
        monkeypatch.setenv(name, value)
    way = connection.Connection(find({"KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path)}))
    request.addfinalizer(way.close)
    where = f"/apis/{group}/v1/namespaces/default/{plural}"
    arguments: dict[str, Any] = {
        "image": "registry.example/flow:1",
        "workers": 3,
        "env": {"A": "b"},
        "resources": {"limits": {"cpu": "1"}},
        "pod": {"serviceAccountName": "tasks"},
    }

    def made(**changes: Any) -> Any:
        with connection.used(way):
            return flow(lambda: Cluster(**{**arguments, "wait_seconds": 30, **changes}), name="f")()

    def items() -> Any:
        return client.get(where).json().get("items")

    def path_of(item: Any) -> str:
        return f"{where}/{item['metadata']['name']}"

    def operator(gone: str = "") -> None:
        item = eventually(lambda: [each for each in items() or [] if each["metadata"]["uid"] != gone])[0]
        sub = "/status" if "status" in (crd["spec"]["versions"][0].get("subresources") or {}) else ""
        patched(client, path_of(item) + sub, {"status": ready})

    def refusal(**changes: Any) -> str:
        with pytest.raises(InfrastructureError) as raised:
            made(**changes)
        return str(raised.value)

    assert "cannot create resource" in (told := refusal())
    assert told.endswith("Give the run's service account this right.")
    grant()
    eventually(lambda: "does not know the kind. Install" in refusal())
    posted(client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    eventually(lambda: client.get(where).status_code == 200)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    quota["spec"] = hard = {"hard": {f"count/{plural}.{group}": "0"}}
    quotas = "/api/v1/namespaces/default/resourcequotas"
    posted(client, quotas, quota)
    patched(client, f"{quotas}/none/status", {"status": {**hard, "used": {f"count/{plural}.{group}": "0"}}})
    eventually(lambda: "exceeded quota: none" in (told := refusal(wait_seconds=0)) and "service account" not in told)
    client.delete(f"{quotas}/none")
    late = "was not ready within 0 s; its status says nothing: does"
    eventually(lambda: late in refusal(wait_seconds=0))
    assert items() == []  # what never got ready is taken away

    with ThreadPoolExecutor(1) as there:
        saying = there.submit(operator)
        first = made()  # created with strict validation: an unknown field would be refused
        saying.result()
        stored = items()[0]
        assert stored["metadata"]["ownerReferences"][0]["uid"] == "5f0c"
        assert stored["metadata"]["name"].startswith("run-2026-report-")  # a Service's name begins with a letter
        address = getattr(first, "scheduler_address", None) or first.address
        assert f"{stored['metadata']['name']}-" in address
        assert made().name == first.name  # a later attempt finds it
        # It is being deleted when the next attempt comes: that one waits, and makes another.
        patched(client, path_of(stored), {"metadata": {"finalizers": ["example.com/slow"]}})
        first.close()
        saying = there.submit(operator, stored["metadata"]["uid"])
        letting_go = Timer(0.5, patched, (client, path_of(stored), {"metadata": {"finalizers": None}}))
        letting_go.start()
        again = made()
        saying.result()
    assert again.name == first.name
    assert items()[0]["metadata"]["uid"] != stored["metadata"]["uid"]
    again.close()
    assert items() == []
