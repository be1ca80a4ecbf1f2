"""Observers: functions that are told of every state change of every run.

Neighbours: the pod's reports, the JSON log, and tests subscribe; the core notifies through the world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from penstock.drivers.world import WORLD

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.core.runs import FlowRun, Run
    from penstock.core.state import State

    Observer = Callable[[Run, State | None, State], Any]

__all__ = ["beat", "has_heartbeats", "subscribe", "subscribe_heartbeat"]


def subscribe(fn: Observer, runs: Literal["flow", "task", "all"] = "all") -> Callable[[], None]:
    """Call `fn(run, old_state, new_state)` for every state change, after the state is set and before hooks.

    In the changing thread, in order for each run, never concurrently for one run; `old_state` is None when the run is
    made. What it raises is logged once and swallowed, but for a TerminationSignal.

    Args:
        fn: the observer.
        runs: which runs it is told of.

    Returns:
        A function that ends the subscription.

    Raises:
        ValueError: `runs` is something else.
    """
    if runs not in ("flow", "task", "all"):
        raise ValueError(f"runs must be 'flow', 'task' or 'all'; {runs!r} was given.")
    entry = (fn, runs)
    WORLD.observers = (*WORLD.observers, entry)

    def unsubscribe() -> None:
        WORLD.observers = tuple(known for known in WORLD.observers if known is not entry)

    return unsubscribe


class _Heartbeats:
    """Who is told that a flow run is alive."""

    def __init__(self) -> None:
        self.subscribers: tuple[Callable[[Any], Any], ...] = ()


_heartbeats = _Heartbeats()


def subscribe_heartbeat(fn: Callable[[FlowRun], Any]) -> Callable[[], None]:
    """Call `fn(flow_run)` at each heartbeat of a flow run; returns a function that ends the subscription."""

    def entry(flow_run: FlowRun) -> Any:
        return fn(flow_run)

    _heartbeats.subscribers = (*_heartbeats.subscribers, entry)

    def unsubscribe() -> None:
        _heartbeats.subscribers = tuple(known for known in _heartbeats.subscribers if known is not entry)

    return unsubscribe


def has_heartbeats() -> bool:
    """Whether anybody listens."""
    return bool(_heartbeats.subscribers)


def beat(flow_run: FlowRun) -> None:
    """Tell the heartbeat subscribers; what they raise is logged."""
    for fn in _heartbeats.subscribers:
        try:
            fn(flow_run)
        except Exception as exc:  # noqa: BLE001  (a subscriber never stops a run)
            WORLD.log(flow_run, 40, "A heartbeat subscriber failed: %r", exc, exc=exc)
