"""An API server of recorded objects, for pages: what it has is set by the test, what changes is said to the watches; no network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from penstock_operator.runtime.credentials import Credentials, Endpoint
from penstock_operator.runtime.errors import ApiError
from penstock_ui.client import Client

JSON = dict[str, Any]
AWAY = ApiError(0, "ClientConnectorError", "Connection refused", what="list")


def run(name: str = "etl-1", **more: Any) -> JSON:
    """A FlowRun as the API server shows it."""
    status = more.pop(
        "status", {"state": {"type": "Running", "name": "Running", "message": "the engine runs the flow"}}
    )
    metadata = {
        "name": name, "namespace": more.pop("namespace", "default"), "uid": more.pop("uid", f"uid-{name}"),
        "creationTimestamp": more.pop("created", "2026-11-30T04:00:00Z"), "labels": more.pop("labels", {}),
    }  # fmt: skip
    spec = {"flowRef": {"name": "etl"}, **more}
    return {
        "apiVersion": "penstock.dev/v1alpha1",
        "kind": "FlowRun",
        "metadata": metadata,
        "spec": spec,
        "status": status,
    }


def pod(of: JSON, attempt: int = 1, phase: str = "Running") -> JSON:
    """A pod of a run's attempt."""
    name = f"{of['metadata']['name']}-7f3c2-{attempt}"
    labels = {"penstock.dev/flow-run-uid": of["metadata"]["uid"], "penstock.dev/attempt": str(attempt)}
    metadata = {"name": name, "labels": labels, "creationTimestamp": "2026-11-30T04:00:01Z"}
    return {"metadata": metadata, "spec": {"nodeName": "n1"}, "status": {"phase": phase}}


def state(address: str, kind: str, at: str, name: str = "", **more: Any) -> str:
    """A line of a pod's log: a state change of a task run."""
    task = address.rpartition("/")[2].partition(":")[0]
    record = {
        "ts": f"2026-11-30T04:00:{at}Z", "level": "DEBUG", "logger": "penstock.states", "event": "state", "msg": "",
        "task": task, "taskRun": f"id-{address}", "taskRunName": address, "address": address, "to": kind,
        "name": name or kind.capitalize(), "tries": 1, **more,
    }  # fmt: skip
    return json.dumps(record)


def said(text: str, address: str = "", level: str = "INFO") -> str:
    """A line of a pod's log: of a logger."""
    record = {
        "ts": "2026-11-30T04:00:09Z",
        "level": level,
        "logger": "penstock.flow_runs",
        "msg": text,
        "flowRun": "etl-1",
    }
    return json.dumps({**record, "address": address} if address else record)


