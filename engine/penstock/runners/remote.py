"""Task runs that are sent away: the record here follows what happens there.

One call goes out, and one line leads back: events in order (`happened`), then the answer (`ended`), or the news that
there will be none (`lost`, `failed`). Whoever takes the run out of `control.active` ends it: so what comes back of a run
that was stopped here is dropped, and no run ends twice. Neighbours: `packing` and `far` make and live what is sent;
`starting` hands over; `core.away` is the life of the record meanwhile.
"""

from __future__ import annotations

import contextvars
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

from penstock.base.current import current_run, current_transaction
from penstock.base.exceptions import CancelledRun
from penstock.core.away import LostElsewhereError, Unlived, away
from penstock.core.changes import put
from penstock.core.inputs import Found, Upstream, id_of, not_ready, refuse, scan
from penstock.core.outcome import Raised
from penstock.core.state import State
from penstock.core.state_parts import RUNNING, SCHEDULED
from penstock.core.state_result import exception_of, get_state_result
from penstock.drivers.entry import note_kept
from penstock.drivers.sync import advance, release, take_over
from penstock.drivers.world import WORLD
from penstock.runners.far import Far, perform
from penstock.runners.forms import Event, state_of
from penstock.runners.kept import KeptValue

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.core.runs import TaskRun
    from penstock.runners.packing import Packer, Parts

AGAIN = 3
"""How often a run that no worker had begun is sent again after the loss of a worker."""


