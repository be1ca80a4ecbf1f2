"""A few threads that ask the API server, so that whoever waits for an answer can be interrupted, or awaits it.

Requests are bounded by the number of threads: a thousand callers make no thousand connections. The threads are daemons: a
request that nobody waits for any more holds no process back. Neighbours: `cluster` is what they call.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

REQUESTS_AT_ONCE = 8


class Workers:
    """The threads; made on demand.

    Args:
        size: How many at most.
        name: How their names begin.
    """

    def __init__(self, size: int = REQUESTS_AT_ONCE, name: str = "penstock-api") -> None:
        self._size = size
        self._name = name
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._threads = 0
        self._idle = 0

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Call a function in one of the threads, in the order of submission."""
        future: Future[T] = Future()
        with self._lock:
            self._jobs.append((future, job))
            if self._idle >= len(self._jobs):
                self._news.notify()
                return future
            if self._threads == self._size:
                return future
            self._threads += 1
            number = self._threads
        threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True).start()
        return future

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
                while not self._jobs:
                    self._news.wait()
                self._idle -= 1
                future, job = self._jobs.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except BaseException as error:  # noqa: BLE001  (handed to who waits)
                future.set_exception(error)
            del future, job
