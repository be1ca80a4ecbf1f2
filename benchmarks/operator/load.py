"""Work for the control plane, and the nodes that it needs: runs are applied, their pods bound, started, reported and ended by script.

One event loop on a lean client, since it shares the machine with what it measures: watches are read by substring, only a pod's first sight
is parsed. Every moment that a figure is made of is taken here, on one clock. Neighbours: `kinds` says what is applied, `plane` where.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp

from tests.support.realserver import RealServer

from .kinds import Kind, name_in, version_in
from .plane import node_name

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
CONNECTIONS = 60


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Moments:
    """When what was known of one run, monotonic; 0: not yet.

    Attributes:
        applied: its POST was answered.
        pod: its pod was seen first.
        claimed: the engine's claim was answered, or its container was said to run.
        told: what its status is to say was written into its pod.
        known: its outcome was: the report was answered, or the pod had succeeded.
        ended: its end was seen in its own status.
        pods: names of its pods; more than one is a doubled pod.
        marks: when a line about it held a mark first, by mark.
    """

    applied: float = 0.0
    pod: float = 0.0
    claimed: float = 0.0
    told: float = 0.0
    known: float = 0.0
    ended: float = 0.0
    pods: set[str] = field(default_factory=set)
    marks: dict[bytes, float] = field(default_factory=dict)


Play = Callable[["Load", str, dict[str, Any], Moments], Awaitable[None]]


@dataclass
class Load:
    """The runs of one namespace.

    Attributes:
        kind: what they are.
        namespace: where.
        marks: what to look for in the lines about runs; the moment of each is noted.
        pod_marks: the same, in the lines about their pods.
        run_seconds: how long the imagined flow takes.
        play: what becomes of a pod; healthy where none is given.
        runs: the moments of each run, by name.
        live: how many have not ended.
    """

    session: aiohttp.ClientSession
    kind: Kind
    namespace: str
    marks: tuple[bytes, ...] = ()
    pod_marks: tuple[bytes, ...] = ()
    run_seconds: float = 0.5
    play: Play | None = None
    runs: dict[str, Moments] = field(default_factory=dict)
    live: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _failed: BaseException | None = None
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    # --- applying -------------------------------------------------------------------------------------------------------------------

    async def apply(self, name: str = "") -> str:
        """Apply one more run; return its name."""
        name = name or f"run-{next(self._numbers):05}"
        moments = self.runs[name] = Moments()
        self.live += 1
        begun = self.kind.begun
        answer = await self.send(
            "POST", self.kind.path(self.namespace), self.kind.document(name), read=begun is not None
        )
        moments.applied = time.monotonic()
        if begun is not None:
            await begun(self, name, answer)
        return name

    async def burst(self, count: int) -> None:
        """Apply so many runs as fast as they are taken."""
        await asyncio.gather(*(self.apply() for _ in range(count)))

    async def feed(self, live: int, duration: float) -> None:
        """Keep so many runs alive for so many seconds."""
        end = time.monotonic() + duration
        while time.monotonic() < end:
            await asyncio.gather(*(self.apply() for _ in range(max(0, live - self.live))))
            await self.change(max(0.01, end - time.monotonic()))

    async def steadily(self, count: int, per_second: float) -> None:
        """Apply so many runs a second."""
        begin = time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0.0, begin + number / per_second - time.monotonic()))
            self.check()
            self.start(self._apply_one())

    async def _apply_one(self) -> None:
        await self.apply()

    async def finished(self, patience: float) -> None:
        """Wait until every run has ended.

        Raises:
            TimeoutError: some have not.
        """
        end = time.monotonic() + patience
        while self.live:
            if time.monotonic() > end:
                raise TimeoutError(f"{self.live} of {len(self.runs)} runs have not ended in {patience:g} s")
            await self.change(1.0)

    async def seen(self, moments: Moments, mark: bytes, patience: float = 30) -> float:
        """Wait until a mark was seen; return when.

        Raises:
            TimeoutError: it was not.
        """
        end = time.monotonic() + patience
        while mark not in moments.marks:
            if time.monotonic() > end:
                raise TimeoutError(f"{mark!r} was not seen in {patience:g} s")
            await self.change(1.0)
        return moments.marks[mark]

    async def change(self, seconds: float) -> None:
        """Wait until something was seen or failed, so many seconds at most.

        Raises:
            Exception: what has failed beside.
        """
        self.check()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)
        self.check()

    def _tell(self) -> None:
        """Wake all who wait for a change."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    # --- watching -------------------------------------------------------------------------------------------------------------------

    def start(self, work: Any) -> None:
        """Do something beside; its failure is raised by `check`."""
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failed = self._failed or task.exception()
            self._tell()

    def check(self) -> None:
        if self._failed is not None:
            raise self._failed

    async def watch(self) -> None:
        """Begin to watch runs and pods; returns when both watches stand."""
        pods = f"/api/v1/namespaces/{self.namespace}/pods"
        for path, query, take in (
            (self.kind.path(self.namespace), {}, self._run_line),
            (pods, {"labelSelector": self.kind.label}, self._pod_line),
        ):
            listed = await self.send("GET", path, query={"limit": "1", **query})
            query = {**query, "watch": "1", "resourceVersion": listed["metadata"]["resourceVersion"]}
            standing = asyncio.Event()
            self.start(self._follow(path, query, take, standing))
            await standing.wait()

    async def _follow(
        self, path: str, query: Mapping[str, str], take: Callable[[bytes], None], standing: asyncio.Event
    ) -> None:
        timeout, at = aiohttp.ClientTimeout(total=None), query["resourceVersion"]
        while True:
            async with self.session.get(path, params={**query, "resourceVersion": at}, timeout=timeout) as answer:
                answer.raise_for_status()
                standing.set()
                rest = b""
                async for piece in answer.content.iter_any():
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        take(line)
                        at = version_in(line) or at
            # The server ends a watch whose reader is slow for a moment, as this one is in a burst: it goes on where it was.

    def _run_line(self, line: bytes) -> None:
        moments = self.runs.get(name_in(line))
        if moments is None:
            return
        at = time.monotonic()
        for mark in self.marks:
            if mark not in moments.marks and mark in line:
                moments.marks[mark] = at
                self._tell()
        if not moments.ended and self.kind.ended in line:
            moments.ended = at
            self.live -= 1
            self._tell()

    def _pod_line(self, line: bytes) -> None:
        if line.startswith(b'{"type":"ADDED"'):
            pod = json.loads(line)["object"]
            run = pod["metadata"]["labels"][self.kind.label]
            moments = self.runs.setdefault(run, Moments())
            moments.pod = moments.pod or time.monotonic()
            moments.pods.add(pod["metadata"]["name"])
            self.start((self.play or healthy)(self, run, pod, moments))
            return
        for mark in self.pod_marks:
            if mark in line:
                run = json.loads(line)["object"]["metadata"]["labels"][self.kind.label]
                self.runs[run].marks.setdefault(mark, time.monotonic())
                self._tell()

    # --- asking ---------------------------------------------------------------------------------------------------------------------

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
        *,
        read: bool = False,
    ) -> Any:
        """Ask the API server; a refusal is an error. What it answers is read of a GET, and where it is wanted (`read`)."""
        data = None if body is None else json.dumps(body, separators=(",", ":"))
        headers = {"Content-Type": content_type} if data else None
        async with self.session.request(method, path, data=data, headers=headers, params=query) as answer:
            text = await answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {text.decode()}")
            return json.loads(text) if read or method == "GET" else None

    # --- what a node and an engine write --------------------------------------------------------------------------------------------

    async def bind(self, pod: Mapping[str, Any]) -> None:
        """Say which node takes the pod, as a scheduler does."""
        name = pod["metadata"]["name"]
        target = {"apiVersion": "v1", "kind": "Node", "name": node_name(len(self.runs))}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        await self.send("POST", f"/api/v1/namespaces/{self.namespace}/pods/{name}/binding", binding)

    async def pod_status(self, pod: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """Write a part of a pod's status, as a kubelet does."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}/status"
        await self.send("PATCH", path, {"status": status}, STRATEGIC)

    async def container(self, pod: Mapping[str, Any], phase: str, state: Mapping[str, Any]) -> None:
        """Write the phase, and the state of the one container."""
        running = "running" in state
        ready = "True" if running else "False"
        status = {
            "name": "engine", "image": "x", "imageID": "x", "ready": running, "started": running, "restartCount": 0,
            "state": state,
        }  # fmt: skip
        conditions = [{"type": kind, "status": ready} for kind in ("Ready", "ContainersReady")]
        more = {"startTime": seconds()} if running else {}
        await self.pod_status(pod, {"phase": phase, "containerStatuses": [status], "conditions": conditions, **more})

    async def claim(self, run: str, pod: Mapping[str, Any]) -> None:
        """Write the engine's first report."""
        labels = pod["metadata"]["labels"]
        attempt, name = int(labels["penstock.dev/attempt"]), pod["metadata"]["name"]
        report = {"attempt": attempt, "instance": name, "type": "Running", "time": now(), "startTime": now()}
        await self._report(
            run,
            report,
            ("/metadata/uid", labels["penstock.dev/flow-run-uid"]),
            ("/status/attempt/number", attempt),
            ("/status/attempt/podName", name),
            ("/status/completionTime", None),
            ("/status/report", None),
            op="add",
        )

    async def outcome(self, run: str, pod: Mapping[str, Any], kind: str) -> None:
        """Write the engine's last report."""
        attempt, name = int(pod["metadata"]["labels"]["penstock.dev/attempt"]), pod["metadata"]["name"]
        report = {
            "attempt": attempt, "instance": name, "type": kind, "name": kind, "message": "done", "time": now(),
            "startTime": now(), "result": {"json": "1", "type": "int"},
        }  # fmt: skip
        await self._report(run, report, ("/status/report/instance", name))

    async def _report(self, run: str, report: dict[str, Any], *tests: tuple[str, Any], op: str = "replace") -> None:
        operations = [{"op": "test", "path": path, "value": value} for path, value in tests]
        operations.append({"op": op, "path": "/status/report", "value": report})
        await self.send("PATCH", f"{self.kind.path(self.namespace)}/{run}/status", operations, JSON_PATCH)


async def healthy(load: Load, run: str, pod: dict[str, Any], moments: Moments) -> None:
    """A pod that is bound, runs and succeeds."""
    await load.bind(pod)
    await running(load, run, pod, moments)
    await asyncio.sleep(load.run_seconds)
    await succeeds(load, run, pod, moments)


async def running(load: Load, run: str, pod: dict[str, Any], moments: Moments) -> None:
    """The container starts; the engine in it claims its run."""
    await load.container(pod, "Running", {"running": {"startedAt": seconds()}})
    if load.kind.engine:
        await load.claim(run, pod)
    moments.claimed = time.monotonic()


async def succeeds(load: Load, run: str, pod: dict[str, Any], moments: Moments, outcome: str = "Completed") -> None:
    """The engine reports its outcome, and the container ends with 0."""
    if load.kind.engine:
        await load.outcome(run, pod, outcome)
        moments.known = time.monotonic()
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": seconds(), "finishedAt": seconds()}
    await load.container(pod, "Succeeded", {"terminated": ended})
    moments.known = moments.known or time.monotonic()
    if load.kind.known:
        await load.kind.known(load, run)


@asynccontextmanager
async def loaded(server: RealServer, kind: Kind, namespace: str, **more: Any) -> AsyncIterator[Load]:
    """Open a load on a namespace, with its watches standing; end everything of it afterwards."""
    context = ssl.create_default_context(cafile=str(server.ca))
    session = aiohttp.ClientSession(
        server.url,
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=context),
        headers={"Authorization": f"Bearer {server.admin_token}"},
        # Of an answer; thousands of requests that wait for a connection are what a burst is.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=60, sock_read=120),
        read_bufsize=2**20,
    )
    async with session:
        load = Load(session, kind, namespace, **more)
        await load.watch()
        try:
            yield load
            load.check()
        finally:
            for task in tuple(load._tasks):
                task.cancel()
            await asyncio.gather(*load._tasks, return_exceptions=True)
