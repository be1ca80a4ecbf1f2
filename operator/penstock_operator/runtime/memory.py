"""What the operator remembers of a run between two decisions: hints that save requests or time, never facts that a restart may not lose.

All that must survive is in the run's status. Neighbours: `effects` and `status` write it, `gather` shows it to the core.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from penstock_operator.api.constants import ANNOTATION_INTENT, ENGINE_CONTAINER
from penstock_operator.api.flowrun import DesiredState, FlowRun
from penstock_operator.core.clock import ahead
from penstock_operator.core.model import Look, Refusal
from penstock_operator.core.observe import Pod

from .clock import Reckoning
from .resources import Key


@dataclass(slots=True)
class Memory:
    """Of one run and its present attempt.

    Attributes:
        uid: of the run.
        reckoning: which time it is for the run, a clock that is never set back; all moments here are on it.
        attempt: its number; 0: none yet.
        refusal: how the API server refused this attempt's pod.
        pod_created: whether a POST of it succeeded.
        pod_warnings: what the API server warned of then.
        refused: looks that the API server did not allow, and when it said so last.
        stopped_at: when its pod was first seen to be asked to stop.
        running_at: when the engine's container was first seen running.
        intent: the pod's annotation as it was seen last.
        intent_at: when it was first seen so.
        reduced: how much of the status is left out since the API server refused it (0: nothing).
        reduced_for: the state that this was about.
        reduced_why: the server's words.
        followed: the version of the run whose moments the reckoning follows.
        unwritable: the version of the run for which it was told that not even the smallest status is taken.
    """

    uid: str
    reckoning: Reckoning
    attempt: int = 0
    refusal: Refusal | None = None
    pod_created: bool = False
    refused: dict[Look, Refusal] = field(default_factory=dict)
    pod_warnings: tuple[str, ...] | None = None
    stopped_at: datetime | None = None
    running_at: datetime | None = None
    intent: str | None = None
    intent_at: datetime | None = None
    reduced: int = 0
    reduced_for: str = ""
    reduced_why: str = ""
    unwritable: str = ""
    followed: str = ""

    def see(self, pod: Pod, now: datetime) -> None:
        """Note when something of the pod is seen for the first time: only the operator's own clock counts."""
        engine = pod.container(ENGINE_CONTAINER)
        if (
            self.running_at is None
            and engine is not None
            and engine.state is not None
            and engine.state.kind == "running"
        ):
            self.running_at = now
        intent = pod.annotations.get(ANNOTATION_INTENT)
        if intent is not None and intent != self.intent:
            self.intent, self.intent_at = intent, now
        told_to_end = intent is not None and intent.split(" ")[0] in (DesiredState.CANCELLED, DesiredState.SUSPENDED)
        if self.stopped_at is None and (told_to_end or pod.deletion_timestamp is not None):
            self.stopped_at = now


class Memories:
    """By run. Another run under an old name, or a new attempt, begins with nothing.

    Args:
        wall: the wall clock, UTC.
        ticks: monotonic seconds.
    """

    def __init__(self, wall: Callable[[], datetime], ticks: Callable[[], float]) -> None:
        self._memories: dict[Key, Memory] = {}
        self._wall = wall
        self._ticks = ticks
        self._reckoning = Reckoning(wall(), ticks())

    def __len__(self) -> int:
        return len(self._memories)

    def of(self, run: FlowRun) -> Memory:
        """Return what is remembered of the run's present attempt."""
        key = Key(run.metadata.namespace, run.metadata.name)
        number = run.status.attempt.number if run.status.attempt is not None else 0
        memory = self._memories.get(key)
        if memory is None or memory.uid != run.metadata.uid:
            reckoning = Reckoning(self._wall(), self._ticks())
            memory = self._memories[key] = Memory(run.metadata.uid, reckoning, number)
        elif memory.attempt != number:
            # What is left out of the status is about the run, as its time is; the rest was about the attempt before.
            memory = self._memories[key] = Memory(
                memory.uid,
                memory.reckoning,
                number,
                reduced=memory.reduced,
                reduced_for=memory.reduced_for,
                reduced_why=memory.reduced_why,
            )
        return memory

    def ahead(self, run: FlowRun) -> float:
        """Return by how many seconds the run's reckoning is ahead of the wall clock."""
        state = run.status.state
        # Nothing is remembered of a run that has ended, and its retention may last for days.
        ended = state is not None and state.type.terminal
        memory = self.of(run)
        reckoning = self._reckoning if ended else memory.reckoning
        wall, ticks = self._wall(), self._ticks()
        known = reckoning.ahead(wall, ticks)
        if ended or memory.followed == run.metadata.resource_version:
            return known
        memory.followed = run.metadata.resource_version
        shown = ahead(run.status, wall, known)
        if shown > known:
            reckoning.follow(shown, wall, ticks)
        return shown

    def now(self, run: FlowRun) -> datetime:
        """Return which time it is by the run's reckoning."""
        return self._wall() + timedelta(seconds=self.ahead(run))

    def forget(self, key: Key) -> None:
        """The run is gone, or has ended."""
        self._memories.pop(key, None)
