"""One run at a time: gather, decide, look where the core wants to look, write, act, and again until nothing is left to do.

The status is written before anything else is done, and nothing else is done unless that write succeeded. A conflict means that the decision
was stale: read live, decide again at once. After its own writes the run is decided once more, on their answers, so that nothing waits for
an event that will not come; a decision that changes nothing ends it. Whatever goes wrong with one run is that run's matter.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime

from penstock_operator.api.flowrun import FlowRun
from penstock_operator.core.concurrency import holds
from penstock_operator.core.model import Decision, DeletePod, Emit, Observed, PatchPod

from . import errors, logs
from .crew import URGENT_WORKERS, Crew
from .effects import Effects, Outcome
from .errors import ApiError, UnreadableError
from .gather import Facts, Gatherer, RunGoneError, attempt_pod, key_of_run
from .lanes import Urgency
from .memory import Memories
from .metrics import Metrics
from .queue import WorkQueue
from .resources import Key
from .status import StatusWriter, UnwritableError
from .store import Store
from .sync import explain
from .unreadable import LeftAlone

ROUNDS = 24  # looks, conflicts and own writes of one pass; more is a decision that never settles
SETTLE_SECONDS = 100.0  # of one pass; what is cut off is taken up again
IMPATIENT = 4  # failures in a row after which a run that has no state yet is told of what is in its way
UNWATCHED_SECONDS = 30.0  # a pod whose label was taken off: no watch tells what becomes of it
CONFLICTS = 5  # of one pass; then somebody else writes as fast as this, and has the way
UNWRITABLE_SECONDS = 300.0  # a change of the object comes sooner, by its event
LARGE_AT_ONCE = 1  # runs that are tens of megabytes while they are looked at
SOONEST_SECONDS = 0.05  # a time that has passed already must not become a loop

log = logging.getLogger(__name__)

Decide = Callable[[Observed], Decision]


class UnsettledError(Exception):
    """The decisions about a run do not come to rest: a fault of the operator's own."""


