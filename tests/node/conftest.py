"""A real node with the images of `make images` and the chart on it: operator and engines are pods, with real tokens.

Only with REALNODE set to the folder of the node's scripts (`make e2e-node`), for it needs root.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.cluster import NAMESPACE, ROOT, Cluster, Program, Space, program
from tests.support.realserver import GivenServer

VERSION = "0.1.0"
IMAGE = f"docker.io/penstock/engine:{VERSION}"
ARCHIVES = Path(os.environ.get("PENSTOCK_IMAGES", ROOT / "build/images"))
CHART = ROOT / "charts/penstock"
# The operator stays where a test drives everybody else away.
VALUES = ("--set-json", 'tolerations=[{"operator":"Exists"}]')
# Images whose runtime asks a container to stop by another signal than SIGTERM.
STOPPED_BY = {"SIGQUIT": "penstock.local/engine:test-quit", "SIGRTMIN+3": "penstock.local/engine:test-rt"}
DEPENDENCIES = ["anyio", "cloudpickle", "httpx", "pydantic"]


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
        packages = str(self._packages())
        for signal, image in STOPPED_BY.items():
            self.script("image.sh", image, packages, str(ROOT / "engine"), IMAGE_STOPSIGNAL=signal)
        return self

    def _packages(self) -> Path:
        """An environment with the dependencies of a flow, for the images that are not built by our recipe."""
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

    def stop_server(self) -> None:
        self.script("node", "stop", "apiserver")

    def client(self) -> httpx.Client:
        return self.server.client(self.server.admin_token)

    def stop(self) -> None:
        super().stop()
        if self.given:
            self.given.stop()
        self.script("down")


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
