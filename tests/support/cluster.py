"""A whole Penstock on an API server: operator, node, kubectl. The stories run on two of them, chosen by a parameter, not by copies.

`DevCluster` is the embedded control plane; `RealCluster` is etcd and kube-apiserver with what `helm template` renders, the operator with
its own ServiceAccount's token and nothing more. In both the node runs pods as local processes, and both are driven by kubectl.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from penstock_dev.subjects import ACCOUNT as OPERATOR
from penstock_dev.subjects import NAMESPACE as OPERATOR_NAMESPACE
from penstock_dev.subjects import subjects
from tests.support.realserver import GivenServer, RealServer
from tests.support.world import until

ROOT = Path(__file__).parents[2]
NAMESPACE = "penstock-system"
_LIBC = ctypes.CDLL(None)


def die_with_parent() -> None:
    """In a child before exec: the kernel kills it when the test process ends, however that ends."""
    _LIBC.prctl(1, signal.SIGKILL)


def program(name: str) -> str:
    """Return kubectl or helm: those beside the real control plane first, then those on PATH; without one the test is skipped."""
    beside = Path(os.environ.get("KUBEBUILDER_ASSETS", "")) / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if not found:
        pytest.skip(f"{name} is neither in KUBEBUILDER_ASSETS nor on PATH")
    return found


@dataclass
class Program:
    """A long-running process with its output in a file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """kill -9, and wait."""
        self.process.kill()
        self.process.wait()

    def end(self, seconds: float = 15) -> int:
        """SIGTERM, and wait; returns the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {seconds:g} s of SIGTERM:\n{self.tail()}") from None

    def tail(self, size: int = 4000) -> str:
        return self.log.read_text(errors="replace")[-size:]


class KubectlError(AssertionError):
    """kubectl ended with an error."""


@dataclass
class Cluster(ABC):
    """What the stories use."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="cluster.")))
    operator: Program | None = None
    node: Program | None = None
    programs: list[Program] = field(default_factory=list)
    operator_arguments: tuple[str, ...] = ()
    _reader: httpx.Client | None = None
    build: Path = ROOT  # whose operator, CRDs and policies: another checkout's, to be compared with this one

    # --- life -----------------------------------------------------------------------------------------------------------------------
    @property
    @abstractmethod
    def kubeconfig(self) -> Path:
        """The administrator's."""

    @property
    @abstractmethod
    def operator_kubeconfig(self) -> Path:
        """The operator's own."""

    @abstractmethod
    def start(self) -> Cluster:
        """Start the control plane, install Penstock, start operator and node."""

    @abstractmethod
    def stop_server(self) -> None:
        """Take the API server away; it keeps what it stored."""

    @abstractmethod
    def start_server(self) -> None:
        """Bring it back under the same address."""

    @abstractmethod
    def client(self) -> httpx.Client:
        """Return an administrator's HTTP client."""

    def launch(self, name: str, *arguments: str, **env: str) -> Program:
        """Start a Python program of the project."""
        if self.build != ROOT:  # before the installed one
            env["PYTHONPATH"] = os.pathsep.join(str(self.build / room) for room in ("engine", "operator"))
        log = self.folder / f"{name}-{len(self.programs)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=self.folder,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env},
                preexec_fn=die_with_parent,
            )
        started = Program(name, process, log)
        self.programs.append(started)
        return started

    def start_operator(self) -> Program:
        arguments = ("penstock_operator", "--engine-image=penstock/engine:test", *self.operator_arguments)
        self.operator = self.launch("operator", *arguments, KUBECONFIG=str(self.operator_kubeconfig))
        return self.operator

    def kill_operator(self) -> None:
        """kill -9."""
        assert self.operator
        self.operator.kill()

    def start_node(self) -> Program:
        folder = self.folder / "node"
        self.node = self.launch(
            "node",
            "penstock_cli",
            "dev",
            "node",
            "--data",
            str(folder),
            "--max-pods",
            "12",
            KUBECONFIG=str(self.kubeconfig),
        )
        return self.node

    def stop(self) -> None:
        if self._reader:
            self._reader.close()
        for one in reversed(self.programs):
            if one.process.poll() is None:
                one.process.terminate()
        for one in self.programs:
            try:
                one.process.wait(10)
            except subprocess.TimeoutExpired:
                one.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def logs(self) -> str:
        """The ends of all logs, for a failure's report."""
        return "\n".join(f"--- {p.name}\n{p.tail(2500)}" for p in self.programs)

    # --- kubectl ---------------------------------------------------------------------------------------------------------------------
    def read(self, path: str, **query: str) -> dict[str, Any] | None:
        """GET a path as the administrator; None if it is not there.

        Waiting stories ask some times a second, dozens of them at once: a kubectl for each look would take the machine from what they wait for.
        """
        if self._reader is None:
            self._reader = self.client()
        answer = self._reader.get(
            path, params=query, headers={"Connection": "close"}
        )  # a server that was restarted has no old connections
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        return dict(answer.json())

    def kubectl(self, *arguments: str, stdin: str = "", ok: bool = True, seconds: float = 60) -> str:
        """Run kubectl as the administrator and return its output (both streams when it fails).

        Raises:
            KubectlError: it ended with an error although `ok`.
        """
        done = subprocess.run(
            [program("kubectl"), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            cwd=self.folder,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
        )
        if ok and done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout if not done.returncode else done.stdout + done.stderr

    @contextmanager
    def server_away(self) -> Iterator[None]:
        """The API server does not answer inside the block."""
        self.stop_server()
        try:
            yield
        finally:
            self.start_server()


@dataclass
class Space:
    """A namespace on a cluster: what one story sees."""

    cluster: Cluster
    name: str

    def kubectl(self, *arguments: str, stdin: str = "", ok: bool = True, seconds: float = 60) -> str:
        return self.cluster.kubectl("-n", self.name, *arguments, stdin=stdin, ok=ok, seconds=seconds)

    def apply(self, *documents: dict[str, Any], ok: bool = True) -> str:
        """kubectl apply, all documents at once."""
        return self.kubectl("apply", "-f", "-", stdin=listed(documents), ok=ok)

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return an object, or None if there is none."""
        text = self.kubectl("get", kind, name, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def find(self, name: str) -> dict[str, Any] | None:
        """Return a FlowRun, or None if there is none."""
        return self.cluster.read(f"/apis/penstock.dev/v1alpha1/namespaces/{self.name}/flowruns/{name}")

    def run(self, name: str) -> dict[str, Any]:
        found = self.find(name)
        assert found, f"no FlowRun {name}"
        return found

    def status(self, name: str) -> dict[str, Any]:
        return dict(self.run(name).get("status") or {})

    def state(self, name: str) -> tuple[str, str]:
        state = self.status(name).get("state") or {}
        return state.get("type", ""), state.get("name", "")

    def pods(self, run: str = "") -> list[dict[str, Any]]:
        selector = f"penstock.dev/flow-run={run}" if run else "app.kubernetes.io/managed-by=penstock"
        found = self.cluster.read(f"/api/v1/namespaces/{self.name}/pods", labelSelector=selector)
        return list((found or {})["items"])

    def wait(
        self, name: str, condition: Callable[[dict[str, Any]], bool], what: str, seconds: float = 30
    ) -> dict[str, Any]:
        """Wait until the run's status meets the condition; the failure tells the status and the logs."""
        last: dict[str, Any] = {}

        def met() -> bool:
            nonlocal last
            found = self.find(name)
            last = dict((found or {}).get("status") or {})
            if last.get("state") and condition(last):
                return True
            if last.get("completionTime"):  # nothing more will come: do not wait for the end of the patience
                raise AssertionError(f"the run has ended, and never: {what}")
            return False

        try:
            until(what, met, seconds)
        except AssertionError as error:
            report = json.dumps(last, indent=1)
            raise AssertionError(f"{error}\nstatus: {report}\n{self.cluster.logs()}") from None
        return last

    def wait_type(self, name: str, *types: str, seconds: float = 30) -> dict[str, Any]:
        """Wait for one of the state types."""
        return self.wait(
            name, lambda s: (s.get("state") or {}).get("type") in types, f"{name} is {' or '.join(types)}", seconds
        )

    def finish(self, name: str, seconds: float = 30) -> dict[str, Any]:
        """Wait for a terminal state and return the status."""
        return self.wait_type(name, "Completed", "Failed", "Crashed", "Cancelled", seconds=seconds)

    def pid(self, run: str, attempt: int = 1) -> int:
        """The pid that the body printed as `PID=...`."""
        found: list[int] = []

        def printed() -> bool:
            words = [w for w in self.log(run, attempt).replace('"', " ").split() if w.startswith("PID=")]
            found[:] = [int(w.removeprefix("PID=")) for w in words]
            return bool(found)

        until("the body has printed its pid", printed)
        return found[0]

    def log(self, run: str, attempt: int = 1) -> str:
        """The log of an attempt's pod."""
        pod = next(p for p in self.pods(run) if p["metadata"]["labels"]["penstock.dev/attempt"] == str(attempt))
        return self.kubectl("logs", pod["metadata"]["name"])


@dataclass
class DevCluster(Cluster):
    """The embedded control plane, each part in a process of its own so that a story can take one away."""

    server: Program | None = None

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def operator_kubeconfig(self) -> Path:
        return self.folder / "operator.kubeconfig"

    def start(self) -> Cluster:
        self.start_server()
        token = self.kubectl("-n", OPERATOR_NAMESPACE, "create", "token", OPERATOR, "--duration=8h").strip()
        document = json.loads(self.kubeconfig.read_text())
        document["users"][0]["user"]["token"] = token
        self.operator_kubeconfig.write_text(json.dumps(document))
        self.start_operator()
        self.start_node()
        return self

    def start_server(self) -> None:
        port = ("--port", self._cluster()["server"].rsplit(":", 1)[1]) if self.kubeconfig.exists() else ()
        crds = self.folder / "crds.yaml"
        crds.write_text("\n---\n".join(p.read_text() for p in sorted((ROOT / "crds").glob("*.yaml"))))
        objects = self.folder / "subjects.yaml"
        objects.write_text(listed(subjects()))
        arguments = (
            "--kubeconfig",
            str(self.kubeconfig),
            "--data",
            str(self.folder / "store"),
            "--logs",
            str(self.folder / "node/logs"),
            "--crds",
            str(crds),
            "--policies",
            str(ROOT / "charts/penstock/files/policies.yaml"),
            "--objects",
            str(objects),
        )
        self.server = self.launch("server", "penstock_dev.apiserver", *arguments, *port)
        until("the embedded API server answers", self._answers)

    def _cluster(self) -> dict[str, Any]:
        return dict(json.loads(self.kubeconfig.read_text())["clusters"][0]["cluster"])

    def _answers(self) -> bool:
        assert self.server
        if self.server.process.poll() is not None:
            raise AssertionError(f"the embedded API server ended:\n{self.server.tail()}")
        if not self.kubeconfig.exists():
            return False
        try:
            with self.client() as client:
                return client.get("/readyz").status_code == 200
        except (httpx.TransportError, json.JSONDecodeError):
            return False

    def check_all_granted(self) -> None:
        """The operator was refused nothing for want of a right: it would have said so in its log."""
        refused = f"serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR}"
        operators = [p for p in self.programs if p.name == "operator"]
        lines = [line for p in operators for line in p.log.read_text().splitlines() if refused in line]
        assert lines == [], lines[0]

    def stop_server(self) -> None:
        assert self.server
        self.server.kill()

    def client(self) -> httpx.Client:
        return client_of(self.kubeconfig)


def client_of(kubeconfig: Path, *, token: bool = True) -> httpx.Client:
    """Return a client for the embedded control plane by the kubeconfig that it wrote, with its token or with none."""
    document = json.loads(kubeconfig.read_text())
    cluster = document["clusters"][0]["cluster"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    headers = {"Authorization": f"Bearer {document['users'][0]['user']['token']}"} if token else {}
    return httpx.Client(base_url=cluster["server"], verify=context, headers=headers, trust_env=False, timeout=30)


@dataclass
class RealCluster(Cluster):
    """etcd, kube-apiserver, kube-controller-manager, and the chart."""

    server: RealServer | GivenServer | None = None

    @property
    def real(self) -> RealServer | GivenServer:
        assert self.server
        return self.server

    @property
    def own(self) -> RealServer:
        """The server, where a story needs one that it may stop or whose audit log it may read."""
        if not isinstance(self.server, RealServer):
            pytest.skip("this story needs an API server of its own: set KUBEBUILDER_ASSETS")
        return self.server

    @property
    def kubeconfig(self) -> Path:
        return self.real.kubeconfig

    @property
    def operator_kubeconfig(self) -> Path:
        return self.real.folder / "operator.kubeconfig"

    def start(self) -> Cluster:
        self.real.start()
        self.kubectl(
            "apply",
            "-f",
            "-",
            stdin=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        )
        rendered = helm_template(build=self.build)
        self.kubectl("apply", "--server-side", "-f", "-", stdin=rendered)
        names = ("flowruns", "flows")
        self.kubectl("wait", "--for=condition=Established", *(f"crd/{n}.penstock.dev" for n in names))
        token = self.kubectl("-n", NAMESPACE, "create", "token", "penstock", "--duration=8h").strip()
        self.real.write_kubeconfig("operator.kubeconfig", token, NAMESPACE)
        self.start_operator()
        self.start_node()
        return self

    def start_server(self) -> None:
        self.own.start_apiserver()

    def stop_server(self) -> None:
        self.own.stop_apiserver()

    def client(self) -> httpx.Client:
        return self.real.client(self.real.admin_token)

    def stop(self) -> None:
        super().stop()
        self.real.stop()


class WithoutNode(RealCluster):
    """The real control plane and the operator; whoever uses it plays the node."""

    def start_node(self) -> Any:
        return None


def helm_template(*arguments: str, build: Path = ROOT) -> str:
    """Return what the chart renders, without its Deployment (there is no node that could run an image)."""
    done = subprocess.run(
        [
            program("helm"),
            "template",
            "--no-hooks",
            "penstock",
            str(build / "charts/penstock"),
            "--namespace",
            NAMESPACE,
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    documents = [d for d in yaml.safe_load_all(done.stdout) if d and d["kind"] != "Deployment"]
    return listed(documents)


def listed(documents: Iterable[dict[str, Any]]) -> str:
    """Return the documents as YAML: kubectl takes what begins like JSON for a JSON stream, and then may refuse the separators."""
    return yaml.safe_dump_all(documents, sort_keys=False)


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
