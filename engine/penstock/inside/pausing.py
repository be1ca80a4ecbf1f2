"""Pausing and resuming flow runs of this process.

Each function exists in a plain and in an async form; the plain name gives an awaitable in async runs. In a pod,
suspending is the pod's business: it sets `FlowRun.suspend` to a function `(flow_run, wait_for_input, timeout, key)`.
Neighbours: `drivers.pausing` blocks and wakes; `input` describes what a pause asks for.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from penstock.base.asyncutils import in_async_run
from penstock.base.both_forms import takes_sync
from penstock.base.current import current_run
from penstock.base.exceptions import NotPausedError, ObjectNotFound
from penstock.core.state import State
from penstock.core.state_parts import PAUSED, RUNNING

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from penstock.core.runs import FlowRun

__all__ = [
    "apause_flow_run",
    "aresume_flow_run",
    "asuspend_flow_run",
    "pause_flow_run",
    "resume_flow_run",
    "suspend_flow_run",
]


def _refuse_negative(timeout: float | None) -> None:
    if timeout is not None and timeout < 0:
        raise ValueError(f"'timeout' must be a non-negative number, got {timeout}: give 0 or more seconds, or None.")


class _Begun:
    """A pause that was checked and may be waited for."""

    __slots__ = ("answer", "flow_run", "key", "known", "model", "state", "timeout")

    def __init__(self, wait_for_input: Any, timeout: float | None, key: str | None) -> None:
        from penstock.core.states import Paused
        from penstock.drivers.holding import pauses_of

        run = current_run.get()
        if run is None or run.flow is None:
            raise RuntimeError("Flow runs can only be paused from within a flow run.")
        _refuse_negative(timeout)
        root: Any = run.root if run.root.is_flow else run.flow
        self.flow_run: FlowRun = root
        pauses = pauses_of(root)
        if key is None:
            pauses.ordinal += 1
            key = str(pauses.ordinal)
        self.key = key
        self.timeout = timeout = pauses.left(key, timeout)
        self.known = key in pauses.answers
        self.answer = pauses.answers.get(key)
        self.model = None
        if wait_for_input is not None:
            from penstock.inside.run_input import model_of

            self.model = model_of(wait_for_input)
        if not self.known and root.state.type not in (RUNNING, PAUSED):
            raise RuntimeError(f"Flow run {root.name!r} is in state {root.state}, it cannot be paused.")
        self.state: State = Paused(timeout_seconds=timeout, pause_key=key)
        if self.model is not None:
            from penstock.inside.run_input import keyset_from_paused_state

            self.state.state_details.run_input_keyset = keyset_from_paused_state(self.state)


@takes_sync
def pause_flow_run(
    wait_for_input: Any = None, timeout: float | None = 3600, poll_interval: float = 10, key: str | None = None
) -> Any:
    """Hold the flow run here until it is resumed.

    Other task runs go on; the clocks of timeouts stand still.

    Args:
        wait_for_input: a model or a type: what resuming must bring; the value is returned.
        timeout: seconds after which the pause fails.
        poll_interval: upper bound for inputs that come from elsewhere; resuming here wakes at once.
        key: a key met again in the same run returns at once; default: the ordinal of the pause.

    Raises:
        RuntimeError: outside a flow run, or the run is not RUNNING.
        ValueError: the timeout is negative.
        FlowPauseTimeout: it was not resumed in time.
    """
    if in_async_run():
        return apause_flow_run(wait_for_input, timeout, poll_interval, key)
    begun = _Begun(wait_for_input, timeout, key)
    if begun.known:
        return begun.answer
    from penstock.drivers.holding import wait_for_resume

    return wait_for_resume(begun.flow_run, begun.state, begun.key, begun.timeout, begun.model)


async def apause_flow_run(
    wait_for_input: Any = None, timeout: float | None = 3600, poll_interval: float = 10, key: str | None = None
) -> Any:
    """`pause_flow_run` as a coroutine."""
    begun = _Begun(wait_for_input, timeout, key)
    if begun.known:
        return begun.answer
    from penstock.drivers.holding import await_resume

    return await await_resume(begun.flow_run, begun.state, begun.key, begun.timeout, begun.model)


def _resume(flow_run_id: Any, run_input: Any) -> None:
    from penstock.drivers.holding import pauses_of
    from penstock.inside.run_input import validated
    from penstock.interruption.interrupt import find_control

    control = find_control(flow_run_id)
    flow_run: Any = control.root if control is not None else None
    if flow_run is None:
        raise ObjectNotFound(help_message=f"No flow run {flow_run_id} is active in this process.")
    pauses = pauses_of(flow_run)
    with pauses.lock:
        if flow_run.state.type is not PAUSED:
            raise NotPausedError(f"Flow run {flow_run.name!r} is in state {flow_run.state}, it is not paused.")
        tickets = list(pauses.waiting.values())
        if not tickets:  # it was given PAUSED as its first state, and is on its way to wait in it
            pauses.early = (run_input,)
    for ticket in tickets:
        value = validated(ticket.model, run_input) if ticket.model is not None else run_input
        ticket.resume(value)
    # Whoever resumes sees the run go on: the paused thread sets RUNNING as soon as it wakes.
    until = time.monotonic() + 1.0
    while flow_run.state.type is PAUSED and time.monotonic() < until:
        time.sleep(0.0005)


@takes_sync
def resume_flow_run(flow_run_id: UUID | str | None, run_input: Any = None) -> Any:
    """Resume a paused flow run of this process, from whatever thread.

    Args:
        flow_run_id: which.
        run_input: what the pause asked for: a mapping of fields, or the plain value.

    Raises:
        ObjectNotFound: no such run is active.
        NotPausedError: it is not paused.
        RuntimeError: the input is invalid; the run stays paused.
    """
    if in_async_run():
        return aresume_flow_run(flow_run_id, run_input)
    return _resume(flow_run_id, run_input)


async def aresume_flow_run(flow_run_id: UUID | str | None, run_input: Any = None) -> None:
    """`resume_flow_run` as a coroutine."""
    from penstock.base.loops import run_sync_in_worker_thread

    await run_sync_in_worker_thread(_resume, flow_run_id, run_input)


def _suspend(wait_for_input: Any, flow_run_id: Any, timeout: float | None, key: str | None) -> Any:
    run = current_run.get()
    if run is None or run.flow is None:
        raise RuntimeError("Flow runs can only be suspended from within a flow run.")
    root: Any = run.root
    if flow_run_id is not None and str(flow_run_id) != str(root.id):
        raise NotImplementedError(
            "Another flow run is suspended through its resource: set spec.desiredState to Suspended."
        )
    _refuse_negative(timeout)
    if run is not root:
        raise RuntimeError(
            f"Cannot suspend {'subflows' if run.is_flow else 'task runs'}. "
            "A flow run can be suspended only from the body of the root flow."
        )
    suspend: Callable[..., Any] | None = root.suspend
    if suspend is None:
        raise RuntimeError(
            "A flow run can be suspended only in a pod: in a plain process nothing could bring it back. Use pause_flow_run."
        )
    return suspend(root, wait_for_input, timeout, key)


@takes_sync
def suspend_flow_run(
    wait_for_input: Any = None, flow_run_id: UUID | None = None, timeout: float | None = None, key: str | None = None
) -> Any:
    """Give up the pod of this flow run until it is resumed.

    Args:
        wait_for_input: a model or a type: what resuming must bring.
        flow_run_id: None, or the id of this run.
        timeout: seconds after which the suspension fails.
        key: tells one suspension of a run from another.

    Raises:
        RuntimeError: not in the root flow run of a pod, or results are not durable.
        NotImplementedError: the id is that of another run.
    """
    if in_async_run():
        return asuspend_flow_run(wait_for_input, flow_run_id, timeout, key)
    return _suspend(wait_for_input, flow_run_id, timeout, key)


async def asuspend_flow_run(
    wait_for_input: Any = None, flow_run_id: UUID | None = None, timeout: float | None = None, key: str | None = None
) -> Any:
    """`suspend_flow_run` as a coroutine."""
    return _suspend(wait_for_input, flow_run_id, timeout, key)


def __getattr__(name: str) -> Any:
    from penstock.base.absent import absent_name

    return absent_name("penstock.flow_runs", name)
