"""The node itself: sees the pods of the API server, binds those that wait, and has a worker for each that is its own.

Pods are seen by LIST and WATCH, and nothing is concluded from a watch that breaks: it is resumed, or listed again, and only then a
pod that is not there any more counts as removed. No label selector: a pod whose labels somebody takes off would look like one that
was deleted. Only pods that bear our label are begun; what was begun is carried through, whatever becomes of its labels. Invariants: at
most `max_pods` pods run at a time; no process of a pod outlives the node, however the node ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from penstock_dev.apiserver.logs import FolderLogs
from penstock_dev.guard import Guard
from penstock_operator.api.constants import LABEL_FLOW_RUN_UID, LABEL_MANAGED_BY, MANAGED_BY
from penstock_operator.api.paths import path

from .client import ApiError, ApiUnreachable, Client
from .downward import Host
from .events import Events
from .kubelet import Kubelet
from .pod import PodWorker
from .registration import Registration
from .scheduler import Scheduler
from .sources import Sources
from .surroundings import Surroundings, folder_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock_operator.runtime.credentials import Credentials

    from .client import Json

__all__ = ["DEFAULT_NAME", "Node", "default_max_pods"]

_log = logging.getLogger(__name__)
DEFAULT_NAME = "penstock-dev"
_PODS = path("", "v1", "pods")
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
        credentials: the API server, and who the node is there.
        logs: folder for the containers' logs, `<pod uid>/<container>/0.log` below it.
        data: folder for what outlives pods (claims); None: a temporary one.
        name: the Node object's name.
        workdir: where containers work whose own directory does not exist on this machine; the current one by default.
        max_pods: how many pods run at a time; `default_max_pods()` by default.
        cluster: the API server is a real one. It then has controllers that watch the node's Lease, and asks the node for its pods' logs;
            and the Node object is removed at the end. (The embedded one reads the logs from the folder.)
        guard: ends what is left when this process is killed; None: one of the node's own.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        logs: Path,
        data: Path | None = None,
        name: str = DEFAULT_NAME,
        workdir: Path | None = None,
        max_pods: int | None = None,
        cluster: bool = False,
        guard: Guard | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._credentials = credentials
        self._logs = FolderLogs(logs.absolute())
        self._data = data.absolute() if data else None
        self._workdir = (workdir or Path.cwd()).absolute()
        self._max_pods = max_pods or default_max_pods()
        self._cluster = cluster
        self._given_guard = guard
        self._clock = clock
        self._host = Host(name, "127.0.0.1", os.cpu_count() or 1, _memory())
        self._workers: dict[str, PodWorker] = {}
        self._uids: dict[tuple[str, str], str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._synced = asyncio.Event()
        self._version = ""

    async def start(self) -> None:
        """Begin; returns when the pods have been listed for the first time.

        Raises:
            ApiError, ApiUnreachable: the API server does not let the node list pods, or is not there.
        """
        self._guard = self._given_guard or Guard()
        self._root = self._guard.scratch
        self._client = await Client(self._credentials).__aenter__()
        self._kubelet = Kubelet(self._log_uid, self._alive, self._logs, self._clock)
        self._events = Events(self._client, self._host.node, self._clock)
        self._around = Surroundings(
            client=self._client,
            sources=Sources(self._client, self._credentials.endpoint.ca),
            events=self._events,
            guard=self._guard,
            host=self._host,
            root=self._root,
            claims=(self._data or self._root) / "claims",
            logs=self._logs,
            workdir=self._workdir,
            mark=self._guard.mark,
            server=self._credentials.endpoint.server,
            clock=self._clock,
        )
        self._scheduler = Scheduler(self._client, self._events, self._host.node, self._room, self._take, self._clock)
        port = await self._kubelet.start() if self._cluster else None
        self._registration = Registration(self._client, self._host, self._max_pods, self._clock, kubelet_port=port)
        try:
            await self._list()
        except (ApiError, ApiUnreachable):
            await self.stop()
            raise
        for work in (
            self._follow(),
            self._scheduler.run(),
            self._events.run(),
            self._registration.run(lease=self._cluster),
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
        if self._cluster:
            await self._registration.withdraw()
        await self._kubelet.stop()
        await self._client.__aexit__()
        if self._given_guard is None:
            await asyncio.to_thread(self._guard.close)

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

    def _log_uid(self, namespace: str, name: str) -> str | None:
        """Return the UID of the pod of that name, for its logs."""
        return self._uids.get((namespace, name))

    def _alive(self, uid: str, container: str) -> bool:
        """Whether a container may still write."""
        worker = self._workers.get(uid)
        return worker is not None and worker.alive(container)

    # What the API server tells

    async def _list(self) -> None:
        answer = await self._client.request("GET", _PODS)
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
                query = {"resourceVersion": self._version, "timeoutSeconds": "300"}
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
        if uid not in self._workers and not _ours(pod):
            self._scheduler.forget(uid)
        elif not node:
            self._scheduler.note(pod)
        elif node == self._host.node:
            self._uids[pod["metadata"]["namespace"], pod["metadata"]["name"]] = uid
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
        self._uids = {name: known for name, known in self._uids.items() if known != uid}
        worker = self._workers.pop(uid, None)
        if worker is not None:
            worker.removed()
        self._tasks.append(asyncio.create_task(self._clear(uid, worker)))

    async def _clear(self, uid: str, worker: PodWorker | None) -> None:
        """Remove what is left of a pod that is gone, once its processes have ended."""
        if worker is not None:
            await asyncio.wait([worker.task])
        for folder in (self._logs.root / uid, self._root / folder_name(uid)):
            shutil.rmtree(folder, ignore_errors=True)
        self._tasks.remove(asyncio.current_task())  # type: ignore[arg-type]


def _ours(pod: Json) -> bool:
    """Whether a pod may be begun here, as a process of this machine: one of the operator's, whoever has written one of its labels."""
    labels = pod["metadata"].get("labels") or {}
    return LABEL_FLOW_RUN_UID in labels or labels.get(LABEL_MANAGED_BY) == MANAGED_BY


def _was_started(status: Json) -> bool:
    found = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return any("running" in (c.get("state") or {}) or "terminated" in (c.get("state") or {}) for c in found)
