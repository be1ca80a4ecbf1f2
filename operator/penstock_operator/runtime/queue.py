"""The work queue: which runs are to be looked at, and when.

A key is in it once however often it is added; a key that is being worked on is not handed out a second time but remembered, and handed out
when its worker is done; a key may be added for later (one time a key: the last decision knows best); a key that failed waits longer each
time. That is client-go's discipline. Five lanes: cancellations go first, then runs whose engine has said how they ended, then what is new,
then runs that only show that they run (where many wait, most have ended before that is their turn, and one write says both), at last those
that have ended; the last two have a turn now and then, whatever waits. Within a lane groups (namespaces) take turns, so that a crowd in one
delays its own only; and a group whose keys are slow holds so many workers and no more. Times are monotonic; one timer runs, for the
earliest of them, and none while nothing waits.
Neighbours: `lanes` holds the keys that are ready, `crew` takes them.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from .lanes import Lane, Urgency

K = TypeVar("K", bound=Hashable)

FIRST_BACKOFF = 0.05  # seconds; client-go begins at 5 ms, but each of our tries may cost live reads
LONGEST_BACKOFF = 60.0
LATE_AT_ONCE = 2  # keys of the last lane in work
BEGUN_SECONDS = 1.0  # how long what has begun waits at least, where other keys do
BEGUN_TURN = 4  # each so-manieth key is one that has begun, if there is any: who looks at it wants to know
LATE_TURN = 16  # each so-manieth key is one of the last lane, if there is any: it must not starve either
FAIR_TURN = 4  # each so-manieth key goes to the next group, though others of it are slow
CROWD = 32  # keys: twice the usual workers
SLOW_OF_A_GROUP = 16  # slow keys of one group at the same time
SLOW_OF_A_LANE = 96  # and of all


@dataclass(slots=True)
class _Work:
    """A key that a worker has."""

    since: float
    urgency: Urgency
    slow: bool = False

    @property
    def urgent(self) -> bool:
        return self.urgency is Urgency.URGENT


class WorkQueue(Generic[K]):
    """Keys that wait for a worker. Used from one event loop.

    Args:
        clock: monotonic seconds, the loop's.
        random: a number in [0, 1): spreads the keys that failed together.
        group: of a key; groups take turns.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        group: Callable[[K], Hashable] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._random = random
        self._group = group
        self._lanes: tuple[Lane[K], ...] = tuple(Lane(group) for _ in Urgency)
        self._working: dict[K, _Work] = {}
        self._again: dict[K, tuple[float, Urgency]] = {}  # added while a worker has it
        self._slow: Counter[tuple[bool, Hashable]] = Counter()  # by whether they are urgent, and group
        self._busy: Counter[Urgency] = Counter()
        self._due: dict[K, tuple[float, int, Urgency]] = {}
        self._timers: list[tuple[float, int, K]] = []  # also such as were replaced: their number tells
        self._numbers = 0
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        self._failures: dict[K, int] = {}
        self._getters: list[asyncio.Future[None]] = []
        self._turn = 0
        self._progress = clock()
        self._closed = False

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes)

    @property
    def crowded(self) -> bool:
        """Whether more live keys wait than are seen to at once."""
        return len(self) - len(self._lanes[Urgency.LATE]) > CROWD

    @property
    def delayed(self) -> int:
        """How many keys have a time set."""
        return len(self._due)

    def delayed_keys(self) -> tuple[K, ...]:
        """Return the keys that have a time set."""
        return tuple(self._due)

    def failures(self, key: K) -> int:
        """Return how often in a row the key has failed."""
        return self._failures.get(key, 0)

    def working(self) -> float:
        """Seconds that the slowest worker has been at its key; 0 when all are idle."""
        begun = min((work.since for work in tuple(self._working.values())), default=None)
        return 0.0 if begun is None else self._clock() - begun

    def stalled(self) -> float:
        """Seconds for which keys have waited, and none was taken or done; 0 while nothing waits."""
        return self._clock() - self._progress if len(self) else 0.0

    def add(self, key: K, urgency: Urgency = Urgency.USUAL) -> None:
        """Hand the key to a worker as soon as one is free; a key that waits already moves to the better lane."""
        if self._closed:
            return
        self._put(key, self._clock(), urgency)

    def add_after(self, key: K, delay: float, *, late: bool = False) -> None:
        """Hand the key out after so many seconds, in place of a time set before."""
        if self._closed:
            return
        self._numbers += 1
        due = self._clock() + delay
        self._due[key] = (due, self._numbers, Urgency.LATE if late else Urgency.USUAL)
        heapq.heappush(self._timers, (due, self._numbers, key))
        if len(self._timers) > 2 * len(self._due) + 64:
            self._timers = [(at, number, k) for k, (at, number, _) in self._due.items()]
            heapq.heapify(self._timers)
        self._set_timer()

    def hasten(self, key: K, delay: float) -> None:
        """Hand the key out after so many seconds, unless it is handed out sooner anyway."""
        due = self._due.get(key)
        if due is None or due[0] > self._clock() + delay:
            self.add_after(key, delay)

    def cancel(self, key: K) -> None:
        """Forget the time set for the key, if any."""
        if self._due.pop(key, None) is not None and not self._due:
            self._timers.clear()
            self._set_timer()

    def fail(self, key: K, retry_after: float | None = None) -> float:
        """Hand the key out again after its backoff, which doubles with each failure in a row.

        Args:
            key: that failed.
            retry_after: what the server asked for; the wait is not shorter.

        Returns:
            The wait in seconds.
        """
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failures - 1, 30)) * (0.75 + 0.5 * self._random())
        delay = max(delay, retry_after or 0.0)
        self.hasten(key, delay)
        return delay

    def succeed(self, key: K) -> None:
        """Begin anew with the key's backoff."""
        self._failures.pop(key, None)

    async def get(self, *, urgent_only: bool = False) -> tuple[K, float] | None:
        """Wait for a key.

        Args:
            urgent_only: take none but those of the first lane.

        Returns:
            The key and since when (monotonic) it waited; None once the queue is closed. The worker must call `done` with it.
        """
        while not self._closed:
            taken = self._take(urgent_only=urgent_only)
            if taken is not None:
                return taken
            getter = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            finally:
                if getter in self._getters:
                    self._getters.remove(getter)
        return None

    def slow(self, key: K) -> None:
        """Say that a worker takes long with the key: another takes its place, and its group's share grows smaller."""
        work = self._working.get(key)
        if work is not None and not work.slow:
            work.slow = True
            self._slow[work.urgent, self._group(key)] += 1
            self._slow[work.urgent, _ALL] += 1

    def done(self, key: K) -> None:
        """Say that the worker is through with the key."""
        work = self._working.pop(key, None)
        self._progress = self._clock()
        if work is not None:
            self._busy[work.urgency] -= 1
        if work is not None and work.slow:
            for group in (self._group(key), _ALL):
                self._slow[work.urgent, group] -= 1
                if not self._slow[work.urgent, group]:
                    del self._slow[work.urgent, group]
        if len(self):
            self._wake()
        again = self._again.pop(key, None)
        if again is not None and not self._closed:
            self._put(key, *again)

    def close(self) -> None:
        """Hand out nothing any more, and let all waiting workers go."""
        self._closed = True
        self._due.clear()
        self._timers.clear()
        self._set_timer()
        self._wake()

    def _put(self, key: K, since: float, urgency: Urgency) -> None:
        if key in self._working:
            before = self._again.get(key, (since, Urgency.LATE))
            self._again[key] = (before[0], min(before[1], urgency))
            return
        if not len(self):
            self._progress = self._clock()
        for lane in self._lanes[:urgency]:
            if key in lane:
                return
        for lane in self._lanes[urgency + 1 :]:
            since = min(since, lane.remove(key, since))
        self._lanes[urgency].add(key, since)
        self._wake()

    def _take(self, *, urgent_only: bool) -> tuple[K, float] | None:
        for urgency in (Urgency.URGENT,) if urgent_only else _order(self._turn):
            lane, urgent = self._lanes[urgency], urgency is Urgency.URGENT
            if self._slow[urgent, _ALL] >= SLOW_OF_A_LANE or (urgency is Urgency.LATE and not self._idle()):
                continue
            # Where there is more to do, what has begun may wait for a moment: most of it has ended then.
            patient = urgency is Urgency.BEGUN and len(self._lanes[Urgency.USUAL]) > 0
            until = self._clock() - BEGUN_SECONDS if patient else math.inf
            taken = lane.take(partial(self._rank, urgent, self._turn % FAIR_TURN == 0), until)
            if taken is not None:
                self._turn += 1
                self._working[taken[0]] = work = _Work(self._clock(), urgency)
                self._busy[work.urgency] += 1
                self._progress = self._clock()
                return taken
        return None

    def _idle(self) -> bool:
        """Whether there is time for what has ended: not beside much else of the kind, and beside what lives only when it is its turn."""
        usual = self._busy.total() - self._busy[Urgency.LATE]
        return self._busy[Urgency.LATE] < LATE_AT_ONCE and (not usual or self._turn % LATE_TURN == LATE_TURN - 1)

    def _rank(self, urgent: bool, equal: bool, group: Hashable) -> int | None:
        """Groups that have slow keys in work go behind the others, but for one turn in so many; those that have too many, not at all."""
        slow = self._slow[urgent, group]
        return None if slow >= SLOW_OF_A_GROUP else int(slow > 0 and not equal)

    def _wake(self) -> None:
        """Wake whoever waits: there are as many as the crew has feeders."""
        getters, self._getters = self._getters, []
        for getter in getters:
            if not getter.done():
                getter.set_result(None)

    def _set_timer(self) -> None:
        """Wait for the earliest time that is set; the timer of a time that was replaced may ring for nothing."""
        due = self._timers[0][0] if self._timers else None
        if self._timer is not None and (due is None or due < self._rings_at):
            self._timer.cancel()
            self._timer = None
        if self._timer is None and due is not None:
            self._rings_at = due
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - self._clock()), self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = self._clock()
        while self._timers and self._timers[0][0] <= now:
            _, number, key = heapq.heappop(self._timers)
            due = self._due.get(key)
            if due is not None and due[1] == number:
                del self._due[key]
                self._put(key, now, due[2])
        self._set_timer()


_ALL = object()


def _order(turn: int) -> tuple[Urgency, ...]:
    """Return in which order lanes are asked for the key of this turn."""
    usual: tuple[Urgency, ...] = (Urgency.USUAL, Urgency.BEGUN)
    if turn % BEGUN_TURN == BEGUN_TURN - 2:  # not the turn of what has ended
        usual = (Urgency.BEGUN, Urgency.USUAL)
    if turn % LATE_TURN == LATE_TURN - 1:
        return (Urgency.URGENT, Urgency.LATE, Urgency.ENDING, *usual)
    return (Urgency.URGENT, Urgency.ENDING, *usual, Urgency.LATE)