class Recorded(Client):
    """See the module.

    Attributes:
        runs: what the list of runs shows.
        flows: all Flows.
        configmaps: all ConfigMaps.
        leases: all Leases.
        refused: words by the end of a path: what may not be asked.
        pods: all pods.
        events: all Events.
        logs: lines by pod.
        failure: what every request ends with; None: it is answered.
        unlisted: the list of runs is not answered.
        silent: no request is answered, and none fails: a network that swallows everything.
        asked: paths, in order.
    """

    def __init__(self, *runs: JSON) -> None:
        super().__init__(Credentials(Endpoint("http://recorded", "default"), lambda: None, clock=lambda: 0.0))
        self.runs = list(runs)
        self.flows: list[JSON] = []
        self.configmaps: list[JSON] = []
        self.leases: list[JSON] = []
        self.refused: dict[str, str] = {}
        self.pods: list[JSON] = []
        self.events: list[JSON] = []
        self.logs: dict[str, list[str]] = {}
        self.failure: ApiError | None = None
        self.silent = False
        self.unlisted = False
        self.asked: list[str] = []
        self._watching: dict[asyncio.Queue[tuple[str, JSON] | ApiError | None], str] = {}
        self._more: dict[str, asyncio.Queue[str]] = {}
        self._version = 1

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> JSON:
        self._ask(path)
        if self.silent:
            await asyncio.sleep(3600)
        query = params or {}
        if path.endswith("/flowruns"):
            if self.unlisted:
                raise AWAY
            at, size = int(query.get("continue", "0")), int(query.get("limit", "500"))
            more = {"continue": str(at + size)} if at + size < len(self.runs) else {}
            return {"metadata": {"resourceVersion": str(self._version), **more}, "items": self.runs[at : at + size]}
        for end, why in self.refused.items():
            if path.endswith(end):
                raise ApiError(403, "Forbidden", why, what=path)
        if path.endswith("/flows"):
            return {"metadata": {"resourceVersion": "1"}, "items": self.flows}
        if path.endswith("/configmaps"):
            return {"items": self.configmaps}
        if path.endswith("/leases"):
            return {"items": self.leases}
        if path.endswith("/pods") and "component=operator" in query["labelSelector"]:
            return {"items": [p for p in self.pods if "app.kubernetes.io/component" in p["metadata"]["labels"]]}
        if path.endswith("/pods"):
            return {
                "items": [
                    p
                    for p in self.pods
                    if query["labelSelector"].endswith(p["metadata"]["labels"].get("penstock.dev/flow-run-uid", "none"))
                ]
            }
        if path.endswith("/events"):
            return {"items": self.events}
        name = path.rpartition("/")[2]
        for each in (*self.runs, *self.pods, *self.flows, *self.configmaps):
            if each["metadata"]["name"] == name:
                return dict(each)
        raise ApiError(404, "NotFound", f"{name} not found", what=path)

    async def watch(self, path: str, params: Mapping[str, str]) -> AsyncGenerator[tuple[str, JSON, int], None]:
        self._ask(f"{path}?{params['resourceVersion']}")
        if self.silent:
            await asyncio.sleep(3600)
        queue: asyncio.Queue[tuple[str, JSON] | ApiError | None] = asyncio.Queue()
        self._watching[queue] = path
        try:
            yield "OPENED", {"metadata": {}}, 0
            while (said := await queue.get()) is not None:
                if isinstance(said, ApiError):
                    raise said
                yield *said, len(json.dumps(said[1]))
        finally:
            del self._watching[queue]

    async def lines(self, path: str, params: Mapping[str, str], *, quiet: float | None = None) -> AsyncIterator[bytes]:
        self._ask(path)
        name = path.split("/")[-2]
        if path.endswith("/proxy/metrics"):
            name = path.split("/")[-3].partition(":")[0]
            if not self.logs.get(name):
                raise ApiError(403, "Forbidden", 'cannot get resource "pods/proxy"', what=path)
        for number, line in enumerate(self.logs.get(name, [])):
            stamp = f"2026-11-30T04:00:00.{number:09}Z "
            yield f"{stamp if 'timestamps' in params else ''}{line}".encode()
        if "follow" in params:
            found = next(p for p in self.pods if p["metadata"]["name"] == name)
            while found["status"]["phase"] == "Running":
                line = await self._more.setdefault(name, asyncio.Queue()).get()
                self.logs[name].append(line)
                yield f"2026-11-30T04:00:00.{len(self.logs[name]) - 1:09}Z {line}".encode()

    def say(self, kind: str, body: JSON) -> None:
        """Tell the watches of a change."""
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        self.runs = [each for each in self.runs if each["metadata"]["name"] != body["metadata"]["name"]]
        if kind != "DELETED":
            self.runs.append(body)
        for queue, path in self._watching.items():
            if path.endswith(f"/{body['kind'].lower()}s"):
                queue.put_nowait((kind, body))

    def end(self, error: ApiError | None = None) -> None:
        """End the watches: as a server does after a while, or with an error."""
        for queue in self._watching:
            queue.put_nowait(error)

    def write(self, pod: str, line: str) -> None:
        """Let a pod write a line."""
        self._more.setdefault(pod, asyncio.Queue()).put_nowait(line)

    async def close(self) -> None:
        self.end()

    def _ask(self, path: str) -> None:
        self.asked.append(path)
        if self.failure is not None:
            raise self.failure