class RemoteTraceback(Exception):  # noqa: N818  (carries the text of a traceback of another process)
    """The traceback of an exception, as text, from the process that raised it."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class RemoteCall:
    """A task run on its way: called, it lives the run where it is called, and gives the answer for `ended`.

    Attributes:
        task: the definition, for placement.
        address: of the run.
        tags: of the run.
        key: id of the run, as text.
        options: what `TaskRunner.options` gave where the run was submitted.
        parts: the run as bytes, and the handles of its inputs.
        sent: how often it was sent.
    """

    def __init__(self, run: TaskRun, context: contextvars.Context, future: Any, traffic: Any) -> None:
        self.task = run.definition
        self.address = run.address
        self.tags = set(run.tags)
        self.key = run.key.text
        self.options: Any = None
        self.parts: Parts | None = None
        self._handle: Any = None
        self.started = False
        self.stopped = False
        self.target: Any = None
        self.again = 0
        self.sent = 0
        self._waiting = True
        self._run: TaskRun | None = run
        self._context = context
        self._future = future
        self._traffic = traffic
        self._parameters = run.parameters or {}
        self._wait_for = run.wait_for
        self._pending = run.pending_inputs

    @property
    def handle(self) -> Any:
        """Of what the runner has started; set by the runner."""
        return self._handle

    @handle.setter
    def handle(self, value: Any) -> None:
        self._handle = value
        self._future.handle = value
        self._future.home = self._traffic.home

    def __getstate__(self) -> Any:
        parts = self.parts
        assert parts is not None
        return parts.message(), list(parts.inputs)

    def __setstate__(self, state: Any) -> None:
        self.parts = None
        self._message, self._inputs = state

    def __call__(self) -> bytes:
        """Live the run here; the answer."""
        if self.parts is not None:
            self._message, self._inputs = self.parts.message(), self.parts.inputs
        return perform(self._message, self._inputs, Far())[0]

    # -- on the way out

    def pack(self, packer: Packer) -> bool:
        """Make the run into bytes; False when its upstreams hold it back, which ends it."""
        run = self._run
        if run is None:
            return False
        run.parameters, run.wait_for, run.pending_inputs = self._parameters, self._wait_for, self._pending
        if _held_back(run):
            self._close(run)
            return False
        self.parts = packer.parts(run, self._context, self._parameters, self._handle_of)
        return True

    def _handle_of(self, found: tuple[Any, bool]) -> tuple[Any, Any]:
        item, allow = found
        if isinstance(item, Upstream):
            handle = getattr(item, "handle", None)
            if handle is not None and item.state.is_completed() and self._traffic.holds(item):  # type: ignore[attr-defined]
                item.seen()  # type: ignore[attr-defined]
                return handle, None
        return None, _result(item, allow)

    def depart(self) -> bool:
        """The record is away from now on: whoever ends runs from outside ends it by `core.away`. False: it was ended."""
        run = self._run
        if run is None:
            return False
        run.life = away(run, WORLD)
        advance(run, None)
        self._waiting = False
        self.target = self._traffic.target_of(run)
        run.control.active[run] = self.target
        return True

    def withdraw(self) -> bool:
        """Take the run back, for good, if no worker has begun it; True when it is the caller's to end."""
        run = self._run
        if run is None or self.started or (not self._waiting and self._take() is None):
            return False
        self._forget()
        run.life = None
        if not self._waiting:
            self._traffic.stop([self])
        return True

    def abandon(self, message: str) -> None:
        """End the run here, whatever becomes of it there."""
        run = self._run
        if run is not None and take_over(run, CancelledRun(message)) is not None:
            self._forget()

    # -- on the way back

    @property
    def going(self) -> bool:
        """Whether the run is still away."""
        run = self._run
        return run is not None and run.control is not None and run in run.control.active

    def happened(self, events: bytes) -> None:
        """Put on the record what happened there; called in order."""
        if self.going:
            import cloudpickle

            self._follow(cloudpickle.loads(events))

    def _follow(self, events: list[Event], fetch: Callable[[], Any] | None = None) -> None:
        run = self._run
        assert run is not None
        for event in events:
            kind = event[0]
            if kind == "state":
                state = state_of(event, self._value(event[5], fetch))
                if state.type is RUNNING:
                    self.started = True
                    if run.state.type is RUNNING and run.state.name == state.name:
                        continue
                put(run, state, WORLD, force=True)
            elif kind == "log":
                record = logging.makeLogRecord(event[1])
                logger = logging.getLogger(record.name)
                if logger.isEnabledFor(record.levelno):
                    logger.handle(record)
            else:
                sys.stdout.write(event[1])

    def _value(self, told: tuple[Any, ...], fetch: Callable[[], Any] | None) -> Any:
        how, data, *rest = told
        if how == "plain":
            return data
        if how == "raised":
            exc = _raised(data, *rest)
            exc.__cause__ = RemoteTraceback(*rest)
            return exc
        if how == "pickle":
            import cloudpickle

            return cloudpickle.loads(data)
        if how == "small":
            return KeptValue(payload=data)
        kept = KeptValue(fetch=fetch, stored=None if data is None else lambda: _from_store(data))
        self._traffic.kept.add(kept)
        return kept

    def ended(self, answer: bytes, fetch: Callable[[], Any] | None = None) -> None:
        """The run ended there.

        Args:
            answer: what `perform` gave.
            fetch: gets the value, should it have stayed there.
        """
        import cloudpickle

        run = self._take()
        if run is None:
            return
        try:
            events, run_count, name, start, end, staged = cloudpickle.loads(answer)
            run._name = run._name or name
            self._follow(events, fetch)
            run.run_count = run_count
            run._start, run._end = start, end
            for child in staged:
                self._join(child, run)
        except BaseException as exc:  # noqa: BLE001  (what came back cannot be read: the run must end)
            self._cut(run, Unlived(exc))
        else:
            run.life = None
            release(run)
        self._close(run)

    def failed(self, exc: BaseException) -> None:
        """The run could not be sent, or not be lived there: it crashed."""
        if self._waiting:
            self.depart()
        run = self._take()
        if run is not None:
            self._cut(run, Unlived(exc))
            self._close(run)

    def lost(self, reason: str, begun: bool | None = None) -> None:
        """The worker of the run is gone: it crashed, and by its own retries it is sent again; so is one not begun.

        Args:
            reason: for people.
            begun: whether the worker had begun it; None: if it told so.
        """
        run = self._take()
        if run is None:
            return
        if not (self.started if begun is None else begun) and self.again < AGAIN:
            self.again += 1
            self._waiting = True
            self._traffic.share_anew()
            WORLD.log(run, 30, "Task run is sent again: %s before it began.", reason)
            self._traffic.send(self)
            return
        if not self.started:
            put(run, State(RUNNING, "Retrying" if run.run_count else None), WORLD)
        state = self._cut(run, Raised(LostElsewhereError(reason)))
        if state.type is SCHEDULED:
            self._traffic.share_anew()
            self._waiting, self.started = True, False
            delay = state._details.scheduled_time.timestamp() - WORLD.now()  # type: ignore[union-attr]
            if delay > 0:
                timer = threading.Timer(delay, self._traffic.send, (self,))
                timer.daemon = True
                timer.start()
            else:
                self._traffic.send(self)
            return
        self._close(run)

    def _take(self) -> TaskRun | None:
        """The run, if it is still for this side to end."""
        run = self._run
        if run is None or run.control.active.pop(run, None) is None:
            return None
        return run

    def _cut(self, run: TaskRun, out: Raised) -> State:
        """End the record as cut short."""
        token = current_run.set(run)
        try:
            return advance(run, out)  # type: ignore[no-any-return]
        finally:
            current_run.reset(token)

    def _close(self, run: TaskRun) -> None:
        note_kept(run, run.state)
        future = self._future
        self._forget()
        future.complete()

    def _forget(self) -> None:
        self._run = None
        self._parameters = {}
        self._wait_for = None
        self.parts = None
        self._traffic.over(self, self._future)

    def _join(self, child: Any, run: TaskRun) -> None:
        """What the run staged belongs to the transaction that it was submitted in."""
        from penstock.core.reuse import _rolled_back

        entry = self._context.get(current_transaction)
        if entry is not None:
            child.run = run
            child._parent = entry[0]
            child.on_rolled_back = _rolled_back(run, WORLD)
            entry[0].add_child(child)


