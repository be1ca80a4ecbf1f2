"""Carrying calls to Ray: a remote call each; what comes back is heard by one thread.

Ray calls back with each answer. For runs that take longer a mailbox is opened, and read by a thread of its own. A call is
cancelled by `ray.cancel`, and by force when its body does not react. Inside a task only so many calls are with Ray at once: they
take no CPU of its counting, for the task that waits for them holds one, so Ray would start a process for each. Neighbours:
`worker` is the other end.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import pickle
import queue
import threading
import time
import uuid
from typing import Any

import ray
from ray import exceptions

from penstock_ray.worker import Mailbox, execute

MAILBOX_AFTER = 0.4
"""Seconds after which a call that is still going is worth a mailbox, which is a process; many short ones are not."""
LOOK_SECONDS = 0.2
TAKE_SECONDS = 5.0
FORCE_AFTER = 1.0
"""Seconds that a cancelled body has before its worker is ended."""
FEW = 16
"""Up to how many calls at once Ray calls back for each; of more, many are asked for at a time."""
MANY_SECONDS, MANY_SECONDS_AT_MOST = 0.005, 0.05
"""How long the asking waits for half of those that it asks for; longer while none is done."""
AT_ONCE = 64
LOST = (
    exceptions.WorkerCrashedError,
    exceptions.NodeDiedError,
    exceptions.OutOfMemoryError,
    exceptions.LocalRayletDiedError,
)


class Carrier:
    """Sends calls and hears of them.

    Args:
        log: of the runner.
        defaults: options of every remote call.
        at_once: how many calls are with Ray at once; None: all.

    Attributes:
        lost: results that were lost with their nodes.
    """

    def __init__(self, log: Any, defaults: dict[str, Any], at_once: int | None = None) -> None:
        self._log = log
        self._defaults = {"num_returns": 2, "max_retries": 0, **defaults}
        self._execute = ray.remote(execute)
        context = ray.get_runtime_context()
        self._place = (f"penstock-{uuid.uuid4().hex}", str(context.namespace))
        self._functions: dict[Any, Any] = {}
        self._free = at_once
        self._queued: collections.deque[Any] = collections.deque()
        self._places = threading.Lock()
        self._in: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._going: dict[str, tuple[Any, Any]] = {}
        self._oldest: tuple[str | None, float] = (None, 0.0)
        self._heard: dict[str, int] = {}
        self._many: dict[Any, str] = {}
        self._patience = MANY_SECONDS
        self._parked: dict[str, Any] = {}
        self._reading = False
        self._cancelled: dict[Any, float] = {}
        self.lost: set[str] = set()
        self._mailbox: Any = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._take, name="penstock-ray-in", daemon=True)
        self._thread.start()

    # -- out

    def send(self, call: Any) -> None:
        """Make the remote call, or keep it until there is a place for it."""
        if self._free is not None:
            with self._places:
                if self._free == 0:
                    self._queued.append(call)
                    return
                self._free -= 1
        try:
            self._start(call)
        except BaseException:
            self._left()
            raise

    def _left(self) -> None:
        """A call has left its place, to the next one that is still wanted."""
        while self._free is not None:
            with self._places:
                call = self._queued.popleft() if self._queued else None
                if call is None:
                    self._free += 1
                    return
            if call.stopped:
                continue
            try:
                self._start(call)
            except BaseException as exc:  # noqa: BLE001  (it cannot be sent: its run ends, the next ones do not)
                call.failed(exc)
            else:
                return

    def _start(self, call: Any) -> None:
        kind = (call.task.name, call.options.key)
        function = self._functions.get(kind)
        if function is None:
            options = {"name": call.task.name, **self._defaults, **call.options.given}
            function = self._functions[kind] = self._execute.options(**options)
        key = call.key
        payload = pickle.dumps((key, self._place, call.parts.message()), 5)
        answer, value = function.remote(payload, *call.parts.inputs)
        call.handle = value
        self._going[key] = (call, answer)
        if len(self._going) <= FEW:
            answer._on_completed(lambda told: self._in.put((key, answer, told)))
        else:
            self._many[answer] = key

    def cancel(self, calls: list[Any]) -> None:
        """Cancel calls soon."""
        self._in.put([call.key for call in calls])

    # -- in

    def _take(self) -> None:
        looked = time.monotonic()
        while True:
            try:
                # While many are asked for, the asking waits.
                item = self._in.get(block=not self._many, timeout=LOOK_SECONDS)
            except queue.Empty:
                item = ()
            if item is None:
                return
            try:
                if isinstance(item, list):
                    self._cancel(item)
                elif item:
                    self._took(*item)
                elif self._many:
                    self._ask()
                if time.monotonic() - looked >= LOOK_SECONDS:
                    self._look()
                    looked = time.monotonic()
            except Exception as exc:  # noqa: BLE001  (one call's fault stops no other)
                self._log.error("What came back from Ray could not be taken.", exc_info=exc)

    def _ask(self) -> None:
        """Take what is done of many calls, at once: a callback for each would cost more than the call."""
        asked = list(itertools.islice(self._many, AT_ONCE))
        done, others = ray.wait(asked, num_returns=(len(asked) + 1) // 2, timeout=self._patience, fetch_local=False)
        keys = [self._many.pop(answer, None) for answer in done]
        self._patience = MANY_SECONDS if done else min(2 * self._patience, MANY_SECONDS_AT_MOST)
        if not done:  # the next ones first: these may go on for long
            for answer in others:
                self._many[answer] = self._many.pop(answer)
            return
        try:
            answers = ray.get(done)
        except Exception:  # noqa: BLE001  (of one of them: each is asked for itself)
            answers = [_outcome(answer) for answer in done]
        for key, answer, told in zip(keys, done, answers, strict=True):
            if key is not None:
                self._took(key, answer, told)

    def _took(self, key: str, ref: Any, told: Any) -> None:
        if ref is None:
            self._told(key, *told)
            return
        call, answer = self._going.get(key, (None, None))
        if call is None or answer != ref:
            return
        if isinstance(told, BaseException):
            self._over(key)
            self._failed(call, told)
            return
        end = pickle.loads(told)
        if end[0] > self._heard.get(key, 0) and self._reading:
            self._parked[key] = end  # the mailbox has what was told before
        else:
            self._ended(key, end)

    def _told(self, key: str, number: int, batches: list[bytes]) -> None:
        call, _ = self._going.get(key, (None, None))
        if call is None:
            return
        self._heard[key] = number + 1
        for events in batches:
            call.happened(events)
        if key in self._parked and self._parked[key][0] <= number + 1:
            self._ended(key, self._parked.pop(key))

    def _ended(self, key: str, told: Any) -> None:
        call = self._going[key][0]
        number, left, answer = told
        known = self._heard.get(key, 0) - number
        self._over(key)
        for batches in left[max(known, 0) :]:
            for events in batches:
                call.happened(events)
        value = call.handle
        call.ended(answer, lambda: _value(value))

    def _failed(self, call: Any, exc: BaseException) -> None:
        with contextlib.suppress(Exception):  # asked for, so that Ray does not call it an error that nobody looked at
            ray.get(call.handle, timeout=0)
        if isinstance(exc, exceptions.RayTaskError):
            exc = getattr(exc, "cause", None) or exc
        if isinstance(exc, LOST):
            call.lost(f"Ray worker was lost ({type(exc).__name__}: {str(exc).strip().splitlines()[0]})", begun=True)
        elif isinstance(exc, exceptions.ObjectLostError):
            # It is sent again with the value, which its store may have; who asks for one that is nowhere hears of it.
            self.lost.add(exc.object_ref_hex)
            call.lost("an input was lost with the node that held it", begun=False)
        else:
            call.failed(exc)

    def _over(self, key: str) -> None:
        if self._going.pop(key, None) is not None:
            self._left()
        self._heard.pop(key, None)
        self._parked.pop(key, None)

    def _cancel(self, keys: list[str]) -> None:
        for key in keys:
            call, answer = self._going.pop(key, (None, None))
            self._many.pop(answer, None)
            if call is not None:
                with contextlib.suppress(Exception):  # it is over, or its cluster is
                    ray.cancel(answer, force=False, recursive=True)
                self._cancelled[answer] = time.monotonic()
                self._left()

    def _look(self) -> None:
        now = time.monotonic()
        for answer, since in list(self._cancelled.items()):
            if now - since > FORCE_AFTER:
                del self._cancelled[answer]
                if not ray.wait([answer], timeout=0, fetch_local=False)[0]:
                    with contextlib.suppress(Exception):
                        ray.cancel(answer, force=True, recursive=True)
        if not self._reading:
            for key in list(self._parked):
                self._ended(key, self._parked.pop(key))
        if self._mailbox is None and self._is_long(now):
            name, namespace = self._place
            actor = ray.remote(Mailbox).options(name=name, namespace=namespace, num_cpus=0, max_restarts=0)
            self._mailbox = actor.remote()
            self._reading = True
            threading.Thread(target=self._read, name="penstock-ray-mailbox", daemon=True).start()

    def _is_long(self, now: float) -> bool:
        """Whether a run goes on for long: the oldest call is the same one for a while, and not one after the other."""
        oldest = next(iter(self._going), None)
        if oldest != self._oldest[0]:
            self._oldest = (oldest, now)
        return oldest is not None and now - self._oldest[1] > MAILBOX_AFTER

    def _read(self) -> None:
        while not self._closed.is_set():
            try:
                items = ray.get(self._mailbox.take.remote(TAKE_SECONDS))
            except Exception as exc:  # noqa: BLE001  (closed meanwhile, or lost: what is told comes with the answers)
                self._reading = False
                if not self._closed.is_set():
                    self._log.warning("Lines of running tasks come at their end from now on: %s", exc)
                return
            for key, number, batches in items:
                self._in.put((key, None, (number, batches)))

    def close(self) -> None:
        """Stop hearing; what was cancelled and still goes on is ended."""
        self._closed.set()
        self._in.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join(5)
        if self._cancelled:
            with contextlib.suppress(Exception):
                answers = list(self._cancelled)
                for answer in ray.wait(answers, num_returns=len(answers), timeout=FORCE_AFTER, fetch_local=False)[1]:
                    ray.cancel(answer, force=True, recursive=True)
        if self._mailbox is not None:
            with contextlib.suppress(Exception):
                ray.kill(self._mailbox)


def _value(handle: Any) -> Any:
    """The value of a run, or why it cannot be had."""
    try:
        return ray.get(handle)
    except exceptions.RayTaskError as exc:
        raise getattr(exc, "cause", None) or exc from None


def _outcome(answer: Any) -> Any:
    """What the answer is, or why there is none."""
    try:
        return ray.get(answer)
    except Exception as exc:  # noqa: BLE001  (taken as Ray's callbacks give it)
        return exc
