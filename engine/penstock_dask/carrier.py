"""Carrying calls to a Dask cluster: one thread sends, one hears.

Calls are sent many at a time, as one graph, since a graph costs the same for one task and for a hundred. What comes back
are events of the scheduler, which the workers write: states and lines while a run goes on, then its answer. The futures
of Dask are looked at from time to time, for what no worker can tell: that it died. Neighbours: `worker` is the other end.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import Any

from distributed import Client
from distributed.scheduler import KilledWorker

from penstock_dask.fence import MARK, Fence
from penstock_dask.placing import thawed
from penstock_dask.worker import ANSWER, answer_of, execute

LOOK_SECONDS = 0.2
"""How often the futures of Dask are looked at."""
UNTOLD_SECONDS = 1.0
"""How long a finished task may be without its answer before the answer is fetched from its worker."""
GONE_SECONDS = 5.0
"""How long the scheduler may be away before its tasks count as lost."""
AWAKE_SECONDS = 20.0
"""How often a cluster gets something to do that is ended when it is idle."""
TRUNCATE = 2000
"""After how many events the scheduler is asked to forget what it has passed on."""


class Carrier:
    """Sends calls and hears of them.

    Args:
        client: to the cluster.
        log: of the runner.
        awake: the cluster is ended when it is idle, which it shall not be while the flow lives.
    """

    def __init__(self, client: Client, log: Any, awake: bool = False) -> None:
        self.client = client
        self._log = log
        self._topic = f"penstock-{client.id}"
        self._out: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._in: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._going: dict[str, tuple[Any, Any]] = {}
        self._finished: dict[str, float] = {}
        self._where: dict[str, str] = {}
        self._spare: dict[str, int] = {}
        self._heard = 0
        self._awake_at = time.monotonic() if awake else None
        self._away_since: float | None = None
        self._closed = threading.Event()
        self._fence()
        client.subscribe_topic(self._topic, self._hear)
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in ((self._send, "penstock-dask-out"), (self._take, "penstock-dask-in"))
        ]
        for thread in self._threads:
            thread.start()

    def _fence(self) -> None:
        try:
            self.client.register_plugin(Fence())
        except Exception as exc:  # noqa: BLE001  (a scheduler may forbid plugins, or not know Penstock)
            self._log.warning(
                "The Dask scheduler does not take Penstock's plugin (%s: %s): when a worker is lost, Dask may execute "
                "its tasks a second time before Penstock hears of it. Give the scheduler the image of the workers.",
                type(exc).__name__, exc,
            )  # fmt: skip

    # -- out

    def put(self, call: Any) -> None:
        """Send a call soon."""
        self._out.put(call)

    def cancel(self, calls: list[Any]) -> None:
        """Have Dask cancel calls; their workers interrupt the bodies."""
        self._out.put(calls)

    def _send(self) -> None:
        while True:
            items = [self._out.get()]
            while True:
                try:
                    items.append(self._out.get_nowait())
                except queue.Empty:
                    break
            if any(item is None for item in items):
                return
            calls = [item for item in items if not isinstance(item, list)]
            groups: dict[Any, list[Any]] = {}
            for call in calls:
                if not call.stopped:
                    groups.setdefault((call.options, len(call.parts.inputs)), []).append(call)
            for (options, _), group in groups.items():
                self._send_group(group, {name: thawed(value) for name, value in options})
            unwanted = [call.handle for item in items if isinstance(item, list) for call in item]
            unwanted = [handle for handle in unwanted if handle is not None]
            if unwanted:
                try:
                    self.client.cancel(unwanted, force=True)
                except Exception as exc:  # noqa: BLE001  (the cluster is gone: so are the tasks)
                    self._log.debug("Dask did not take a cancellation: %s", exc)

    def _send_group(self, calls: list[Any], options: dict[str, Any]) -> None:
        keys = [self._key(call) for call in calls]
        # A worker may answer before all are sent.
        self._going.update((key, (call, None)) for key, call in zip(keys, calls, strict=True))
        try:
            futures = self.client.map(
                execute,
                [(self._topic, *call.parts.message()) for call in calls],
                *zip(*(call.parts.inputs for call in calls), strict=True),
                key=keys,
                pure=False,
                **options,
            )
        except Exception as exc:  # noqa: BLE001  (it cannot be sent)
            for key, call in zip(keys, calls, strict=True):
                self._over(key)
                call.failed(exc)
            return
        for call, future in zip(calls, futures, strict=True):
            call.handle = future
            if future.key in self._going:
                self._going[future.key] = (call, future)
            if call.stopped:
                self._out.put([call])

    def _key(self, call: Any) -> str:
        again = f"-{call.sent}" if call.sent > 1 else ""
        return f"{call.task.name}{MARK}{call.key.replace('-', '')}{again}"

    # -- in

    def _hear(self, event: Any) -> None:
        """In the client's loop: nothing that takes time."""
        self._in.put(event[1])

    def _take(self) -> None:
        looked = time.monotonic()
        while not self._closed.is_set():
            try:
                items = self._in.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                items = ()
            if items is None:
                return
            for item in items:
                try:
                    self._took(*item)
                except Exception as exc:  # noqa: BLE001  (one call's fault stops no other)
                    self._log.error("An event of a Dask worker could not be taken.", exc_info=exc)
            if time.monotonic() - looked >= LOOK_SECONDS:
                try:
                    self._look()
                except Exception as exc:  # noqa: BLE001  (as above)
                    self._log.error("Looking after the tasks on Dask failed.", exc_info=exc)
                looked = time.monotonic()

    def _took(self, key: str, kind: int, told: bytes, where: str) -> None:
        self._heard += 1
        if self._heard % TRUNCATE == 0:
            self._truncate()
        call, _ = self._going.get(key, (None, None))
        if call is None:
            return
        if self._where.setdefault(key, where) != where:
            # Dask has moved a running task: it was begun twice, and the second time is not the flow's wish.
            self._over(key)
            self.cancel([call])
            call.lost(f"Dask worker {self._where.pop(key, '')} was closed while the task ran")
            return
        if kind == ANSWER:
            self._over(key)
            call.ended(told, _fetch_of(call))
        else:
            call.happened(told)

    def _over(self, key: str) -> None:
        self._going.pop(key, None)
        self._finished.pop(key, None)
        self._where.pop(key, None)

    def _truncate(self) -> None:
        topic = self._topic

        def forget(dask_scheduler: Any) -> None:
            dask_scheduler._broker.truncate(topic)

        with contextlib.suppress(Exception):  # what it keeps is bounded, by its own configuration
            self.client.run_on_scheduler(forget)

    def _look(self) -> None:
        now = time.monotonic()
        if self.client.status != "running":
            self._away_since = self._away_since or now
            if now - self._away_since > GONE_SECONDS:
                for key, (call, _) in list(self._going.items()):
                    self._over(key)
                    call.failed(ConnectionError("The Dask scheduler cannot be reached any more."))
            return
        self._away_since = None
        if self._awake_at is not None and now - self._awake_at > AWAKE_SECONDS:
            self._awake_at = now
            self.client.submit(int, pure=False)
        for key, (call, future) in list(self._going.items()):
            status = "pending" if future is None else future.status
            if status == "pending":
                continue
            if not call.going:
                self._over(key)
            elif status == "finished":
                if now - self._finished.setdefault(key, now) > UNTOLD_SECONDS:
                    self._over(key)
                    call.ended(self.client.submit(answer_of, future, pure=False).result(), _fetch_of(call))
            elif status == "error":
                exc = future.exception()
                where = self._where.get(key)
                self._over(key)
                if isinstance(exc, KilledWorker):
                    self._killed(call, where, exc.last_worker)
                else:
                    call.failed(exc)
            elif status in ("cancelled", "lost"):
                where = self._where.get(key)
                self._over(key)
                call.lost(f"Dask worker {where} was lost" if where else f"the task's data were {status} by Dask")

    def _killed(self, call: Any, where: str | None, worker: Any) -> None:
        """A worker was lost. It may have begun a call without having told: as many as it had threads to spare."""
        if where is None:
            spare = self._spare.setdefault(worker.address, worker.nthreads - self._count(worker.address))
            self._spare[worker.address] = spare - 1
            begun = spare > 0
        else:
            begun = True
            self._spare.setdefault(worker.address, worker.nthreads - self._count(worker.address) - 1)
        call.lost(f"Dask worker {worker.address} was lost", begun)

    def _count(self, address: str) -> int:
        return sum(1 for other in self._where.values() if other == address)

    def close(self) -> None:
        """Stop sending and hearing."""
        self._closed.set()
        self._out.put(None)
        self._in.put(None)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(5)
        if self.client.status == "running":
            self.client.unsubscribe_topic(self._topic)


def _fetch_of(call: Any) -> Any:
    """What gets the value of a call; it holds nothing else, so that the value is let go of with its last future."""
    handle = call.handle
    if handle is None:  # it was answered before the thread that sends had its future
        return lambda: call.handle.result().value
    return lambda: handle.result().value
