"""A whole Penstock on this machine: the embedded API server and the node in this process, the operator as a process of its own.

`DevCluster` starts the three in that order and ends them in the order that leaves nothing undone: the operator first (so that it makes
no new attempts of what ends), then the pods, then the server. Invariants: one of them per folder; only loopback is listened on; nothing
of it outlives this process, however it ends (`guard.py`). The operator is the cluster's own, unchanged, and knows nothing of this.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from penstock_operator.api.admission import policies
from penstock_operator.api.crd import crds
from penstock_operator.runtime.credentials import Credentials, Endpoint

from .apiserver.logs import FolderLogs
from .apiserver.server import ApiServer
from .guard import MARK, Guard
from .kubeconfig import write_kubeconfig
from .node.node import Node
from .subjects import ACCOUNT, NAMESPACE, subjects

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DevCluster", "DevError"]

_STOP_OPERATOR_SECONDS = 3.0
_TAIL = 2000
_READY = b"ready: the caches are filled"
_READY_SECONDS = 30.0
_POLL_SECONDS = 0.02


class DevError(Exception):
    """It cannot start, or cannot go on; the message is for the person who started it."""


class DevCluster:
    """The control plane of `penstock dev`.

    Args:
        folder: where the kubeconfig, the logs and the lock are; made when it does not exist.
        port: port of the API server on 127.0.0.1; 0 takes a free one.
        keep: keep the objects in the folder over a restart.
        max_pods: how many pods run at a time; None: the node's default.
        workdir: working directory of flows.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        keep: bool = False,
        max_pods: int | None = None,
        workdir: Path | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.kubeconfig = self.folder / "kubeconfig"
        self.operator_log = self.folder / "operator.log"
        self._operator_kubeconfig = self.folder / "operator.kubeconfig"
        self._port = port
        self._keep = keep
        self._max_pods = max_pods
        self._workdir = workdir
        self._lock: int | None = None
        self._guard: Guard | None = None
        self._server: ApiServer | None = None
        self._node: Node | None = None
        self._operator: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """The API server's address."""
        return self._server.url if self._server is not None else ""

    def credentials(self) -> Credentials:
        """Return how this process's own clients reach the API server."""
        if self._server is None:
            raise RuntimeError("the control plane is not started")
        token = self._server.token
        endpoint = Endpoint(server=self._server.url, namespace="default", ca=self._server.ca)
        return Credentials(endpoint, lambda: token, clock=time.monotonic)

    async def start(self) -> None:
        """Start everything; returns when a FlowRun that is applied now is taken up.

        Raises:
            DevError: another one runs in this folder, or the port is taken, or the operator ended.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_lock()
        try:
            if not self._keep:
                # Of pods that nobody remembers.
                await asyncio.to_thread(shutil.rmtree, self.folder / "logs", ignore_errors=True)
            self._guard = Guard()
            await self._start_server()
            server = self._running_server()
            write_kubeconfig(self.kubeconfig, server.kubeconfig())
            token = server.account_token(NAMESPACE, ACCOUNT)
            write_kubeconfig(self._operator_kubeconfig, server.kubeconfig(token, NAMESPACE))
            await self._start_operator()
            self._node = Node(
                self.credentials(),
                logs=self.folder / "logs",
                data=self.folder,
                workdir=self._workdir,
                max_pods=self._max_pods,
                guard=self._guard,
            )
            await self._node.start()
            await self._until_operator_ready()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End everything. Safe to call twice, and after a start that failed."""
        if self._operator is not None:
            await self._stop_operator(self._operator)
            self._operator = None
        if self._node is not None:
            await self._node.stop()
            self._node = None
        if self._server is not None:
            await self._server.stop()
            self._server = None
        if self._guard is not None:
            await asyncio.to_thread(self._guard.close)
            self._guard = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def until_operator_ends(self) -> str:
        """Wait until the operator ends by itself; returns what to tell."""
        if self._operator is None:
            raise RuntimeError("the control plane is not started")
        code = await self._operator.wait()
        return self._operator_ended(code)

    def _operator_ended(self, code: int) -> str:
        text = self.operator_log.read_text(errors="replace")[-_TAIL:].rstrip()
        return f"the operator ended (exit code {code}); its last words, from {self.operator_log}:\n{text}"

    def _take_lock(self) -> None:
        path = self.folder / "lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(lock, 32).decode(errors="replace").strip()
            os.close(lock)
            raise DevError(
                f"penstock dev is running already in {self.folder} (process {owner or 'unknown'}). "
                f"Use it (export KUBECONFIG={self.kubeconfig}), end it, or start another one with --data OTHER_FOLDER"
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._lock = lock

    async def _start_server(self) -> None:
        server = ApiServer(
            port=self._port,
            data=self.folder / "store" if self._keep else None,
            crds=crds(),
            policies=policies(),
            objects=subjects(),
            logs=FolderLogs(self.folder / "logs"),
        )
        try:
            await server.start()
        except OSError as error:
            why = f"port {self._port} of 127.0.0.1 cannot be used: {error.strerror or error}"
            raise DevError(f"{why}. Choose another --port, or leave it out") from error
        self._server = server

    def _running_server(self) -> ApiServer:
        if self._server is None:
            raise RuntimeError("the control plane is not started")
        return self._server

    async def _start_operator(self) -> None:
        if self._guard is None:
            raise RuntimeError("the control plane is not started")
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name != "KUBECONFIG" and not name.startswith("KUBERNETES_")
        }
        with self.operator_log.open("wb") as log:
            self._operator = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "penstock_operator",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**inherited, "KUBECONFIG": str(self._operator_kubeconfig), MARK: f"{self._guard.mark}.operator"},
                # Ctrl-C in the terminal is for this process, which then ends the operator in its turn.
                start_new_session=True,
            )
        self._guard.add(self._operator.pid)

    async def _until_operator_ready(self) -> None:
        """Wait for the operator to say that it is ready (its probes listen on all addresses, so they are off)."""
        if self._operator is None:
            raise RuntimeError("the control plane is not started")
        ended = asyncio.create_task(self._operator.wait())
        deadline = asyncio.get_running_loop().time() + _READY_SECONDS
        try:
            while _READY not in await asyncio.to_thread(self.operator_log.read_bytes):
                if ended.done():
                    raise DevError(self._operator_ended(ended.result()))
                if asyncio.get_running_loop().time() > deadline:
                    raise DevError(
                        f"the operator was not ready within {_READY_SECONDS:g} s; its log: {self.operator_log}"
                    )
                await asyncio.wait({ended}, timeout=_POLL_SECONDS)
        finally:
            ended.cancel()

    async def _stop_operator(self, operator: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError):
            operator.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(operator.wait(), _STOP_OPERATOR_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):
                operator.kill()
            await operator.wait()
