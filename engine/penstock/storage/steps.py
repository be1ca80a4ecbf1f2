"""Performing `Call` effects, and generators of them outside a run's life: stores, locks, transactions used by hand.

Neighbours: `store` and `transactions` write their logic once as such generators; the drivers perform the calls of a run's
life by the same two functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.core.outcome import Raised

if TYPE_CHECKING:
    from collections.abc import Generator

    from penstock.core.effects import Call, Effect


def perform_call(run: Any, effect: Call) -> Any:
    """Call something of the user's; an awaitable is run to its end."""
    try:
        value = effect.fn(*effect.args, **effect.kwargs)
        if hasattr(value, "__await__") and not hasattr(value, "add_done_callback"):
            from penstock.base.asyncutils import run_coro_as_sync

            value = run_coro_as_sync(value)
    except BaseException as exc:  # noqa: BLE001  (an outcome)
        return Raised(exc)
    return value


async def aperform_call(run: Any, effect: Call) -> Any:
    """Call something of the user's; an awaitable is awaited."""
    try:
        value = effect.fn(*effect.args, **effect.kwargs)
        if hasattr(value, "__await__") and not hasattr(value, "add_done_callback"):
            value = await value
    except BaseException as exc:  # noqa: BLE001  (an outcome)
        return Raised(exc)
    return value


def run_steps(steps: Generator[Effect, Any, Any]) -> Any:
    """Perform the steps in sync code; what they return."""
    try:
        effect: Any = next(steps)
        while True:
            effect = steps.send(perform_call(None, effect))
    except StopIteration as done:
        return done.value


async def arun_steps(steps: Generator[Effect, Any, Any]) -> Any:
    """Perform the steps in async code; what they return."""
    try:
        effect: Any = next(steps)
        while True:
            effect = steps.send(await aperform_call(None, effect))
    except StopIteration as done:
        return done.value


def dispatch(steps: Generator[Effect, Any, Any]) -> Any:
    """Perform the steps here in sync code; an awaitable of their value in async runs."""
    from penstock.base.asyncutils import in_async_run

    return arun_steps(steps) if in_async_run() else run_steps(steps)


def value_of(outcome: Any) -> Any:
    """The outcome of a Call, raised when it is an exception."""
    if isinstance(outcome, Raised):
        raise outcome.exc
    return outcome
