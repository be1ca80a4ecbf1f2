"""Calling something of the user's that is no body: hooks, handlers, stores. What it raises is an outcome.

Neighbours: the drivers perform the `Call` effects of a run's life by this, `storage.steps` those outside runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.current import awaiting_run
from penstock.base.texts import is_awaitable
from penstock.core.outcome import Raised
from penstock.interruption import forks

if TYPE_CHECKING:
    from penstock.core.effects import Call


def perform_call(run: Any, effect: Call) -> Any:
    """Call something of the user's; an awaitable is run to its end."""
    try:
        value = effect.fn(*effect.args, **effect.kwargs)
        if is_awaitable(value):
            from penstock.base.loops import run_coro_as_sync

            token = awaiting_run.set(run)
            try:
                value = run_coro_as_sync(value)
            finally:
                awaiting_run.reset(token)
    except BaseException as exc:  # noqa: BLE001  (an outcome)
        forks.left_by(run, exc)
        return Raised(exc)
    forks.left_by(run, None)
    return value


async def answer(effect: Call) -> Any:
    """What a call gives in async code; an awaitable is awaited."""
    if effect.far:
        from penstock.base.loops import run_sync_in_worker_thread

        value = await run_sync_in_worker_thread(effect.fn, *effect.args, **effect.kwargs)
    else:
        value = effect.fn(*effect.args, **effect.kwargs)
    return await value if is_awaitable(value) else value


async def aperform_call(run: Any, effect: Call) -> Any:
    """Call something of the user's; an awaitable is awaited."""
    try:
        value = await answer(effect)
    except BaseException as exc:  # noqa: BLE001  (an outcome)
        forks.left_by(run, exc)
        return Raised(exc)
    forks.left_by(run, None)
    return value
