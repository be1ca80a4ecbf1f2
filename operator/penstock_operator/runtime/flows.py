"""Works on Flows: observe, decide, make the runs that are due, write the status, act. As `controller` does for runs.

A Flow waits for its next time in the queue, which has one heap and one timer for all of them; nothing else of its schedules is in memory.
What a change of the runs' counts wants is written at a pace of its own. Whatever goes wrong with one Flow is that Flow's matter.
Neighbours: `store` says which Flows there is news of, `core.flows` decides, `flowcreation` makes runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime

from penstock_operator.api.flow import Flow, FlowStatus
from penstock_operator.core.flows.counts import counted
from penstock_operator.core.flows.decide import decide
from penstock_operator.core.flows.model import (
    NOTHING_PAST,
    Crowd,
    DeletePast,
    FlowDecision,
    FlowEffect,
    FlowObserved,
)
from penstock_operator.core.model import MISSING, UNKNOWN, Absence, Checked, ConfigMap, Look
from penstock_operator.core.revisions import parse_config_map

from . import errors
from .checker import Checker
from .client import ApiClient
from .crew import Crew
from .errors import ApiError, UnreadableError
from .flowcreation import FlowCreation
from .flowmemory import FlowMemories, FlowMemory
from .past import Tidying
from .patch import merge_patch
from .queue import WorkQueue
from .recorder import Recorder
from .resources import CONFIGMAPS, FLOWS, Key
from .store import Store

WORKERS = 8
ROUNDS = 64  # a hundred runs are made in ten of them
AT_ONCE = 10  # runs that are made before the Flow is read anew: somebody may suspend it meanwhile
SETTLE_SECONDS = 100.0
GIVE_WAY_SECONDS = 20.0  # a thousand Flows that look again are work too
SOONEST_SECONDS = 0.02  # a time that has passed already must not become a loop

log = logging.getLogger(__name__)


class Flows:
    """Brings Flows to where nothing is to be done about them now.

    Args:
        client: to the API server.
        store: what is known.
        queue: its own.
        recorder: where Events go.
        checker: of schemas.
        now: the wall clock, UTC.
        clock: monotonic seconds, the queue's.
        complete: whether the store has been told of all runs, those that have ended among them.
    """

    def __init__(
        self,
        client: ApiClient,
        store: Store,
        queue: WorkQueue[Key],
        recorder: Recorder,
        checker: Checker,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        complete: Callable[[], bool] = lambda: True,
    ) -> None:
        self._client = client
        self._store = store
        self._queue = queue
        self._recorder = recorder
        self._checker = checker
        self._now = now
        self._clock = clock
        self._complete = complete
        self._tidying = Tidying(client, store)
        self._creation = FlowCreation(client, store, now=now)
        self._memories = FlowMemories()
        self._crew = Crew(queue, self._one, WORKERS, urgent=1)
        self._own: set[Key] = set()  # what is being taken note of by whoever works on it

    def concern(self, keys: Iterable[Key]) -> None:
        """There may be news of these Flows."""
        for key in keys:
            if key not in self._own:
                self._queue.add(key)

    def counted(self, key: Key) -> None:
        """A Flow's runs have changed so that its status should tell."""
        pace = self._memories.pace(key)
        pace.changed(self._clock())
        self._queue.hasten(key, pace.wait(self._store.slots.crowd(key), self._clock()))

    def hurry(self) -> None:
        """Look at all that waits for its time: the wall clock was set."""
        self.concern(self._queue.delayed_keys())

    def delayed(self) -> int:
        """How many Flows have a time set."""
        return self._queue.delayed

    def working(self) -> float:
        """Seconds that the slowest worker has been at its Flow; 0 when all are idle."""
        return self._queue.working()

    def close(self) -> None:
        """Let `work` return."""
        self._queue.close()

    async def work(self) -> None:
        """Take Flows from the queue until it is closed."""
        await self._crew.run()

    async def _one(self, key: Key, _since: float) -> None:
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await self.settle(key)
        except ApiError as error:
            wait = self._queue.fail(key, error.retry_after)
            level = logging.INFO if error.transient or error.code == errors.CONFLICT else logging.WARNING
            log.log(level, "Flow %s: %s; again in %.1f s", key, error, wait)
        except TimeoutError:
            log.warning("Flow %s: not settled in %g s; again in %.1f s", key, SETTLE_SECONDS, self._queue.fail(key))
        except Exception:
            log.exception("Flow %s; again in %.1f s", key, self._queue.fail(key))
        else:
            self._queue.succeed(key)

    async def settle(self, key: Key) -> None:
        """Bring a Flow to where nothing is to be done about it now.

        Raises:
            ApiError: something was not answered, or refused.
        """
        flow = self._known(key)
        source: ConfigMap | Absence = UNKNOWN
        live = False
        for _ in range(ROUNDS):
            if flow is None:
                return
            memory = self._memories.of(key, flow)
            decision = decide(self._observed(key, flow, memory, source, live=live))
            if Look.FLOW in decision.looks:
                flow, source, live = await self._read(key), UNKNOWN, True
            elif Look.PARAMETERS in decision.looks:
                memory.checked = (flow.metadata.generation, await self._checked(flow))
            elif decision.looks:
                source = await self._source(flow)
            elif decision.creates:
                await self._creation.create(decision.creates[:AT_ONCE], flow, memory)
                live = len(decision.creates) < AT_ONCE
            else:
                try:
                    answer = await self._write(key, flow, decision.status, memory)
                except ApiError as error:
                    if error.code != errors.CONFLICT:
                        raise
                    flow, source, live = await self._read(key), UNKNOWN, True
                    continue
                for effect in decision.effects:
                    await self._act(effect, flow)
                if answer is None:
                    self._schedule(key, flow, decision, memory)
                    return
                flow, live = answer, True
        raise RuntimeError(f"{ROUNDS} decisions in a row, and still something to do")

    def _known(self, key: Key) -> Flow | None:
        try:
            flow = self._store.flow(key)
        except UnreadableError:
            return None  # told already, and left alone
        if flow is None:
            self._memories.forget(key)
            self._queue.cancel(key)
        return flow

    def _observed(
        self, key: Key, flow: Flow, memory: FlowMemory, source: ConfigMap | Absence, *, live: bool
    ) -> FlowObserved:
        crowd, history = self._store.slots.crowd(key), self._store.references.history
        return FlowObserved(
            flow,
            self._now(),
            live=live,
            source=source,
            checked=_of_generation(memory, flow),
            made=memory.made,
            refused={name: refusal for name, (_, refusal) in memory.refused.items()},
            changed=history.changed(flow.metadata.uid),
            # A run of which nobody has told yet may need one of these.
            past=history.past(flow.metadata.uid) if self._complete() else NOTHING_PAST,
            crowd=crowd,
            outcome=self._store.outcomes.of(key),
            counts_wait=self._counts_wait(crowd, memory),
        )

    def _counts_wait(self, crowd: Crowd, memory: FlowMemory) -> float:
        """Seconds for which counts have to wait; for a while they give way to runs that are to be started."""
        wait = memory.pace.wait(crowd, self._clock())
        busy = len(self._queue) > 0 or self._client.at_its_limit
        return max(wait, GIVE_WAY_SECONDS) if busy and memory.pace.patient(self._clock()) else wait

    async def _act(self, effect: FlowEffect, flow: Flow) -> None:
        if isinstance(effect, DeletePast):
            await self._tidying.delete_run(effect, flow.metadata.namespace)
        else:
            self._recorder.emit(flow.metadata, effect, "Flow")

    async def _write(self, key: Key, flow: Flow, wanted: FlowStatus | None, memory: FlowMemory) -> Flow | None:
        """Make the status what is wanted; return the Flow as the server answered, None where there was nothing to write.

        Raises:
            ApiError: 409: something changed meanwhile; others: no answer.
        """
        if wanted is None or wanted == flow.status:
            memory.settled(flow.status)
            return None
        patch = merge_patch(flow.status.to_json(), wanted.to_json())
        body = {"metadata": {"resourceVersion": flow.metadata.resource_version}, "status": patch}
        since = memory.pace.sent()
        try:
            raw = await self._client.patch(FLOWS, *key, body, sub="status")
        except BaseException as error:
            memory.pace.lost(since)
            if not isinstance(error, ApiError) or error.code != errors.NOT_FOUND:
                raise
            return None  # its deletion's event is on its way
        memory.settled(wanted)
        memory.pace.written(self._clock(), alone=counts_alone(patch))
        return self._learn(key, raw)

    def _learn(self, key: Key, raw: dict[str, object]) -> Flow | None:
        self._own.add(key)
        try:
            self._store.apply(FLOWS, raw)
        finally:
            self._own.discard(key)
        return self._known(key)

    async def _read(self, key: Key) -> Flow | None:
        seen = self._store.seen(FLOWS, key)
        try:
            raw = await self._client.get(FLOWS, *key)
        except ApiError as error:
            if error.code != errors.NOT_FOUND:
                raise
            self._store.absent(FLOWS, key, seen)
            return None
        return self._learn(key, raw)

    async def _source(self, flow: Flow) -> ConfigMap | Absence:
        assert flow.spec.source is not None
        assert flow.spec.source.config_map is not None
        try:
            raw = await self._client.get(CONFIGMAPS, flow.metadata.namespace, flow.spec.source.config_map.name)
        except ApiError as error:
            if error.code != errors.NOT_FOUND:
                raise
            return MISSING
        return parse_config_map(raw)

    async def _checked(self, flow: Flow) -> Checked:
        assert flow.spec.parameters_schema is not None
        schema, parameters = flow.spec.parameters_schema, flow.spec.parameters or {}
        return await self._checker.check(schema, parameters, asks=flow.metadata.namespace)

    def _schedule(self, key: Key, flow: Flow, decision: FlowDecision, memory: FlowMemory) -> None:
        delays = [(decision.requeue_at - self._now()).total_seconds()] if decision.requeue_at is not None else []
        crowd = self._store.slots.crowd(key)
        if counted(flow.status, crowd, self._store.outcomes.of(key)) == flow.status:
            memory.pace.told()
        elif memory.pace.pending:
            delays.append(self._counts_wait(crowd, memory))
        if delays:
            self._queue.add_after(key, max(SOONEST_SECONDS, min(delays)))
        else:
            self._queue.cancel(key)


def _of_generation(memory: FlowMemory, flow: Flow) -> Checked | Absence:
    """Return the check of a Flow as it is now."""
    known = memory.checked
    return known[1] if known is not None and known[0] == flow.metadata.generation else UNKNOWN


_COUNTS = frozenset({"activeRuns", "queuedRuns", "lastOutcome"})


def counts_alone(patch: dict[str, object]) -> bool:
    """Whether a patch of a status is about counts only."""
    return patch.keys() <= _COUNTS
