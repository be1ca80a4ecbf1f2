"""The operator: everything of this package put together, started, and ended.

Order: listings fill the store (and say what is in the way of them), then the watches run; with leader election the workers begin when the
Lease is held. What ends the watches only starts them again; what ends the right to decide ends the operator. Embeddable: it installs no
signal handlers, touches no logging, and keeps everything in one instance.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from .checker import Checker
from .client import ApiClient
from .clock import Steps
from .config import Config
from .controller import Controller, Decide, enqueue
from .credentials import Credentials
from .effects import Effects
from .errors import ApiError
from .flows import Flows
from .gather import Gatherer
from .health import NO_PROGRESS_SECONDS, WATCH_SILENT_SECONDS, WORKER_STUCK_SECONDS, HealthServer
from .lease import Lease
from .memory import Memories
from .metrics import Metrics
from .orphans import Orphans
from .queue import WorkQueue
from .ratelimit import TokenBucket
from .recorder import Recorder
from .resources import FLOWRUNS, FLOWS, Key, Resource
from .session import Beats
from .source import EventSource
from .status import StatusWriter
from .store import Store
from .sync import Sync
from .unreadable import LeftAlone
from .wire import Wire

FINISH_SECONDS = 0.4  # for workers at the end; what is cut off is repeated by the next operator
RELEASE_SECONDS = 0.3
WATCH_SILENT_RESTART = 150.0  # twice kopf's own patience: then it is kopf that hangs
FIRST_RESTART_SECONDS = 0.5
LONGEST_RESTART_SECONDS = 30.0
STEADY_SECONDS = 60.0
CLOCK_SECONDS = 15.0  # how soon it is noticed that the wall clock was set forward
ORPHAN_SECONDS = 60.0  # between two looks at pods whose runs are not known
PROBE_SECONDS = 5.0  # between two questions whether refused credentials are accepted again
WORKERS = "workers"
FLOW_WORKER = "flows"

log = logging.getLogger(__name__)


def utc_now() -> datetime:
    """Return the wall clock's time in UTC."""
    return datetime.now(UTC)


def _namespace(key: Key) -> str:
    return key.namespace


