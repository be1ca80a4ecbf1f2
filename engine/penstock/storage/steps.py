"""Performing generators of `Call` effects outside a run's life: stores, locks, transactions used by hand.

Neighbours: `store` and `transactions` write their logic once as such generators; the drivers perform those of a life.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.core.outcome import Raised
from penstock.interruption.calling import aperform_call, perform_call

if TYPE_CHECKING:
    from collections.abc import Generator

    from penstock.core.effects import Effect


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
