"""A bounded pool of threads whose workers give up their slot while they block.

A slot is the permission to execute; at most `size` are out. A worker that blocks gives its slot up, and another worker
(also a new thread) may take it; before the blocked one goes on, it takes a slot back, ahead of queued work. So any
depth of nested submits ends, even with one slot. Threads are made on demand, reused, daemon.
One worker is woken at a time; it wakes the next one when it finds more work than its own. So a burst of short jobs is
done by few threads without a wake-up for each, and blocking jobs still get one each.
Neighbours: `task_runners.ThreadPoolTaskRunner` owns one; `waiting` gives up and takes back.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from penstock.interruption.section import current_section

if TYPE_CHECKING:
    from collections.abc import Callable

    Take = Callable[[], "Job | None"]


class Job:
    """Something to be done by a worker."""

    __slots__ = ()

    def work(self, take: Take) -> Job | None:
        """Do it.

        Args:
            take: gives the worker's next job; to be called once it is done.

        Returns:
            The job that was taken and is not done yet; None: the worker's slot is given on.
        """
        raise NotImplementedError


class Call(Job):
    """A function to be called."""

    __slots__ = ("fn",)

    def __init__(self, fn: Callable[[], None]) -> None:
        self.fn = fn

    def work(self, take: Take) -> Job | None:
        """Call it."""
        self.fn()
        return take()


class Worker:
    """One thread of the pool; parked when it has nothing to do."""

    __slots__ = ("pool", "wake")

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.wake = threading.Lock()
        self.wake.acquire()

    def run(self) -> None:
        """Execute jobs until the pool stops."""
        current_section().slot = self
        pool = self.pool
        job = pool.first_job(self)
        while True:
            if job is None:
                if pool.stopped:
                    return
                self.wake.acquire()
                job = pool.first_job(self)
                continue
            try:
                job = job.work(self.take)
            except BaseException as exc:  # noqa: BLE001  (a job ends its own run; nothing may kill a worker)
                pool.on_error(exc)
                job = self.take()

    def take(self) -> Job | None:
        """The next job, with the slot that the worker has; None: the slot is given on."""
        return self.pool.next_job(self)

    def give_up(self) -> None:
        """Let another worker execute while this one blocks."""
        self.pool.release_slot()

    def take_back(self) -> None:
        """Wait for a slot, ahead of queued work."""
        self.pool.regain_slot()


class Pool:
    """See the module.

    Args:
        size: how many slots.
        name: prefix of the threads' names.
        on_error: told of what a job lets escape.
    """

    def __init__(self, size: int, name: str, on_error: Callable[[BaseException], None]) -> None:
        self.size = size
        self.name = name
        self.on_error = on_error
        self.lock = threading.Lock()
        self.jobs: deque[Job] = deque()
        self.idle: list[Worker] = []
        self.back: deque[threading.Lock] = deque()
        self.out = 0
        self.made = 0
        self.waking = False
        self.stopped = False

    def submit(self, job: Job | Callable[[], None]) -> None:
        """Execute the job when a slot is free, in the order of submission."""
        if not isinstance(job, Job):
            job = Call(job)
        with self.lock:
            self.jobs.append(job)
            if self.waking or self.out >= self.size:
                return
            worker = self._rouse()
        self._start(worker)

    def _rouse(self) -> Worker | None:
        """Choose who is woken, with a slot; None: a new thread. Under the lock."""
        self.waking = True
        self.out += 1
        if self.idle:
            return self.idle.pop()
        self.made += 1
        return None

    def _start(self, worker: Worker | None) -> None:
        if worker is not None:
            worker.wake.release()
            return
        fresh = Worker(self)
        threading.Thread(target=fresh.run, name=f"{self.name}-{self.made}", daemon=True).start()

    def first_job(self, worker: Worker) -> Job | None:
        """A woken worker, which has a slot: its job, and the next worker is woken if there is more; None: park."""
        with self.lock:
            self.waking = False
            job = self._take(worker)
            if job is None or not self.jobs or self.out >= self.size:
                return job
            another = self._rouse()
        self._start(another)
        return job

    def next_job(self, worker: Worker) -> Job | None:
        """After a job: the next one, with the same slot; None: the slot is given on, park."""
        with self.lock:
            job = self._take(worker)
            if job is None or not self.jobs or self.waking or self.out >= self.size:
                return job
            another = self._rouse()
        self._start(another)
        return job

    def _take(self, worker: Worker) -> Job | None:
        """A job for the slot that the worker has; else the slot goes on, and the worker is idle. Under the lock."""
        if self.back:
            self.back.popleft().release()
        elif self.jobs:
            return self.jobs.popleft()
        else:
            self.out -= 1
        if not self.stopped:
            self.idle.append(worker)
        return None

    def release_slot(self) -> None:
        """A worker blocks: its slot goes to who waits for one, else to queued work."""
        with self.lock:
            if self.back:
                self.back.popleft().release()
                return
            self.out -= 1
            if not self.jobs or self.waking:
                return
            worker = self._rouse()
        self._start(worker)

    def regain_slot(self) -> None:
        """A worker goes on: wait until a slot is free."""
        with self.lock:
            if self.out < self.size:
                self.out += 1
                return
            mine = threading.Lock()
            mine.acquire()
            self.back.append(mine)
        mine.acquire()

    def stop(self) -> None:
        """End idle workers; busy ones end after their job. Queued jobs are dropped: end their runs before."""
        with self.lock:
            self.stopped = True
            self.jobs.clear()
            idle, self.idle = self.idle, []
        for worker in idle:
            worker.wake.release()
