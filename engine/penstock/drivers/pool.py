"""A bounded pool of threads whose workers give up their slot while they block.

A slot is the permission to execute; at most `size` are out. A worker that blocks gives its slot up, and another worker
(also a new thread) may take it; before the blocked one goes on, it takes a slot back, ahead of queued work. So any
depth of nested submits ends, even with one slot. Threads are made on demand, reused, daemon.
Neighbours: `task_runners.ThreadPoolTaskRunner` owns one; `waiting` gives up and takes back.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from penstock.drivers.section import current_section

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = Callable[[], None]


class Worker:
    """One thread of the pool; parked when it has nothing to do."""

    __slots__ = ("job", "loop", "pool", "wake")

    def __init__(self, pool: Pool, job: Job | None) -> None:
        self.pool = pool
        self.job: Job | None = job
        self.wake = threading.Lock()
        self.wake.acquire()
        self.loop: Any = None

    def run(self) -> None:
        """Execute jobs until the pool stops."""
        section = current_section()
        section.slot = self
        pool = self.pool
        while True:
            job, self.job = self.job, None
            if job is None:
                break
            try:
                job()
            except BaseException as exc:  # noqa: BLE001  (a job ends its own run; nothing may kill a worker)
                pool.on_error(exc)
            del job
            if not pool.next_job(self):
                self.wake.acquire()
        if self.loop is not None:
            close_loop(self.loop)

    def give_up(self) -> None:
        """Let another worker execute while this one blocks."""
        self.pool.release_slot()

    def take_back(self) -> None:
        """Wait for a slot, ahead of queued work."""
        self.pool.regain_slot()


def close_loop(loop: Any) -> None:
    """Close a worker's kept event loop."""
    try:
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


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
        self.stopped = False

    def submit(self, job: Job) -> None:
        """Execute the job when a slot is free, in the order of submission."""
        with self.lock:
            if self.out >= self.size or self.back:
                self.jobs.append(job)
                return
            self.out += 1
            worker = self._assign(job)
        self._start(worker, job)

    def _assign(self, job: Job) -> Worker | None:
        if self.idle:
            worker = self.idle.pop()
            worker.job = job
            return worker
        self.made += 1
        return None

    def _start(self, worker: Worker | None, job: Job) -> None:
        if worker is not None:
            worker.wake.release()
            return
        fresh = Worker(self, job)
        threading.Thread(target=fresh.run, name=f"{self.name}-{self.made}", daemon=True).start()

    def next_job(self, worker: Worker) -> bool:
        """After a job: take the next one and keep the slot, or give the slot on and park."""
        with self.lock:
            if self.back:
                self.back.popleft().release()
            elif self.jobs:
                worker.job = self.jobs.popleft()
                return True
            else:
                self.out -= 1
            if not self.stopped:
                self.idle.append(worker)
                return False
            return True

    def release_slot(self) -> None:
        """A worker blocks: its slot goes to who waits for one, else to queued work."""
        with self.lock:
            if self.back:
                self.back.popleft().release()
                return
            if not self.jobs:
                self.out -= 1
                return
            job = self.jobs.popleft()
            worker = self._assign(job)
        self._start(worker, job)

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