def _raised(payload: bytes, text: str) -> BaseException:
    """The exception that a body raised elsewhere."""
    import cloudpickle

    try:
        exc: BaseException = cloudpickle.loads(payload)
    except Exception:  # noqa: BLE001  (its class is known there only)
        return RuntimeError(text.strip().splitlines()[-1])
    return exc


def _from_store(payload: bytes) -> Any:
    import cloudpickle

    store, key = cloudpickle.loads(payload)
    record = store.read_now(key)
    if record is None:
        from penstock.base.exceptions import MissingResult

        raise MissingResult(f"The stored result {key!r} cannot be read.")
    return record.read_value()


def _held_back(run: TaskRun) -> bool:
    """Whether an upstream holds the run back, which ends it as NotReady."""
    if not run.pending_inputs and not run.wait_for:
        return False
    found: Found = []
    sources: dict[str, list[Any]] = {}
    for name, value in {**(run.parameters or {}), "wait_for": run.wait_for}.items():
        known = len(found)
        scan(value, found)
        sources[name] = [each for each in (id_of(item) for item, _ in found[known:]) if each]
    run.sources = sources
    for item, allow in found:
        state = item.state if isinstance(item, Upstream) else item  # type: ignore[attr-defined]
        if not_ready(state, allow):
            put(run, State("PENDING", "NotReady", message=str(refuse(id_of(item) or state.id))), WORLD)
            WORLD.closed(run, run.state)
            release(run)
            return True
    return False


def _result(item: Any, allow: bool) -> Any:
    state = item.state if isinstance(item, Upstream) else item  # type: ignore[attr-defined]
    if not state.is_completed():
        return exception_of(state) if state.is_failed() and allow else None
    return get_state_result(state)
