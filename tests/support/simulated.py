"""Kubelet and engine by script, for many runs at once: pods are bound, claim, report and end, but no process runs.

An API client like any other: it watches the pods that Penstock made, and plays for each what a healthy node and a healthy engine write.
Used by the story of 200 runs and by the benchmarks.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

SELECTOR = "app.kubernetes.io/managed-by=penstock"
MERGE = {"Content-Type": "application/merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Timing:
    """When what was known, for one run; seconds since the epoch."""

    claimed: float = 0
    reported: float = 0


@dataclass
class SimulatedNodes:
    """Plays every pod of one namespace.

    Attributes:
        run_seconds: how long the imagined flow takes between claim and outcome.
        pods: names of pods seen, by run; more than one for a run is a doubled pod.
    """

    url: str
    token: str
    ca: str
    namespace: str
    run_seconds: float = 0.0
    pods: dict[str, set[str]] = field(default_factory=dict)
    timings: dict[str, Timing] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, stop: asyncio.Event) -> None:
        """Watch and play until stopped; an error of any part is raised here."""
        context = ssl.create_default_context(cafile=self.ca)
        headers = {"Authorization": f"Bearer {self.token}"}
        limits = httpx.Limits(max_connections=40)
        async with httpx.AsyncClient(
            base_url=self.url, verify=context, headers=headers, timeout=60, limits=limits, trust_env=False
        ) as client:
            watching = asyncio.create_task(self._watch(client))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if watching.done():
                watching.result()
            watching.cancel()
            for task in self._tasks:
                task.cancel()

    async def _watch(self, client: httpx.AsyncClient) -> None:
        base = f"/api/v1/namespaces/{self.namespace}/pods"
        listed = (await client.get(base, params={"labelSelector": SELECTOR})).raise_for_status().json()
        for pod in listed["items"]:
            self._begin(client, pod)
        query = {"watch": "1", "labelSelector": SELECTOR, "resourceVersion": listed["metadata"]["resourceVersion"]}
        async with client.stream("GET", base, params=query, timeout=None) as stream:
            async for line in stream.aiter_lines():
                event = json.loads(line)
                if event["type"] == "ADDED":
                    self._begin(client, event["object"])

    def _begin(self, client: httpx.AsyncClient, pod: dict[str, Any]) -> None:
        run = pod["metadata"]["labels"]["penstock.dev/flow-run"]
        name = pod["metadata"]["name"]
        seen = self.pods.setdefault(run, set())
        if name not in seen:
            seen.add(name)
            task = asyncio.create_task(self._play(client, run, pod))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            raise task.exception()  # type: ignore[misc]

    async def _play(self, client: httpx.AsyncClient, run: str, pod: dict[str, Any]) -> None:
        name, uid = pod["metadata"]["name"], pod["metadata"]["labels"]["penstock.dev/flow-run-uid"]
        attempt = int(pod["metadata"]["labels"]["penstock.dev/attempt"])
        pods = f"/api/v1/namespaces/{self.namespace}/pods/{name}"
        path = f"/apis/penstock.dev/v1alpha1/namespaces/{self.namespace}/flowruns/{run}/status"
        started = {"running": {"startedAt": now()}}
        await self._pod(
            client, pods, {"phase": "Running", "startTime": now(), "containerStatuses": [self._engine(started)]}
        )
        instance = f"simulated-{name}"
        timing = self.timings.setdefault(run, Timing())
        claim = {"attempt": attempt, "instance": instance, "type": "Running", "time": now(), "startTime": now()}
        await self._report(
            client,
            path,
            [
                {"op": "test", "path": "/metadata/uid", "value": uid},
                {"op": "test", "path": "/status/attempt/number", "value": attempt},
                {"op": "test", "path": "/status/attempt/podName", "value": name},
                {"op": "test", "path": "/status/completionTime", "value": None},
                {"op": "test", "path": "/status/report", "value": None},
                {"op": "add", "path": "/status/report", "value": claim},
            ],
        )
        timing.claimed = datetime.now(UTC).timestamp()
        await asyncio.sleep(self.run_seconds)
        outcome = {
            **claim,
            "type": "Completed",
            "name": "Completed",
            "message": "done",
            "time": now(),
            "result": {"json": "1", "type": "int"},
        }
        await self._report(
            client,
            path,
            [
                {"op": "test", "path": "/status/report/instance", "value": instance},
                {"op": "replace", "path": "/status/report", "value": outcome},
            ],
        )
        timing.reported = datetime.now(UTC).timestamp()
        ended = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": claim["time"], "finishedAt": now()}}
        await self._pod(client, pods, {"phase": "Succeeded", "containerStatuses": [self._engine(ended)]})

    @staticmethod
    def _engine(state: dict[str, Any]) -> dict[str, Any]:
        ready = "running" in state
        return {
            "name": "engine",
            "image": "x",
            "imageID": "x",
            "ready": ready,
            "started": ready,
            "restartCount": 0,
            "state": state,
        }

    @staticmethod
    async def _pod(client: httpx.AsyncClient, path: str, status: dict[str, Any]) -> None:
        content = json.dumps({"status": status})
        (await client.patch(f"{path}/status", content=content, headers=MERGE)).raise_for_status()

    @staticmethod
    async def _report(client: httpx.AsyncClient, path: str, operations: list[dict[str, Any]]) -> None:
        (await client.patch(path, content=json.dumps(operations), headers=JSON_PATCH)).raise_for_status()
