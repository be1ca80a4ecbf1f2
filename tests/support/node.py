"""Pods on the development node: an API server, a node, a namespace, and what a test asks of them.

Two API servers: the embedded one, started for each test in its own event loop, and a real kube-apiserver where there is one.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock_dev.apiserver.logs import FolderLogs
from penstock_dev.apiserver.server import ApiServer
from penstock_dev.node.client import ApiError, Client, Json
from penstock_dev.node.node import Node
from penstock_operator.runtime.credentials import Credentials, Endpoint
from penstock_operator.runtime.credentials import load as load_credentials
from tests.support.realserver import RealServer
from tests.support.world import PATIENCE

LABELS = {"app.kubernetes.io/managed-by": "penstock"}
_numbers = itertools.count(1)


@dataclass
class Bench:
    """A namespace on an API server whose pods a node runs."""

    client: Client
    credentials: Credentials
    namespace: str
    logs: FolderLogs
    seen: list[Json] = field(default_factory=list)

    @property
    def pods(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    async def create(self, name: str, *command: str, annotations: dict[str, str] | None = None, **spec: Any) -> Json:
        """Create a pod with one container `main`, or with the containers given in `spec`."""
        containers = [{"name": "main", "image": "none", "command": list(command), **spec.pop("container", {})}]
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": LABELS, "annotations": annotations or {}, **spec.pop("metadata", {})},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "containers": containers, **spec},
        }
        return await self.client.request("POST", self.pods, body=body)

    async def python(self, name: str, code: str, **spec: Any) -> Json:
        """Create a pod that runs Python code."""
        return await self.create(name, "python3", "-c", code, **spec)

    async def get(self, name: str) -> Json | None:
        try:
            return await self.client.request("GET", f"{self.pods}/{name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def patch(self, name: str, body: Json, sub: str = "") -> Json:
        kind = "application/merge-patch+json"
        return await self.client.request("PATCH", f"{self.pods}/{name}{sub}", body=body, content_type=kind)

    async def delete(self, name: str, grace: int | None = None) -> None:
        body = {} if grace is None else {"gracePeriodSeconds": grace}
        await self.client.request("DELETE", f"{self.pods}/{name}", body=body)

    async def make(self, plural: str, name: str, **content: Any) -> None:
        """Create a ConfigMap, Secret, ... of the namespace."""
        path = f"/api/v1/namespaces/{self.namespace}/{plural}"
        await self.client.request("POST", path, body={"metadata": {"name": name}, **content})

    async def until(self, name: str, condition: Callable[[Json], object], what: str) -> Json:
        """Wait until a pod is as wanted, and return it."""
        last: Json = {}

        async def met() -> bool:
            nonlocal last
            found = await self.get(name)
            last = found or {}
            return found is not None and bool(condition(found))

        await until(f"{name}: {what}", met, lambda: f"{last.get('status')}\n{self.log(last)}")
        return last

    async def ended(self, name: str) -> Json:
        return await self.until(name, lambda p: p["status"].get("phase") in ("Succeeded", "Failed"), "ended")

    async def gone(self, name: str) -> None:
        async def met() -> bool:
            return await self.get(name) is None

        await until(f"{name} is gone", met)

    async def says(self, pod: Json, text: str, container: str = "main") -> None:
        """Wait until a container has written a text."""

        async def met() -> bool:
            return text in self.log(pod, container)

        await until(f"{container} says {text!r}", met, lambda: self.log(pod, container))

    def log(self, pod: Json, container: str = "main") -> str:
        """A container's log so far, without times."""
        found = self.logs.read(pod["metadata"]["uid"], container, 0, 0) if pod else None
        return "".join(line.partition(b" ")[2].decode() + "\n" for line in found[0]) if found else ""

    async def events(self, name: str) -> list[tuple[str, str]]:
        """Reason and message of a pod's events."""
        query = {"fieldSelector": f"involvedObject.name={name}"}
        answer = await self.client.request("GET", f"/api/v1/namespaces/{self.namespace}/events", params=query)
        return [(event["reason"], event["message"]) for event in answer["items"]]


async def until(what: str, met: Callable[[], Any], report: Callable[[], str] = str) -> None:
    """Ask again until it holds; fail with `what` when patience is over."""
    deadline, pause = time.monotonic() + PATIENCE, 0.02
    while not await met():
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {what}\n{report()}"
        await asyncio.sleep(pause)  # between two looks at something that tells nobody when it changes
        pause = min(pause * 1.3, 0.2)


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def state(pod: Json, container: str = "main") -> Json:
    """A container's state."""
    statuses = [*pod["status"].get("containerStatuses", []), *pod["status"].get("initContainerStatuses", [])]
    return next((dict(c["state"]) for c in statuses if c["name"] == container), {})


def condition(pod: Json, kind: str) -> tuple[str, str, str]:
    """Status, reason and message of a condition."""
    for one in pod["status"].get("conditions", []):
        if one["type"] == kind:
            return one["status"], one.get("reason") or "", one.get("message") or ""
    return "", "", ""


@asynccontextmanager
async def server(plane: RealServer | None) -> AsyncIterator[Credentials]:
    """An API server: the given one, or an embedded one."""
    if plane is not None:
        yield load_credentials({"KUBECONFIG": str(plane.kubeconfig)}, clock=time.monotonic)
        return
    embedded = ApiServer()
    await embedded.start()
    try:
        endpoint = Endpoint(server=embedded.url, namespace="default", ca=embedded.ca)
        yield Credentials(endpoint, lambda: embedded.token, clock=time.monotonic)
    finally:
        await embedded.stop()


@asynccontextmanager
async def bench(plane: RealServer | None, folder: Path, **options: Any) -> AsyncIterator[Bench]:
    """A fresh namespace, with a node that runs its pods."""
    async with server(plane) as credentials, Client(credentials) as client:
        made = await namespace(client, credentials, folder)
        async with Node(credentials, logs=folder / "logs", workdir=folder, **options):
            yield made
        if plane is not None:
            await client.request("DELETE", f"/api/v1/namespaces/{made.namespace}")


async def namespace(client: Client, credentials: Credentials, folder: Path) -> Bench:
    """Make a namespace and wait for its ServiceAccount."""
    name = f"node-{os.getpid()}-{next(_numbers)}"
    await client.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})

    async def account() -> bool:
        try:
            await client.request("GET", f"/api/v1/namespaces/{name}/serviceaccounts/default")
        except ApiError:
            return False
        return True

    await until("the namespace has its account", account)
    return Bench(client, credentials, name, FolderLogs(folder / "logs"))
