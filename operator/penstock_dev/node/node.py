"""The node itself: sees the pods of the API server, binds those that wait, and has a worker for each that is its own.

Pods are seen by LIST and WATCH with a label selector, and nothing is concluded from a watch that breaks: it is resumed, or listed
again, and only then a pod that is not there any more counts as removed. Invariants: at most `max_pods` pods run at a time; no process
of a pod outlives the node, however the node ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from penstock_dev.guard import Guard

from .client import ApiError, ApiUnreachable, Client
from .downward import Host
from .events import Events
from .pod import PodWorker
from .registration import Registration
from .scheduler import Scheduler
from .sources import Sources
from .surroundings import Surroundings, folder_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock_dev.connection import Connection

    from .client import Json

__all__ = ["DEFAULT_NAME", "Node", "default_max_pods"]

_log = logging.getLogger(__name__)
DEFAULT_NAME = "penstock-dev"
SELECTOR = "app.kubernetes.io/managed-by=penstock"
_PODS = "/api/v1/pods"
_RETRY_FIRST = 0.1
_RETRY_LONGEST = 2.0
# After the grace, for the last statuses to be written.
_LAST_WORDS = 1.0


def default_max_pods() -> int:
    """Return how many pods run at a time when nobody says: two a CPU, at least eight (most of them wait for something)."""
    return max(8, 2 * (os.cpu_count() or 1))


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


class Node:
    """Runs the pods of one API server as local processes.

    Args:
        connection: the API server.
        logs: folder for the containers' logs, `<pod uid>/<container>/0.log` below it.
        data: folder for what outlives pods (claims); None: a temporary one.
        name: the Node object's name.
        workdir: where containers work whose own directory does not exist on this machine; the current one by default.
        max_pods: how many pods run at a time; `default_max_pods()` by default.
        lease: renew a Lease and remove the Node object at the end, as a control plane with a controller manager needs it.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        logs: Path,
        data: Path | None = None,
        name: str = DEFAULT_NAME,
        workdir: Path | None = None,
        max_pods: int | None = None,
        lease: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection = connection
        self._logs = logs.absolute()
        self._data = data.absolute() if data else None
        self._workdir = (workdir or Path.cwd()).absolute()
        self._max_pods = max_pods or default_max_pods()
        self._lease = lease
        self._clock = clock
        self._host = Host(name, "127.0.0.1", os.cpu_count() or 1, _memory())
        self._workers: dict[str, PodWorker] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._synced = asyncio.Event()
        self._version = ""

    async def start(self) -> None:
        """Begin; returns when the pods have been listed for the first time.

        Raises:
            ApiError, ApiUnreachable: the API server does not let the node list pods, or is not there.
        """
        # The system's own folder for temporary files: short, whatever the project's path is.
        self._root = Path(tempfile.mkdtemp(prefix="penstock-"))
        self._mark = secrets.token_hex(8)
        self._guard = Guard(self._mark, self._root)
        self._client = await Client(self._connection).__aenter__()
        self._events = Events(self._client, self._host.node, self._clock)
        self._around = Surroundings(
            client=self._client,
            sources=Sources(self._client, self._connection.ca),
            events=self._events,
            guard=self._guard,
            host=self._host,
            root=self._root,
            claims=(self._data or self._root) / "claims",
            logs=self._logs,
            workdir=self._workdir,
            mark=self._mark,
            server=self._connection.server,
            clock=self._clock,
        )
        self._scheduler = Scheduler(self._client, self._events, self._host.node, self._room, self._take, self._clock)
        self._registration = Registration(self._client, self._host, self._max_pods, self._clock)
        try:
            await self._list()
        except (ApiError, ApiUnreachable):
            await self.stop()
            raise
        for work in (
            self._follow(),
            self._scheduler.run(),
            self._events.run(),
            self._registration.run(lease=self._lease),
        ):
            self._tasks.append(asyncio.create_task(work))

    async def stop(self, grace: float = 3.0) -> None:
        """End all pods (SIGTERM, SIGKILL after `grace` seconds), write their last status, leave nothing behind."""
        self._stopping = True
        live = [worker for worker in self._workers.values() if not worker.finished]
        for worker in live:
            worker.shut_down(grace)
        if live:
            await asyncio.wait(
                [asyncio.create_task(worker.until_finished()) for worker in live], timeout=grace + _LAST_WORDS
            )
        tasks = [*self._tasks, *(worker.task for worker in self._workers.values())]
        for worker in self._workers.values():
            worker.abandon()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        self._workers.clear()
        if self._lease:
            await self._registration.withdraw()
        await self._client.__aexit__()
        await asyncio.to_thread(self._guard.close)
        shutil.rmtree(self._root, ignore_errors=True)

    async def __aenter__(self) -> Node:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def running(self) -> int:
        """How many pods take a place on the node."""
        return sum(not worker.finished for worker in self._workers.values())

    def _room(self) -> int:
        return 0 if self._stopping else self._max_pods - self.running

    # What the API server tells

    async def _list(self) -> None:
        answer = await self._client.request("GET", _PODS, params={"labelSelector": SELECTOR})
        pods = {pod["metadata"]["uid"]: pod for pod in answer.get("items") or []}
        for uid in [uid for uid in self._workers if uid not in pods]:
            self._removed(uid)
        for pod in pods.values():
            self._seen(pod)
        self._version = answer["metadata"]["resourceVersion"]

    async def _follow(self) -> None:
        delay = _RETRY_FIRST
        while True:
            try:
                if not self._version:
                    await self._list()
                query = {"labelSelector": SELECTOR, "resourceVersion": self._version, "timeoutSeconds": "300"}
                async for event in self._client.watch(_PODS, query):
                    pod = event["object"]
                    if event["type"] == "DELETED":
                        self._removed(pod["metadata"]["uid"])
                    elif event["type"] != "BOOKMARK":
                        self._seen(pod)
                    self._version = pod["metadata"]["resourceVersion"]
                    delay = _RETRY_FIRST
            except ApiUnreachable as error:
                _log.info("the API server is away: %s", error)
            except ApiError as error:
                # 410: that version is history. Anything else: look at everything again, too.
                self._version = ""
                if error.status == 410:
                    continue
                _log.warning("pods could not be watched: %s", error)
            else:
                continue
            await asyncio.sleep(delay)
            delay = min(delay * 2, _RETRY_LONGEST)

    def _seen(self, pod: Json) -> None:
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        if not node:
            self._scheduler.note(pod)
        elif node == self._host.node:
            self._scheduler.forget(uid)
            worker = self._workers.get(uid)
            if worker is None:
                self._take(pod)
            else:
                worker.update(pod)
        else:
            self._scheduler.forget(uid)

    def _take(self, pod: Json) -> None:
        """Begin with a pod that is bound to this node."""
        uid = pod["metadata"]["uid"]
        if uid in self._workers or self._stopping:
            return
        status = pod.get("status") or {}
        deleting = bool(pod["metadata"].get("deletionTimestamp"))
        over = status.get("phase") in ("Succeeded", "Failed")
        if over and not deleting:
            return
        worker = PodWorker(pod, self._around, self._scheduler.wake, lost=over or _was_started(status))
        self._workers[uid] = worker
        if deleting:
            worker.update(pod)

    def _removed(self, uid: str) -> None:
        self._scheduler.forget(uid)
        worker = self._workers.pop(uid, None)
        if worker is not None:
            worker.removed()
            self._tasks.append(asyncio.create_task(self._clear(uid, worker)))

    async def _clear(self, uid: str, worker: PodWorker) -> None:
        """Remove what is left of a pod that is gone, once its processes have ended."""
        with suppress(asyncio.CancelledError):
            await worker.task
        for folder in (self._logs / uid, self._root / folder_name(uid)):
            shutil.rmtree(folder, ignore_errors=True)
        self._tasks.remove(asyncio.current_task())  # type: ignore[arg-type]


def _was_started(status: Json) -> bool:
    found = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return any("running" in (c.get("state") or {}) or "terminated" in (c.get("state") or {}) for c in found)
