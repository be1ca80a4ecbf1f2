"""The `penstock` command in this process, against an embedded API server in a thread; the test plays operator and engine."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock_dev.apiserver.logs import FolderLogs
from penstock_dev.apiserver.server import ApiServer
from penstock_dev.kubeconfig import write_kubeconfig
from penstock_operator.api.crd import crds

API = "penstock.dev/v1alpha1"
SPEC = {"flowSpec": {"entrypoint": "a.py:main", "source": {"inline": "x = 1\n"}}}


@dataclass
class Stage:
    """An API server with a kubeconfig and a folder of logs."""

    server: ApiServer
    kubeconfig: Path
    logs: FolderLogs
    client: httpx.Client

    @property
    def runs(self) -> str:
        return f"/apis/{API}/namespaces/default/flowruns"

    def post(self, path: str, body: Any) -> dict[str, Any]:
        answer = self.client.post(path, json=body)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def run(self, name: str, **spec: Any) -> dict[str, Any]:
        """Create a FlowRun."""
        return self.post(
            self.runs, {"apiVersion": API, "kind": "FlowRun", "metadata": {"name": name}, "spec": {**SPEC, **spec}}
        )

    def get(self, path: str) -> dict[str, Any]:
        answer = self.client.get(path)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def status(self, name: str, kind: str, state: str = "", message: str = "", **more: Any) -> None:
        """Write a run's status, as the operator does."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        final = kind in ("Completed", "Failed", "Crashed", "Cancelled")
        ended = {"completionTime": now} if final else {}
        condition = {
            "type": "Finished",
            "status": "True" if final else "Unknown",
            "reason": state or kind,
            "message": "",
            "lastTransitionTime": now,
        }
        status = {
            "state": {"type": kind, "name": state or kind, "message": message, "time": now, "since": now},
            "conditions": [condition], **ended, **more,
        }  # fmt: skip
        headers = {"Content-Type": "application/merge-patch+json"}
        answer = self.client.patch(f"{self.runs}/{name}/status", json={"status": status}, headers=headers)
        assert answer.is_success, answer.text

    def pod(self, name: str, run: Mapping[str, Any], attempt: int = 1) -> str:
        """Create the pod of an attempt, running; returns its UID."""
        labels = {
            "penstock.dev/flow-run": run["metadata"]["name"], "penstock.dev/flow-run-uid": run["metadata"]["uid"],
            "penstock.dev/attempt": str(attempt), "app.kubernetes.io/managed-by": "penstock",
        }  # fmt: skip
        spec = {"restartPolicy": "Never", "nodeName": "n", "containers": [{"name": "engine", "image": "x"}]}
        pod = self.post("/api/v1/namespaces/default/pods", {"metadata": {"name": name, "labels": labels}, "spec": spec})
        self.pod_status(name, "Running", {"running": {"startedAt": "2026-11-21T12:00:00Z"}})
        return str(pod["metadata"]["uid"])

    def pod_status(self, name: str, phase: str, state: dict[str, Any]) -> None:
        """Write a pod's status, as a kubelet does."""
        engine = {"name": "engine", "state": state, "ready": False, "restartCount": 0, "image": "x", "imageID": ""}
        body = {"status": {"phase": phase, "containerStatuses": [engine]}}
        headers = {"Content-Type": "application/merge-patch+json"}
        answer = self.client.patch(f"/api/v1/namespaces/default/pods/{name}/status", json=body, headers=headers)
        assert answer.is_success, answer.text

    def end_pod(self, name: str) -> None:
        ended = {
            "exitCode": 0,
            "startedAt": "2026-11-21T12:00:00Z",
            "finishedAt": "2026-11-21T12:00:01Z",
            "reason": "Completed",
        }
        self.pod_status(name, "Succeeded", {"terminated": ended})

    def log(self, uid: str, *lines: str) -> None:
        """Write lines to a pod's log."""
        path = self.logs.path(uid, "engine", 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.writelines(f"2026-11-21T12:00:00.000000000Z {line}\n" for line in lines)


def kubectl() -> str:
    """The machine's kubectl; the test is skipped where there is none."""
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("no kubectl to compare with")
    return found


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """An API server in a thread of its own."""
    logs = FolderLogs(folder / "logs")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def begin() -> ApiServer:
        server = ApiServer(crds=crds(), logs=logs)
        await server.start()
        return server

    server = asyncio.run_coroutine_threadsafe(begin(), loop).result(20)
    try:
        write_kubeconfig(folder / "kubeconfig", server.kubeconfig())
        import ssl

        context = ssl.create_default_context(cadata=server.ca)
        headers = {"Authorization": f"Bearer {server.token}"}
        with httpx.Client(base_url=server.url, headers=headers, verify=context, trust_env=False) as client:
            yield Stage(server, folder / "kubeconfig", logs, client)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
