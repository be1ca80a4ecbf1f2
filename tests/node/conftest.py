"""A real node: kubelet, containers, scheduler. Only with REALNODE set to the folder of its scripts (`make e2e-node`), for it needs root."""

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

from tests.support.cluster import NAMESPACE, ROOT, Cluster, Program, Space, helm_template
from tests.support.realserver import GivenServer

IMAGE = "penstock.local/engine:test"
# Images whose runtime asks a container to stop by another signal than SIGTERM.
STOPPED_BY = {"SIGQUIT": f"{IMAGE}-quit", "SIGRTMIN+3": f"{IMAGE}-rt"}
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
        return self.server.folder / "operator.kubeconfig"

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
        packages = str(self._packages())
        self.script("image.sh", IMAGE, packages, str(ROOT / "engine"))
        for signal, image in STOPPED_BY.items():
            self.script("image.sh", image, packages, str(ROOT / "engine"), IMAGE_STOPSIGNAL=signal)
        self.kubectl(
            "apply", "-f", "-", stdin=f'{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{NAMESPACE}"}}}}'
        )
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=helm_template())
        self.kubectl("wait", "--for=condition=Established", "crd/flowruns.penstock.dev", "crd/flows.penstock.dev")
        token = self.kubectl("-n", NAMESPACE, "create", "token", "penstock", "--duration=8h").strip()
        self.server.write_kubeconfig("operator.kubeconfig", token, NAMESPACE)
        self.start_operator()
        return self

    def _packages(self) -> Path:
        """An environment with what the engine's image holds: the dependencies of a flow, and nothing of the operator."""
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

    def start_operator(self) -> Program:
        arguments = ("penstock_operator", f"--engine-image={IMAGE}")
        self.operator = self.launch("operator", *arguments, KUBECONFIG=str(self.operator_kubeconfig))
        return self.operator

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
