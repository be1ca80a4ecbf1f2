"""What a Ray worker does with a task run: lives it, tells the flow what happens, gives answer and value.

Ray's own tasks have nothing to tell before they end. So a run that takes longer tells by a mailbox, an actor that its flow
opens for such runs. A cancellation of Ray arrives as an interrupt of Python's, which ends no sleep; a thread hears it by the
descriptor that Python writes to, and interrupts the body as any other. Neighbours: `carrier` sends and hears.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import threading
import time
from typing import Any

import ray

from penstock.interruption.section import WAKE_SIGNAL, current_section
from penstock.runners.far import executing_here, interrupt_all
from penstock.task_runners import Far, perform

SMALL = 1 << 14
"""Bytes up to which a result comes along with the states."""
AGAIN_SECONDS = 1.0
"""How long a mailbox that was not there is not asked for again."""


class Mailbox:
    """The actor: takes what runs tell until their flow asks."""

    def __init__(self) -> None:
        import asyncio

        self.items: list[Any] = []
        self.some = asyncio.Event()

    async def put(self, item: Any) -> None:
        """Keep an item."""
        self.items.append(item)
        self.some.set()

    async def take(self, seconds: float) -> list[Any]:
        """What has come; waits for it at most so long."""
        import asyncio

        try:
            await asyncio.wait_for(self.some.wait(), seconds)
        except TimeoutError:
            return []
        items, self.items = self.items, []
        self.some.clear()
        return items


class RayFar(Far):
    """The end of the line in a Ray worker.

    Args:
        key: of the run.
        mailbox: name of the flow's mailbox.
        namespace: in which it is.
    """

    limit = SMALL
    eager = False
    prints = True

    def __init__(self, key: str, mailbox: str, namespace: str) -> None:
        self._key = key
        self._name = mailbox
        self._namespace = namespace
        self._mailbox: Any = None
        self._asked = 0.0
        self._waiting: list[bytes] = []
        self._put: list[tuple[Any, list[bytes]]] = []
        self._lock = threading.Lock()
        self._over = False
        self.told = 0

    def tell(self, events: bytes) -> None:
        """Keep events for the mailbox; without one they come with the answer."""
        self._waiting.append(events)

    def look(self) -> None:
        """Tell what waits, once there is a mailbox."""
        with self._lock:
            if not self._over:
                self._look()

    def _look(self) -> None:
        self._check()
        if not self._waiting:
            return
        if self._mailbox is None and time.monotonic() - self._asked > AGAIN_SECONDS:
            self._asked = time.monotonic()
            try:
                self._mailbox = ray.get_actor(self._name, self._namespace)
            except ValueError:
                return
        if self._mailbox is not None:
            waiting, self._waiting = self._waiting, []
            number = self.told + len(self._put)
            self._put.append((self._mailbox.put.remote((self._key, number, waiting)), waiting))

    def _check(self) -> None:
        """Forget what the mailbox has: it may begin late, or die."""
        try:
            while self._put and ray.wait([self._put[0][0]], timeout=0)[0]:
                ray.get(self._put[0][0])
                del self._put[0]
                self.told += 1
        except ray.exceptions.RayError:
            self._name, self._mailbox = "", None

    def left(self) -> list[list[bytes]]:
        """What the mailbox may not have, in order; nothing is told after this."""
        with self._lock:
            self._over = True
            self._check()
            return [*(batches for _, batches in self._put), self._waiting]

    def where(self) -> str:
        """Process and host."""
        return f"process {os.getpid()} of {socket.gethostname()}"


class _Hearing:
    """Hears interrupts of this process while its main thread may sleep."""

    thread: threading.Thread | None = None

    def begin(self) -> None:
        """Once, on the main thread."""
        if self.thread is not None or threading.current_thread() is not threading.main_thread():
            return
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(WAKE_SIGNAL, lambda _number, frame: current_section().on_wake(frame))
        signal.signal(signal.SIGINT, _on_interrupt)
        self.thread = threading.Thread(target=self._hear, args=(reading,), name="penstock-hear", daemon=True)
        self.thread.start()

    def _hear(self, reading: int) -> None:
        while True:
            if signal.SIGINT in os.read(reading, 64):
                interrupt_all()


def _on_interrupt(number: int, frame: Any) -> None:
    """What Ray cancels: of ours the thread that hears takes care; a plain function of the user's is interrupted as ever."""
    if not executing_here():
        signal.default_int_handler(number, frame)


_hearing = _Hearing()


def execute(payload: bytes, *inputs: Any) -> tuple[Any, Any]:
    """The Ray task of a task run: what is told at its end, as bytes, and its value.

    One argument and one answer of bytes: Ray takes these as they are, and each other object apart.
    """
    _hearing.begin()
    key, mailbox, message = pickle.loads(payload)
    far = RayFar(key, *mailbox)
    answer, value = perform(message, inputs, far)
    left = far.left()
    return pickle.dumps((far.told, left, answer), 5), value
