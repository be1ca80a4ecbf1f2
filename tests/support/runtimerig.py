"""The operator's runtime without watches: store, queue, controller and effects on an API server in memory, a core of the test's choice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock_operator.core.model import Decision, Observed
from penstock_operator.runtime.checker import Checker
from penstock_operator.runtime.client import ApiClient
from penstock_operator.runtime.controller import Controller
from penstock_operator.runtime.credentials import Credentials, Endpoint
from penstock_operator.runtime.effects import Effects
from penstock_operator.runtime.gather import Gatherer
from penstock_operator.runtime.memory import Memories
from penstock_operator.runtime.metrics import Metrics
from penstock_operator.runtime.queue import WorkQueue
from penstock_operator.runtime.ratelimit import TokenBucket
from penstock_operator.runtime.recorder import Recorder
from penstock_operator.runtime.resources import FLOWRUNS, FLOWS, PODS, Key
from penstock_operator.runtime.status import StatusWriter
from penstock_operator.runtime.store import Store
from penstock_operator.runtime.unreadable import LeftAlone
from tests.support import virtualtime
from tests.support.fakeapi import FakeApi

START = datetime(2026, 1, 1, tzinfo=UTC)
RUN = Key("default", "etl")


def now() -> datetime:
    """The wall clock goes with the virtual loop's."""
    return START + timedelta(seconds=virtualtime.clock())


def half() -> float:
    return 0.5


def credentials(token: Callable[[], str | None] = lambda: "token") -> Credentials:
    return Credentials(Endpoint("http://api", "default"), token, clock=lambda: 0.0)


def client(api: FakeApi, metrics: Metrics | None = None, **more: Any) -> ApiClient:
    """A client of the server in memory; `credentials=` replaces the usual ones."""
    who = more.pop("credentials", credentials())
    bucket = TokenBucket(1e6, 1_000_000, clock=virtualtime.clock, sleep=asyncio.sleep)
    return ApiClient(who, bucket, metrics or Metrics(), wire=api, random=half, clock=virtualtime.clock, **more)


@dataclass
class Rig:
    """All parts; made inside the running loop."""

    api: FakeApi
    decide: Callable[[Observed], Decision]
    seen: list[Observed] = field(default_factory=list)
    set_by: float = 0.0  # seconds, as somebody sets the wall clock
    checker: Checker = field(default_factory=Checker)
    flow_changed: Callable[[Key], None] = lambda _: None
    flow_counted: Callable[[Key], None] = lambda _: None

    def __post_init__(self) -> None:
        self.metrics = Metrics()
        self.told: list[Key] = []  # the runs that the store named
        self.store = Store(self.told.extend, lambda key: self.flow_changed(key), lambda key: self.flow_counted(key))
        self.client = client(self.api, self.metrics)
        self.queue: WorkQueue[Key] = WorkQueue(clock=virtualtime.clock, random=half)
        self.recorder = Recorder(self.client, "me", self.metrics, now=now, clock=virtualtime.clock)
        self.memories = Memories(self.wall, virtualtime.clock)
        gatherer = Gatherer(
            self.client, self.store, self.checker, now=self.wall, random=half, engine_image="engine", pod_security=True
        )
        self.controller = Controller(
            self._decided,
            self.queue,
            self.store,
            gatherer,
            StatusWriter(self.client, self.store, self.metrics),
            Effects(self.client, self.store, self.recorder, now=self.memories.now),
            self.memories,
            LeftAlone(self.client, self.store, self.recorder, now=self.wall),
            self.metrics,
            now=self.wall,
            clock=virtualtime.clock,
        )

    def wall(self) -> datetime:
        """The operator's wall clock, which somebody may set."""
        return now() + timedelta(seconds=self.set_by)

    def _decided(self, observed: Observed) -> Decision:
        self.seen.append(observed)
        return self.decide(observed)

    def sync(self) -> None:
        """The store learns what the server holds, as by watches."""
        kinds = {r.plural: r for r in (FLOWRUNS, FLOWS, PODS)}
        for (plural, _, _), body in self.api.objects.items():
            if plural in kinds:
                self.store.apply(kinds[plural], body)

    async def settle(self, key: Key = RUN) -> None:
        self.sync()
        await self.controller.settle(key, virtualtime.clock())

    def sample(self, metric: str, /, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(metric, labels) or 0.0


def on(api: FakeApi, decide: Callable[[Observed], Decision], story: Callable[[Rig], Coroutine[Any, Any, None]]) -> Rig:
    """Tell a story in virtual time; returns what it was told on."""

    async def main() -> Rig:
        rig = Rig(api, decide)
        try:
            await story(rig)
        finally:
            rig.queue.close()
            await rig.client.close()
        return rig

    return virtualtime.run(main)


async def settled(rig: Rig) -> None:
    """The usual story: one pass over the run."""
    await rig.settle()
