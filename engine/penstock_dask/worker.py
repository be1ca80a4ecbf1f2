"""What a Dask worker does with a task run: lives it, tells the flow by the scheduler's events, keeps the value.

Pickled by reference, so the workers need `penstock[dask]`. Neighbours: `carrier` sends and hears.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

from dask.sizeof import sizeof
from distributed import get_worker

from penstock.task_runners import Far, perform

SMALL = 4096
"""Bytes up to which a result comes along with the states; the scheduler keeps what it passes on for a while."""
EVENTS, ANSWER = 0, 1


class Result:
    """What is in the worker's memory under the key of a run: its value, and the answer once more, should it get lost."""

    __slots__ = ("answer", "value")

    def __init__(self, value: Any, answer: bytes) -> None:
        self.value = value
        self.answer = answer

    def __reduce__(self) -> Any:
        return Result, (self.value, self.answer)


@sizeof.register(Result)  # type: ignore[untyped-decorator]  # dask is not typed
def _size(result: Result) -> int:
    return int(sizeof(result.value)) + len(result.answer)


class _Outbox:
    """What the runs of one worker have to tell, sent together from the worker's loop."""

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self.lock = threading.Lock()
        self.waiting: dict[str, list[Any]] = {}

    def put(self, topic: str, item: list[Any]) -> None:
        """Send an item soon, in order."""
        with self.lock:
            first = not self.waiting
            self.waiting.setdefault(topic, []).append(item)
        if first:
            self.worker.loop.add_callback(self.send)

    def send(self) -> None:
        """Send what waits; in the loop, so before the worker says that a task is done."""
        with self.lock:
            waiting, self.waiting = self.waiting, {}
        for topic, items in waiting.items():
            self.worker.log_event(topic, items)


_outboxes: weakref.WeakKeyDictionary[Any, _Outbox] = weakref.WeakKeyDictionary()
_making = threading.Lock()


class DaskFar(Far):
    """The end of the line in a Dask worker.

    Args:
        worker: the worker.
        key: of the Dask task.
        topic: of the events that the flow hears.
    """

    limit = SMALL
    prints = True

    def __init__(self, worker: Any, key: str, topic: str) -> None:
        self._worker = worker
        self._key = key
        self._topic = topic
        with _making:
            outbox = _outboxes.get(worker)
            if outbox is None:
                outbox = _outboxes[worker] = _Outbox(worker)
        self._outbox = outbox

    def tell(self, events: bytes) -> None:
        """By an event of the scheduler."""
        self._outbox.put(self._topic, [self._key, EVENTS, events, self._worker.address])

    def end(self, answer: bytes) -> None:
        """Tell the answer."""
        self._outbox.put(self._topic, [self._key, ANSWER, answer, self._worker.address])

    def wanted(self) -> bool:
        """Whether the scheduler still wants the task; it does not when it was cancelled, or its client is gone."""
        task = self._worker.state.tasks.get(self._key)
        return task is not None and task.state in ("executing", "long-running")

    def where(self) -> str:
        """The worker's address."""
        return str(self._worker.address)


def execute(topic_and_message: tuple[Any, ...], *inputs: Any) -> Result:
    """The Dask task of a task run."""
    topic, *message = topic_and_message
    worker = get_worker()
    far = DaskFar(worker, str(worker.get_current_task()), topic)
    values = [value.value if isinstance(value, Result) else value for value in inputs]
    answer, value = perform(tuple(message), values, far)
    far.end(answer)
    return Result(value, answer)


def answer_of(result: Result) -> bytes:
    """The answer of a run whose value stays where it is."""
    return result.answer