class Controller:
    """Works on runs.

    Args:
        decide: the core.
        queue: the runs to work on.
        store: what is known.
        gatherer: collects facts.
        writer: of the status.
        effects: for everything else.
        memories: of runs.
        left_alone: tells of runs that can't be read.
        metrics: where work is counted.
        workers: runs that are worked on at the same time.
        now: the wall clock, UTC.
        clock: monotonic seconds, the queue's.
    """

    def __init__(
        self,
        decide: Decide,
        queue: WorkQueue[Key],
        store: Store,
        gatherer: Gatherer,
        writer: StatusWriter,
        effects: Effects,
        memories: Memories,
        left_alone: LeftAlone,
        metrics: Metrics,
        *,
        workers: int = 16,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._decide = decide
        self._queue = queue
        self._store = store
        self._gatherer = gatherer
        self._writer = writer
        self._effects = effects
        self._memories = memories
        self._left_alone = left_alone
        self._crew = Crew(queue, self._one, workers, URGENT_WORKERS)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._metrics = metrics
        self._now = now
        self._clock = clock

    async def work(self) -> None:
        """Take runs from the queue until it is closed."""
        await self._crew.run()

    async def _one(self, key: Key, since: float) -> None:
        begun = self._clock()
        self._metrics.queue_wait.observe(begun - since)
        with logs.about(run=str(key)):
            await self._guarded(key, since)
        self._metrics.reconcile.observe(self._clock() - begun)

    async def _guarded(self, key: Key, since: float) -> None:
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await self.settle(key, since)
        except UnreadableError as error:
            # It stays so until it changes, and then there is news.
            self._metrics.reconcile_errors.labels("unreadable").inc()
            log.warning("left alone: %s", error)
        except ApiError as error:
            wait = self._again(key, "api", error.retry_after)
            # What heals by itself is no warning, as long as it does.
            level = logging.INFO if error.transient else logging.WARNING
            log.log(level, "%s; again in %.1f s", explain(error), wait)
        except UnwritableError as error:
            log.info("the status is refused: %s; again in %.1f s", error.message, self._again(key, "status"))
        except TimeoutError:
            log.warning("not decided within %g s; again in %.1f s", SETTLE_SECONDS, self._again(key, "timeout"))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            log.exception("a decision was cancelled by itself; again in %.1f s", self._again(key, "error"))
        except BaseException as error:
            # Also those that are no Exception: one run's fault must not end the operator, nor be lost.
            log.exception("%s; again in %.1f s", type(error).__name__, self._again(key, "error"))
            self._left_alone.failed(key, error, self._queue.failures(key))
        else:
            self._queue.succeed(key)

    def _again(self, key: Key, kind: str, retry_after: float | None = None) -> float:
        self._metrics.reconcile_errors.labels(kind).inc()
        self._metrics.queue_retries.inc()
        return self._queue.fail(key, retry_after)

    async def settle(self, key: Key, since: float) -> None:
        """Bring a run to where nothing is to be done about it now.

        Args:
            key: of the run.
            since: when what led here happened, monotonic.

        Raises:
            ApiError: something was not answered, or refused.
            UnsettledError: there was always more to do.
        """
        gist = self._store.gist(key)
        if gist is not None and gist.large:
            async with self._large:
                await self._settle(key, since)
        else:
            await self._settle(key, since)
        gist = self._store.gist(key)
        if gist is None or gist.finished:
            self._memories.forget(key)

    async def _settle(self, key: Key, since: float) -> None:
        try:
            run = self._store.run(key)
        except UnreadableError:
            await self._left_alone.tell(key)
            raise
        if run is not None:
            try:
                await self._decided(key, run, since)
            except RunGoneError:
                run = None
        if run is None:
            self._memories.forget(key)
            self._queue.cancel(key)

    async def _decided(self, key: Key, run: FlowRun, since: float) -> None:
        facts = Facts()
        wrote = False
        conflicts = 0
        for _ in range(ROUNDS):
            logs.attempt(run.status.attempt.number if run.status.attempt is not None else None)
            memory = self._memories.of(run)
            observed = self._gatherer.observe(run, facts, memory, self._memories.ahead(run))
            decision = self._decide(observed)
            if decision.looks:
                patient = run.status.state is not None or self._queue.failures(key) < IMPATIENT
                run = await self._gatherer.look(decision.looks, observed, facts, memory, patient=patient)
                continue
            try:
                answer = await self._write(run, decision)
            except UnwritableError as error:
                await self._end_without_status(run, decision, error)
                return
            except ApiError as error:
                if error.code != errors.CONFLICT:
                    raise
                self._metrics.conflicts.inc()
                conflicts += 1
                if conflicts == CONFLICTS:
                    raise
                run, facts = await self._gatherer.read_run(run), Facts(run_is_live=True)
                continue
            if answer is not None:
                if not wrote:
                    self._metrics.status_latency.observe(self._clock() - since)
                wrote, run = True, answer
            if not await self._act(run, decision) and answer is None:
                self._schedule(key, run, decision.requeue_at)
                return
            facts = Facts(run_is_live=answer is not None)
        raise UnsettledError(f"{ROUNDS} decisions in a row, and still something to do: {decision}")

    async def _write(self, run: FlowRun, decision: Decision) -> FlowRun | None:
        if decision.status is None and not decision.drop_report:
            return None
        wanted = decision.status if decision.status is not None else run.status
        if run.status.attempt is None and wanted.attempt is not None:
            logs.attempt(wanted.attempt.number)
        # Other workers decide while this is written: a slot that is taken here is taken.
        key, memory = key_of_run(run), self._memories.of(run)
        before = memory.reduced
        self._store.decided(key, run.model_copy(update={"status": wanted}))
        try:
            return await self._writer.write(run, wanted, memory, drop_report=decision.drop_report)
        finally:
            self._store.decided(key, None)
            if memory.reduced > before:
                note = f"the API server refused the status, it is written with less detail: {memory.reduced_why}"
                await self._effects.perform(Emit("Warning", "StatusRefused", note, "WriteStatus"), run, memory)

    async def _end_without_status(self, run: FlowRun, decision: Decision, error: UnwritableError) -> None:
        """Nothing of a decision is done that its status must come before; a pod's end needs no record, and is not begun twice."""
        memory, state = self._memories.of(run), decision.status.state if decision.status is not None else None
        if memory.unwritable != run.metadata.resource_version:
            memory.unwritable = run.metadata.resource_version
            wanted = f"{state.type}/{state.name}" if state is not None else "the status"
            note = f"{wanted} can't be written, whatever is left out of it: {error.message}"
            if error.too_large:
                note += "; make the object smaller"
            await self._effects.perform(Emit("Warning", "StatusRefused", note, "WriteStatus"), run, memory)
            log.warning("%s", note)
        for effect in decision.effects:
            if isinstance(effect, PatchPod | DeletePod):
                await self._effects.perform(effect, run, memory)
        if error.too_large:
            self._queue.add_after(key_of_run(run), UNWRITABLE_SECONDS)
        else:
            raise error

    async def _act(self, run: FlowRun, decision: Decision) -> bool:
        """Carry out the effects; say whether the next decision may see something new."""
        memory = self._memories.of(run)
        news = False
        for effect in decision.effects:
            outcome = await self._effects.perform(effect, run, memory)
            news = news or outcome is not Outcome.TOLD
            if outcome is Outcome.REFUSED:
                break
        return news

    def _schedule(self, key: Key, run: FlowRun, at: datetime | None) -> None:
        delay = (at - self._now()).total_seconds() if at is not None else None
        gist = self._store.gist(key)
        if self._unwatched(run):
            delay = min(delay, UNWATCHED_SECONDS) if delay is not None else UNWATCHED_SECONDS
        if delay is None:
            self._queue.cancel(key)
        else:
            late = gist is not None and gist.finished
            self._queue.add_after(key, max(SOONEST_SECONDS, delay), late=late)

    def _unwatched(self, run: FlowRun) -> bool:
        """Whether the run has a pod, and the watch does not show it: somebody took its label."""
        name = attempt_pod(run)
        return name is not None and holds(run) and self._store.pods.entry(Key(run.metadata.namespace, name)) is None


def enqueue(queue: WorkQueue[Key], store: Store, metrics: Metrics, key: Key) -> None:
    """Add a run to the queue, in the lane that it belongs to."""
    gist = store.gist(key)
    metrics.queue_added.inc()
    queue.add(key, gist.urgency if gist is not None else Urgency.USUAL)