class Operator:
    """One operator.

    Args:
        config: what it is told.
        credentials: of the API server.
        decide: the core.
        wire: carries the client's requests; default: the network.
        now: the wall clock, UTC.
        clock: monotonic seconds.
        rng: for jitter.
    """

    def __init__(
        self,
        config: Config,
        credentials: Credentials,
        decide: Decide,
        *,
        wire: Wire | None = None,
        now: Callable[[], datetime] = utc_now,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._config = config
        self._clock = clock
        self.metrics = Metrics()
        self.store = Store(self._concerned, self._flow_changed, self._flow_counted)
        self.queue: WorkQueue[Key] = WorkQueue(clock=clock, random=rng, group=_namespace)
        bucket = TokenBucket(config.api_qps, config.api_burst, clock=clock, sleep=asyncio.sleep)
        self._client = ApiClient(credentials, bucket, self.metrics, wire=wire, random=rng, clock=clock)
        self._checker = Checker()
        self._recorder = Recorder(
            self._client,
            config.identity,
            self.metrics,
            now=now,
            clock=clock,
            crowded=lambda: self.queue.crowded,
        )
        memories = Memories(now, clock)
        gatherer = Gatherer(
            self._client,
            self.store,
            self._checker,
            now=now,
            random=rng,
            engine_image=config.engine_image,
            pod_security=config.pod_security,
            engine_template=config.engine_template,
        )
        self._nearby = gatherer.nearby
        self._controller = Controller(
            decide,
            self.queue,
            self.store,
            gatherer,
            StatusWriter(self._client, self.store, self.metrics),
            Effects(self._client, self.store, self._recorder, now=memories.now),
            memories,
            LeftAlone(self._client, self.store, self._recorder, now=now),
            self.metrics,
            workers=config.workers,
            now=now,
            clock=clock,
        )
        self._flows = Flows(
            self._client,
            self.store,
            WorkQueue(clock=clock, random=rng, group=_namespace),
            self._recorder,
            self._checker,
            now=now,
            clock=clock,
            complete=lambda: self._sync.complete.is_set(),
        )
        self._sync = Sync(self._client, self.store, config.namespaces, self.metrics, clock=clock)
        self._beats = Beats(clock)
        self._source = EventSource(credentials, config.namespaces, self._deliver, self._sync.begins, self._beats)
        self._orphans = Orphans(self._client, self.store, self.metrics)
        self._steps = Steps(now, clock)
        namespace = config.lease_namespace or credentials.endpoint.namespace
        self._lease = Lease(self._client, namespace, config.lease_name, config.identity, now=now, clock=clock)
        self._leading = not config.leader_elect
        self._synced = asyncio.Event()
        self._probed = config.namespaces[0] if config.namespaces else None
        self._rng = rng
        self._gauges()

    async def run(self, stop: asyncio.Event) -> int:
        """Operate until told to stop.

        Returns:
            The process's exit code: 0; 1 when the right to decide was lost, or the health port is taken.
        """
        try:
            health = self._health()
        except OSError as error:
            log.error("the health port %d can't be listened on: %s", self._config.health_port, error)  # noqa: TRY400
            return 1
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._follow(), name="watches"),
            asyncio.create_task(self._relist(), name="relist"),
            asyncio.create_task(self._watch_the_clock(), name="clock"),
            asyncio.create_task(self._probe(), name="credentials"),
            asyncio.create_task(self._recorder.run(), name="events"),
        ]
        deciding = asyncio.create_task(self._decide(tasks), name="deciding")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            done, _ = await asyncio.wait({deciding, stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping, deciding}:
                task.result()  # none of them ends by itself: its error is the operator's
            if deciding in done:
                deciding.result()
                log.error("this operator may not decide any more, and ends")
                return 1
            return 0
        finally:
            stopping.cancel()
            await self._end([deciding, *tasks])
            if health is not None:
                health.stop()

    # --- vitals, asked by probes from their threads ---------------------------------------------------------------------------------

    def problem(self) -> str | None:
        """Return why the operator makes no progress; None: it does."""
        stuck = max(self.queue.working(), self._flows.working())
        if stuck > WORKER_STUCK_SECONDS:
            return f"a worker has been at one run or Flow for {stuck:.0f} s"
        answered = self._client.answered_at
        # A server that answers nobody is no reason to start anew: it would be met again.
        quiet = self._clock() - answered if answered is not None else float("inf")
        stalled = self.queue.stalled() if self._leading else 0.0
        if stalled > NO_PROGRESS_SECONDS and quiet < NO_PROGRESS_SECONDS / 2:
            return f"{len(self.queue)} runs wait, and none has been taken up or left for {stalled:.0f} s"
        silent = self._beats.oldest()
        if silent > WATCH_SILENT_SECONDS and quiet < WATCH_SILENT_SECONDS / 2:
            return f"a watch has not been heard of for {silent:.0f} s, although the API server answers"
        return None

    def readiness(self) -> tuple[bool, str]:
        """Return whether the caches are filled, what the API server refuses, and whether this operator leads."""
        refused = self._client.refused_since
        if refused is not None:
            for_ = self._clock() - refused
            return False, f"the API server has not accepted the operator's credentials for {for_:.0f} s"
        if self._sync.refused is not None:
            return False, self._sync.refused
        if not self._synced.is_set():
            return False, "the caches are not filled yet"
        return True, "ok: leading" if self._leading else "ok: standing by"

    # --- parts ----------------------------------------------------------------------------------------------------------------------

    async def _decide(self, tasks: list[asyncio.Task[Any]]) -> None:
        """Hold the Lease, if that is wanted, and let the workers work; return when it is lost."""
        if self._config.leader_elect:
            await self._lease.acquire()
            self._leading = True
        self.metrics.leader.set(1)
        working = asyncio.create_task(self._work(), name=WORKERS)
        keeping = asyncio.create_task(self._keep(), name="lease")
        flows = asyncio.create_task(self._work_on_flows(), name=FLOW_WORKER)
        tasks += [working, keeping, flows]
        tasks.append(asyncio.create_task(self._sweep(), name="orphans"))
        done, _ = await asyncio.wait({keeping, working, flows}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # a worker never ends by itself: what goes wrong with a run stays with the run
        self._leading = False
        self.metrics.leader.set(0)

    async def _work(self) -> None:
        # In the middle of a listing a slot would look free that a run of a later page holds, and each pod would be asked for.
        await self._synced.wait()
        await self._controller.work()

    async def _work_on_flows(self) -> None:
        # Before that the counts of runs would be wrong.
        await self._synced.wait()
        await self._flows.work()

    async def _keep(self) -> None:
        if self._config.leader_elect:
            await self._lease.keep()
        else:
            await asyncio.Event().wait()

    async def _follow(self) -> None:
        """Fill the caches, and keep them so: whatever ends the watches, they begin anew from a listing."""
        wait = FIRST_RESTART_SECONDS
        while True:
            await self._sync.prime()
            self._synced.set()
            self.metrics.synced.set(1)
            log.info("ready: the caches are filled")
            begun = self._clock()
            why = await self._watch()
            self.metrics.watch_restarts.inc()
            if self._clock() - begun > STEADY_SECONDS:
                wait = FIRST_RESTART_SECONDS
            log.warning("the watches ended and begin anew in %.1f s: %s", wait, why)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_RESTART_SECONDS)

    async def _watch(self) -> str:
        watching = asyncio.create_task(self._source.run(), name="kopf")
        try:
            while True:
                done, _ = await asyncio.wait({watching}, timeout=WATCH_SILENT_RESTART / 2)
                if done:
                    return watching.result()
                if self._beats.oldest() > WATCH_SILENT_RESTART:
                    return f"a watch has not been heard of for {self._beats.oldest():.0f} s"
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _relist(self) -> None:
        await self._synced.wait()
        await self._sync.run(lambda: self._config.relist_seconds * (0.9 + 0.2 * self._rng()))

    async def _sweep(self) -> None:
        """End pods whose runs are gone, once everything has been listed."""
        await self._sync.complete.wait()
        self._flows.concern(Key(*name) for name in self.store.references.history.flows())
        while True:
            await self._orphans.sweep()
            await asyncio.sleep(ORPHAN_SECONDS)

    async def _watch_the_clock(self) -> None:
        """A wall clock that was set forward may have reached what somebody waits for: timers go by the other clock."""
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            step = self._steps.step()
            if step:
                log.warning("the wall clock was set by %.0f s", step)
            if step > 0:
                self._concerned(self.queue.delayed_keys())
                self._flows.hurry()

    async def _probe(self) -> None:
        """Ask now and then while the credentials are refused: with nothing to do, nobody would notice that they are good again."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            if self._client.refused_since is not None:
                with contextlib.suppress(ApiError):
                    await self._client.request("list", FLOWRUNS, self._probed, params={"limit": "1"}, tries=1)

    async def _end(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """End everything within a second: workers may finish what they are at, the Lease is given back, watches are cut."""
        tasks = list(tasks)
        self.queue.close()
        self._flows.close()
        workers = [task for task in tasks if task.get_name() in (WORKERS, FLOW_WORKER)]
        if workers:
            await asyncio.wait(workers, timeout=FINISH_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._lease.release()
        except TimeoutError:
            log.info("the lease was not given back in time")
        await self._checker.close()
        await self._client.close()

    def _deliver(self, resource: Resource, raw: Mapping[str, Any], *, deleted: bool, size: int) -> None:
        self.metrics.events_in.labels(resource.plural).inc()
        if self.store.apply(resource, raw, deleted=deleted, size=size) is None:
            self.metrics.stale_events.labels(resource.plural).inc()

    def _flow_changed(self, key: Key) -> None:
        self._flows.concern((key,))
        for missing in self._nearby.changed(key, there=self.store.seen(FLOWS, key) > 0):
            self._concerned(self.store.references.waiting_for(FLOWS, missing))

    def _flow_counted(self, key: Key) -> None:
        self._flows.counted(key)

    def _concerned(self, keys: Iterable[Key]) -> None:
        for key in keys:
            enqueue(self.queue, self.store, self.metrics, key)

    def _refused_for(self) -> float:
        since = self._client.refused_since
        return 0.0 if since is None else max(0.001, self._clock() - since)

    def _health(self) -> HealthServer | None:
        if not self._config.health_port:
            return None
        server = HealthServer(
            self._config.health_port, self, self.metrics.registry, asyncio.get_running_loop(), clock=self._clock
        )
        server.start()
        return server

    def _gauges(self) -> None:
        watch = self.metrics.watch
        watch("penstock_runs", "Runs by type of state", "type", self.store.states)
        watch("penstock_queue_depth", "Runs that wait for a worker", "", lambda: [("", float(len(self.queue)))])
        watch("penstock_queue_delayed", "Runs with a time set", "", lambda: [("", float(self.queue.delayed))])
        watch("penstock_flows_delayed", "Flows with a time set", "", lambda: [("", float(self._flows.delayed()))])
        watch(
            "penstock_worker_busy_seconds",
            "How long the slowest worker has been at its run",
            "",
            lambda: [("", self.queue.working())],
        )
        watch("penstock_objects_unreadable", "Objects that are left alone", "resource", self.store.unreadables)
        watch(
            "penstock_credentials_refused_seconds",
            "Since when the API server has not accepted the operator's credentials; 0: it does",
            "",
            lambda: [("", self._refused_for())],
        )
        watch("penstock_watch_age_seconds", "Since each watch was last heard of", "path", self._beats.ages)
