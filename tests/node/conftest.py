"""A real node with the images of `make images` and the chart on it: operator and engines are pods, with real tokens.

Only with REALNODE set to the folder of the node's scripts (`make e2e-node`), for it needs root.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.cluster import NAMESPACE, ROOT, Cluster, Program, Space, program
from tests.support.flows import execution, run
from tests.support.longwaits import chain as source_of_chain
from tests.support.realserver import GivenServer
from tests.support.world import until

VERSION = "0.1.0"
IMAGE = f"docker.io/penstock/engine:{VERSION}"
ARCHIVES = Path(os.environ.get("PENSTOCK_IMAGES", ROOT / "build/images"))
CHART = ROOT / "charts/penstock"
# The operator stays where a test drives everybody else away.
VALUES = ("--set-json", 'tolerations=[{"operator":"Exists"}]')
DELAY = 90.0  # of the chain's waits: longer than the minute that is waited for in a pod
# Images whose runtime asks a container to stop by another signal than SIGTERM.
STOPPED_BY = {"SIGQUIT": "penstock.local/engine:test-quit", "SIGRTMIN+3": "penstock.local/engine:test-rt"}
# One with the client of object stores, as a user's own image has it.
WITH_BUCKETS = "penstock.local/engine:test-buckets"
DEPENDENCIES = ["anyio", "cloudpickle", "httpx", "pydantic", "obstore"]


@dataclass
class NodeCluster(Cluster):
    """A cluster with a kubelet of its own: pods are containers, nothing is played."""

    scripts: Path = Path()
    given: GivenServer | None = None

    @property
    def server(self) -> GivenServer:
        assert self.given
        return self.given

    @property
    def kubeconfig(self) -> Path:
        return self.server.kubeconfig

    @property
    def operator_kubeconfig(self) -> Path:
        raise NotImplementedError("the operator is a pod here, with its own token")

    def script(self, name: str, *arguments: str, **env: str) -> str:
        """Run one of the node's scripts."""
        done = subprocess.run(
            [str(self.scripts / name), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **env},
        )
        assert done.returncode == 0, f"{name} {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self) -> Cluster:
        printed = self.script("up")
        exported = dict(re.findall(r"export (\w+)=(\S+)", printed))
        os.environ["PATH"] = f"{exported['PATH'].split(':')[0]}:{os.environ['PATH']}"
        self.given = GivenServer(Path(exported["KUBECONFIG"])).start()
        for target in ("engine", "operator"):
            self.import_image(ARCHIVES / f"{target}.tar", f"docker.io/penstock/{target}:{VERSION}")
        self.helm("install", "penstock", str(CHART), "--create-namespace", "--wait", "--timeout=120s", *VALUES)
        return self

    def make_image(self, name: str, **how: str) -> None:
        """Make an image that is not built by our recipe: a flow's dependencies, and the engine as it is here."""
        self.script("image.sh", name, str(self._packages), str(ROOT / "engine"), **how)

    @cached_property
    def _packages(self) -> Path:
        folder = self.folder / "image"
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
        pip = [
            str(folder / "bin/python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *DEPENDENCIES,
        ]
        subprocess.run(pip, check=True, capture_output=True)
        return folder

    def import_image(self, archive: Path, name: str) -> None:
        """Give the node an image, and keep it from throwing it away."""
        self.script("node", "ctr", "images", "import", str(archive))
        self.script("node", "ctr", "images", "label", name, "io.cri-containerd.pinned=pinned")

    def helm(self, *arguments: str, ok: bool = True, seconds: float = 300) -> str:
        """Run helm as the administrator, in the namespace of the release."""
        done = subprocess.run(
            [program("helm"), "--kubeconfig", str(self.kubeconfig), "--namespace", NAMESPACE, *arguments],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if ok and done.returncode:
            raise AssertionError(f"helm {' '.join(arguments)}: {done.stdout}{done.stderr}\n{self.logs()}")
        return done.stdout + done.stderr

    def logs(self) -> str:
        log = self.kubectl("-n", NAMESPACE, "logs", "deployment/penstock-operator", "--tail=60", ok=False)
        pods = self.kubectl("-n", NAMESPACE, "get", "pods,events", ok=False)
        return f"--- operator\n{log}\n{pods}"

    def start_operator(self) -> Program:
        raise NotImplementedError("the operator is a pod here")

    def start_server(self) -> None:
        self.script("node", "start", "apiserver")
        with self.client() as client:
            until("the API server is ready again", lambda: _ready(client), 60)

    def stop_server(self) -> None:
        self.script("node", "stop", "apiserver")

    def client(self) -> httpx.Client:
        return self.server.client(self.server.admin_token)

    def this_machine(self) -> str:
        """The address by which pods reach a server of this process: that of the link to the node."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.connect((httpx.URL(self.server.url).host, 443))  # sends nothing, and chooses the way
            return str(link.getsockname()[0])

    def inside(self, command: str) -> str:
        """Run a shell's command in the node; what it prints."""
        return self.script("node", "exec", "sh", "-c", command)

    def created(self, resource: str, namespace: str) -> list[str]:
        """The names under which objects were made there, by the server's audit log: also of those that are gone."""
        found = []
        for line in (self.kubeconfig.parent / "audit.log").read_text().splitlines():
            if '"verb":"create"' not in line or f'"namespace":"{namespace}"' not in line:
                continue
            said = json.loads(line)
            about = said["objectRef"]
            if about["resource"] == resource and "subresource" not in about and said["responseStatus"]["code"] == 201:
                found.append(about["name"])
        return found

    def stop(self) -> None:
        super().stop()
        if self.given:
            self.given.stop()
        self.script("down")


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz", headers={"Connection": "close"}).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def node() -> Iterator[NodeCluster]:
    """The real node with Penstock on it."""
    scripts = os.environ.get("REALNODE")
    if not scripts:
        pytest.skip("the real node: run `make e2e-node` (needs root, and the folder of its scripts in REALNODE)")
    missing = [t for t in ("engine", "operator") if not (ARCHIVES / f"{t}.tar").exists()]
    if missing:
        raise FileNotFoundError(f"{ARCHIVES} has no image of {' and '.join(missing)}: run `make images` first")
    cluster = NodeCluster(scripts=Path(scripts).resolve())
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def space(node: NodeCluster) -> Iterator[Space]:
    """One namespace for all stories: they run beside each other, as on any node."""
    name = f"node-{os.getpid()}"
    node.kubectl("apply", "-f", "-", stdin=f'{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{name}"}}}}')
    yield Space(node, name)
    node.kubectl("delete", "namespace", name, "--wait=false")


@dataclass(frozen=True)
class Claim:
    """A claim on a volume that is a folder of the node's.

    Attributes:
        node: which.
        name: of the claim.
        folder: of the node.
    """

    node: NodeCluster
    name: str
    folder: str

    def pod(self, **fields: Any) -> dict[str, Any]:
        """A template: the claim is mounted at /results."""
        volume = {"name": "results", "persistentVolumeClaim": {"claimName": self.name}}
        engine = {"name": "engine", "volumeMounts": [{"name": "results", "mountPath": "/results"}]}
        return {"spec": {"volumes": [volume], "containers": [engine], **fields}}

    def make(self, folder: str) -> None:
        """Make a folder in it that whoever runs in a pod may write to."""
        self.node.inside(f"mkdir -p {self.folder}/{folder} && chmod 777 {self.folder}/{folder}")

    def touch(self, *paths: str) -> None:
        self.node.inside(f"cd {self.folder} && touch {' '.join(paths)}")

    def there(self, path: str) -> bool:
        return self.node.inside(f"test -e {self.folder}/{path} && echo yes || true").strip() == "yes"

    def lines(self, path: str) -> list[str]:
        """What the file has; nothing yet where there is none."""
        return self.node.inside(f"cat {self.folder}/{path} 2>/dev/null || true").split()


@pytest.fixture(scope="session")
def claim(node: NodeCluster, space: Space) -> Iterator[Claim]:
    """Volume and claim find each other by name, for nothing provides volumes here; it is nobody's, for a hostPath is given to no group."""
    made = Claim(node, "results", f"/tmp/penstock-results-{os.getpid()}")
    made.make("")
    size, volume = {"storage": "1Gi"}, f"results-{space.name}"
    common = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    space.apply(
        {
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume},
            "spec": {
                **common, "capacity": size, "hostPath": {"path": made.folder}, "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": {"name": made.name, "namespace": space.name},
            },
        },
        {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": made.name},
            "spec": {**common, "resources": {"requests": size}, "volumeName": volume},
        },
    )  # fmt: skip
    yield made
    node.inside(f"rm -rf {made.folder}")


@pytest.fixture(scope="session")
def chain(space: Space, claim: Claim) -> str:
    """The name of a run whose waits take five minutes: applied before all else, looked at after all else."""
    fields = execution(
        source_of_chain(DELAY),
        results={"storage": "file:///results/chain", "persist": True},
        # What other stories do to the whole node is not its matter.
        template=claim.pod(tolerations=[{"operator": "Exists"}]),
    )
    made = run("chain", ref="-")
    made["spec"] = {**made["spec"], "flowSpec": fields}
    del made["spec"]["flowRef"]
    space.apply(made)
    return "chain"


@pytest.fixture(scope="session", autouse=True)
def begins_early(request: pytest.FixtureRequest) -> None:
    """What only waits does so beside everything else."""
    if any("chain" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("chain")
