"""Pausing the root flow run in this process, and resuming it from another thread.

A pause blocks its caller; other runs go on. The clocks of timeouts stand still meanwhile. Neighbours: `flow_runs` is
the public side; the pod resumes through `resume` as well, with inputs of its own.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import FlowPauseTimeout
from penstock.core.changes import put
from penstock.core.state import State
from penstock.core.state_parts import PAUSED, PENDING, RUNNING, SCHEDULED
from penstock.drivers.world import WORLD
from penstock.interruption.section import ring
from penstock.interruption.waiting import block

if TYPE_CHECKING:
    from penstock.core.runs import FlowRun, Run


class Ticket:
    """One pause that is being waited for."""

    __slots__ = ("callbacks", "key", "lock", "model", "resumed", "value", "waiter")

    def __init__(self, key: str, model: Any = None) -> None:
        self.key = key
        self.model = model
        self.lock = threading.Lock()
        self.waiter = threading.Lock()
        self.waiter.acquire()
        self.resumed = False
        self.value: Any = None
        self.callbacks: list[Any] = []

    def resume(self, value: Any = None) -> bool:
        """Wake the caller with a value; False when it was woken already."""
        with self.lock:
            if self.resumed:
                return False
            self.resumed = True
            self.value = value
            callbacks, self.callbacks = self.callbacks, []
        ring(self.waiter)
        for callback in callbacks:
            callback()
        return True


class Pauses:
    """What a root flow run knows of its pauses: those that wait, and the answers of those that were resumed."""

    __slots__ = ("answers", "deadlines", "early", "lock", "ordinal", "waiting")

    def __init__(self) -> None:
        self.lock = threading.RLock()  # an observer of the pause may answer it at once
        self.early: tuple[Any] | None = None  # the answer to a given PAUSED that nobody waits in yet
        self.waiting: dict[str, Ticket] = {}
        self.answers: dict[str, Any] = {}
        self.deadlines: dict[str, float] = {}  # of pauses that an earlier attempt has begun, seconds since the epoch
        self.ordinal = 0

    def left(self, key: str, timeout: float | None) -> float | None:
        """How long a pause waits: for what is left of it, where an earlier attempt has begun it; an answer is read first."""
        until = self.deadlines.pop(key, None)
        return timeout if until is None else max(ANSWER_SECONDS, until - time.time())


ANSWER_SECONDS = 1.0
"""How long a pause whose time is over looks for an answer that came before."""


def pauses_of(flow_run: FlowRun) -> Pauses:
    """The pauses of a flow run; forgotten at a new try."""
    pauses: Pauses | None = flow_run.keys
    if pauses is None:
        pauses = flow_run.keys = Pauses()
    return pauses


def begin(flow_run: FlowRun, state: State, key: str, model: Any = None) -> Ticket:
    """Set the flow run PAUSED (unless it is) and make the ticket that its caller waits for."""
    pauses = pauses_of(flow_run)
    ticket = Ticket(key, model)
    WORLD.log(flow_run, 20, "Pausing flow, execution will continue when this flow run is resumed.")
    with pauses.lock:
        pauses.waiting[key] = ticket
        if flow_run.state.type is not PAUSED:
            put(flow_run, state, WORLD, force=flow_run.state.type in (PENDING, SCHEDULED))
        elif flow_run.state is not state:
            flow_run.state = state
        early, pauses.early = pauses.early, None
    if early is not None:
        ticket.resume(*early)
    return ticket


def end(flow_run: FlowRun, ticket: Ticket, began: float) -> None:
    """The pause is over: RUNNING again when no other waits; timeouts of the root go on from here."""
    pauses = pauses_of(flow_run)
    with pauses.lock:
        pauses.waiting.pop(ticket.key, None)
        if ticket.resumed:
            pauses.answers[ticket.key] = ticket.value
        if not pauses.waiting and flow_run.state.type is PAUSED:
            put(flow_run, State(RUNNING), WORLD)
    if ticket.resumed:
        WORLD.log(flow_run, 20, "Resuming flow run execution!")
    passed = time.monotonic() - began
    for scope in list(flow_run.control.scopes):
        scope.shift(passed)


def freeze(flow_run: FlowRun) -> None:
    """Stop the timeouts of a root while it is paused."""
    for scope in list(flow_run.control.scopes):
        scope.shift(10**7)


def thaw(flow_run: FlowRun) -> None:
    """Take back what `freeze` added."""
    for scope in list(flow_run.control.scopes):
        scope.shift(-(10**7))


def wait_for_resume(flow_run: FlowRun, state: State, key: str, timeout: float | None, model: Any = None) -> Any:
    """Block until the pause is resumed; its value.

    Raises:
        FlowPauseTimeout: it was not resumed in time.
    """
    began = time.monotonic()
    ticket = begin(flow_run, state, key, model)
    freeze(flow_run)
    try:
        resumed = block(ticket.waiter, timeout, resting=True)
    finally:
        # Pushed back first: thawed before, a deadline that passed meanwhile would ring at once.
        end(flow_run, ticket, began)
        thaw(flow_run)
    if not resumed and not ticket.resumed:
        raise FlowPauseTimeout(
            f"Flow run was paused and never resumed: pause {key!r} timed out after {timeout} seconds."
        )
    return ticket.value


async def await_resume(flow_run: FlowRun, state: State, key: str, timeout: float | None, model: Any = None) -> Any:
    """`wait_for_resume` without blocking the loop."""
    import asyncio

    from penstock.base.loops import set_done
    from penstock.interruption.loop_target import resting_here

    began = time.monotonic()
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    ticket = begin(flow_run, state, key, model)
    with ticket.lock:
        if ticket.resumed:
            set_done(done)
        else:
            ticket.callbacks.append(lambda: loop.call_soon_threadsafe(set_done, done))
    freeze(flow_run)
    try:
        with resting_here():
            await asyncio.wait([done], timeout=timeout)
    finally:
        # Pushed back first: thawed before, a deadline that passed meanwhile would ring at once.
        end(flow_run, ticket, began)
        thaw(flow_run)
    if not ticket.resumed:
        raise FlowPauseTimeout(
            f"Flow run was paused and never resumed: pause {key!r} timed out after {timeout} seconds."
        )
    return ticket.value


def _left(state: State) -> float | None:
    until = state.state_details.pause_timeout
    return None if until is None else max(0.0, until.timestamp() - time.time())


def hold(run: Run, state: State) -> None:
    """Hold a run back until the root is resumed: it was given PAUSED as its first state."""
    flow_run: Any = run.root
    wait_for_resume(flow_run, state, state.state_details.pause_key or f"given:{run.address}", _left(state))


async def ahold(run: Run, state: State) -> None:
    """`hold` without blocking the loop."""
    flow_run: Any = run.root
    await await_resume(flow_run, state, state.state_details.pause_key or f"given:{run.address}", _left(state))
