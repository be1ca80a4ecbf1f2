"""A real Kubernetes control plane on loopback, without nodes: etcd, kube-apiserver, kube-controller-manager.

The programs come from the folder in KUBEBUILDER_ASSETS, as for envtest. Everything lives in one temporary folder; every process is told
by the kernel to die with the test process, so that an aborted run leaves nothing behind.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import httpx

from tests.support.world import until

ASSETS = "KUBEBUILDER_ASSETS"
ASSETS_OLD = "KUBEBUILDER_ASSETS_OLD"
ASSETS_NEW = "KUBEBUILDER_ASSETS_NEW"
MISSING = (
    f"no real API server: set {ASSETS} to a folder with etcd, kube-apiserver, kube-controller-manager, kubectl and helm"
)
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)

AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class RealServer:
    """A control plane that runs from `start()` to `stop()`.

    Attributes:
        assets: folder of the programs.
        apiserver: folder of kube-apiserver, if it is to be of another version.
        controllers: whether kube-controller-manager runs (garbage collection, ServiceAccounts, namespaces' end).
    """

    assets: Path
    apiserver: Path | None = None
    controllers: bool = True
    arguments: tuple[str, ...] = ()
    controller_arguments: tuple[str, ...] = ()
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="realserver.")))
    admin_token: str = field(default_factory=lambda: secrets.token_hex(16))
    port: int = field(default_factory=free_port)
    etcd_port: int = field(default_factory=free_port)
    starts: list[datetime] = field(default_factory=list)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _logs: list[IO[bytes]] = field(default_factory=list)
    _audit: list[dict[str, Any]] = field(default_factory=list)
    _audited: int = 0  # bytes of the log

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def etcd_url(self) -> str:
        return f"http://127.0.0.1:{self.etcd_port}"

    @property
    def ca(self) -> Path:
        return self.folder / "certs/apiserver.crt"

    @property
    def audit_log(self) -> Path:
        return self.folder / "audit.log"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def client(self, token: str = "") -> httpx.Client:
        """Return a client with the given token, or with none (the caller sets one per request)."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        context = ssl.create_default_context(cafile=str(self.ca))
        return httpx.Client(base_url=self.url, verify=context, headers=headers, timeout=30, trust_env=False)

    def write_kubeconfig(self, name: str, token: str, namespace: str = "default") -> Path:
        """Write a kubeconfig for another actor and return its path."""
        return _write_kubeconfig(self.folder / name, self.url, str(self.ca), token, namespace)

    def audit(self) -> Iterator[dict[str, Any]]:
        """Yield every request that the server has logged; each line is read once, for the log is asked for again and again."""
        if self.audit_log.exists():
            with self.audit_log.open("rb") as log:
                log.seek(self._audited)
                for line in log:
                    if line.endswith(b"\n"):  # the last one may be half written
                        self._audit.append(json.loads(line))
                        self._audited += len(line)
        yield from self._audit

    def start(self) -> RealServer:
        """Start everything and return when the server is ready and serves the namespace `default`."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _run(self, name: str, program: Path, *arguments: str) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self._logs.append(log)
        self._processes[name] = subprocess.Popen(
            [str(program), *arguments], cwd=self.folder, stdout=log, stderr=log, preexec_fn=_die_with_parent
        )

    def _start(self) -> None:
        peers = free_port()
        manager = secrets.token_hex(16)
        (self.folder / "audit.json").write_text(json.dumps(AUDIT))
        users = f'{self.admin_token},admin,admin,"system:masters"\n{manager},system:kube-controller-manager,kcm,""\n'
        (self.folder / "tokens.csv").write_text(users)
        key = self.folder / "sa.key"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        self._run(
            "etcd", self.assets / "etcd", "--data-dir=etcd", "--unsafe-no-fsync", "--log-level=error",
            f"--listen-client-urls={self.etcd_url}", f"--advertise-client-urls={self.etcd_url}",
            f"--listen-peer-urls=http://127.0.0.1:{peers}",
        )  # fmt: skip
        self._apiserver = [
            f"--etcd-servers={self.etcd_url}", "--bind-address=127.0.0.1", f"--secure-port={self.port}",
            "--cert-dir=certs", f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=RBAC",
            "--token-auth-file=tokens.csv", "--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged=true",
            "--endpoint-reconciler-type=none", "--audit-policy-file=audit.json",
            f"--client-ca-file={self._client_authority()}", f"--audit-log-path={self.audit_log}", "--audit-log-mode=blocking", *self.arguments,
        ]  # fmt: skip
        self.start_apiserver()
        self.write_kubeconfig("kubeconfig", self.admin_token)
        if self.controllers:
            self.write_kubeconfig("kcm.kubeconfig", manager)
            self._start_controllers()
            with self.client(self.admin_token) as client:
                path = "/api/v1/namespaces/default/serviceaccounts/default"
                until("the default ServiceAccount", lambda: client.get(path).status_code == 200)

    def _client_authority(self) -> Path:
        """Make the authority whose certificates the server takes for users."""
        key, made = self.folder / "client-ca.key", self.folder / "client-ca.crt"
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
        _openssl("req", "-x509", "-new", "-key", str(key), "-subj", "/CN=users", "-days", "2", "-out", str(made))
        return made

    def client_certificate(self, user: str, group: str) -> tuple[str, str]:
        """Return a certificate of a user and its key, as PEM."""
        key, asked, made = (self.folder / f"{user}.{suffix}" for suffix in ("key", "csr", "crt"))
        authority = ("-CA", str(self.folder / "client-ca.crt"), "-CAkey", str(self.folder / "client-ca.key"))
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
        _openssl("req", "-new", "-key", str(key), "-subj", f"/O={group}/CN={user}", "-out", str(asked))
        _openssl("x509", "-req", "-in", str(asked), *authority, "-CAcreateserial", "-days", "1", "-out", str(made))
        return made.read_text(), key.read_text()

    def _start_controllers(self) -> None:
        self._run(
            "kcm", self._program("kube-controller-manager"), "--kubeconfig=kcm.kubeconfig",
            "--service-account-private-key-file=sa.key", f"--root-ca-file={self.ca}",
            "--use-service-account-credentials", "--leader-elect=false", "--secure-port=0",
            "--controllers=*,-nodelifecycle,-nodeipam", *self.controller_arguments,
        )  # fmt: skip

    def _program(self, name: str) -> Path:
        other = self.apiserver / name if self.apiserver else None
        return other if other and other.exists() else self.assets / name

    def start_apiserver(self) -> None:
        """Start kube-apiserver (again, after `stop_apiserver`) and wait until it is ready."""
        self.starts.append(datetime.now(UTC))
        self._run("apiserver", self._program("kube-apiserver"), *self._apiserver)
        until("the API server is ready", self._ready)
        if "kcm" in self._processes:  # after an outage its watches come back by a backoff of up to half a minute
            self.restart_controllers(*self.controller_arguments)

    def restart_controllers(self, *arguments: str) -> None:
        """End kube-controller-manager, and start it with these further arguments."""
        manager = self._processes.pop("kcm")
        manager.kill()
        manager.wait()
        self.controller_arguments = arguments
        self._start_controllers()

    def pids(self) -> dict[str, int]:
        """The processes by name: etcd, apiserver, kcm."""
        return {name: process.pid for name, process in self._processes.items()}

    def stop_apiserver(self) -> None:
        """Take the API server away; etcd keeps what it stored."""
        process = self._processes.pop("apiserver")
        process.kill()
        process.wait()

    def _ready(self) -> bool:
        process = self._processes["apiserver"]
        if process.poll() is not None:
            tail = (self.folder / "apiserver.log").read_text()[-2000:]
            raise AssertionError(f"kube-apiserver ended with {process.returncode}:\n{tail}")
        if not self.ca.exists():
            return False
        try:
            with self.client(self.admin_token) as client:
                return client.get("/readyz").status_code == 200
        except (httpx.TransportError, OSError):
            return False

    def stop(self) -> None:
        """End every process and remove the folder."""
        for process in reversed(self._processes.values()):
            process.kill()
        for process in self._processes.values():
            process.wait()
        for log in self._logs:
            log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@dataclass
class GivenServer:
    """The API server of KUBECONFIG: a cluster of the user's, which tests may change and never stop.

    Attributes:
        kubeconfig: the file; its current context is used, and must carry a token or a client certificate.
    """

    kubeconfig: Path
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="givenserver.")))

    def _view(self) -> dict[str, Any]:
        command = ["kubectl", "config", "view", "--raw", "--minify", "--flatten", "-o", "json"]
        env = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        view: dict[str, Any] = json.loads(subprocess.run(command, env=env, check=True, capture_output=True).stdout)
        return {"cluster": view["clusters"][0]["cluster"], "user": view["users"][0]["user"]}

    @property
    def url(self) -> str:
        return str(self._view()["cluster"]["server"])

    @property
    def admin_token(self) -> str:
        return str(self._view()["user"].get("token", ""))

    @property
    def ca(self) -> Path:
        path = self.folder / "ca.crt"
        if not path.exists():
            path.write_bytes(base64.b64decode(self._view()["cluster"].get("certificate-authority-data", "")))
        return path

    def client(self, token: str = "") -> httpx.Client:
        """Return a client with the given token, or with none (the caller sets one per request)."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        verify = ssl.create_default_context(cafile=str(self.ca)) if self.url.startswith("https:") else True
        return httpx.Client(base_url=self.url, verify=verify, headers=headers, timeout=30, trust_env=False)

    def write_kubeconfig(self, name: str, token: str, namespace: str = "default") -> Path:
        """Write a kubeconfig for another actor and return its path."""
        return _write_kubeconfig(self.folder / name, self.url, str(self.ca), token, namespace)

    def start(self) -> GivenServer:
        """Check that it answers to its administrator's token."""
        with self.client(self.admin_token) as client:
            answer = client.get("/readyz")
        if not self.admin_token or answer.status_code != 200:
            raise PermissionError(
                f"the cluster of KUBECONFIG={self.kubeconfig} must answer to a token: /readyz said {answer.status_code}"
            )
        return self

    def stop(self) -> None:
        """Leave the cluster alone; remove what was written here."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _write_kubeconfig(path: Path, url: str, ca: str, token: str, namespace: str) -> Path:
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "main",
        "clusters": [{"name": "main", "cluster": {"server": url, "certificate-authority": ca}}],
        "users": [{"name": "main", "user": {"token": token}}],
        "contexts": [{"name": "main", "context": {"cluster": "main", "user": "main", "namespace": namespace}}],
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(document))
    return path


def given() -> Path | None:
    """Return the file in KUBECONFIG, if it is set."""
    value = os.environ.get("KUBECONFIG")
    return Path(value.split(":")[0]) if value else None


def real_server() -> RealServer | GivenServer | None:
    """Return the real API server that the environment offers, not started: one of our own before the user's."""
    folder, kubeconfig = assets(), given()
    if folder:
        return RealServer(folder)
    return GivenServer(kubeconfig) if kubeconfig else None


def assets() -> Path | None:
    """Return the folder in KUBEBUILDER_ASSETS, if it is set; a wrong one is an error, not a skip."""
    value = os.environ.get(ASSETS)
    if not value:
        return None
    missing = [p for p in ("etcd", "kube-apiserver", "kube-controller-manager") if not (Path(value) / p).exists()]
    if missing:
        raise FileNotFoundError(f"{ASSETS}={value} lacks {', '.join(missing)}")
    return Path(value)


def other_apiserver(name: str) -> Path | None:
    """Return the folder with a kube-apiserver of another version that the environment variable of that name tells, if it is set."""
    value = os.environ.get(name)
    return Path(value) if value else None
