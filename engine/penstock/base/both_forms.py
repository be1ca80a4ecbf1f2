"""Functions that exist in a sync and an async form, of which the caller's kind of code or `_sync` chooses one.

Neighbours: `asyncutils` says which kind of code runs; `loops` runs a coroutine in sync code.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from penstock.base.asyncutils import NO_RUN, in_async_run
from penstock.base.current import current_run, plain_run
from penstock.base.loops import run_coro_as_sync

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def takes_sync(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Let the caller of a function that serves both kinds of code choose by `_sync`.

    True: plainly, wherever it is called; False: a coroutine; left out: as the code is that calls.
    """

    async def later(args: Any, kwargs: Any) -> Any:
        value = fn(*args, **kwargs)
        return await value if inspect.isawaitable(value) else value

    @functools.wraps(fn)
    def call(*args: Any, _sync: bool | None = None, **kwargs: Any) -> Any:
        if _sync is None:
            return fn(*args, **kwargs)
        if not _sync:
            return later(args, kwargs)
        token = plain_run.set(current_run.get() or NO_RUN)
        try:
            return fn(*args, **kwargs)
        finally:
            plain_run.reset(token)

    call.aio = lambda *args, **kwargs: later(args, kwargs)  # type: ignore[attr-defined]
    return call


def serves_both(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`takes_sync` of a plain function that gives a coroutine where async code calls it."""

    async def later(args: Any, kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    @functools.wraps(fn)
    def either(*args: Any, **kwargs: Any) -> Any:
        return later(args, kwargs) if in_async_run() else fn(*args, **kwargs)

    return takes_sync(either)


def sync_compatible(async_fn: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    """Let an async function be called from both kinds of code: awaitable in async runs, its value elsewhere."""

    @functools.wraps(async_fn)
    def dispatch(*args: Any, _sync: bool | None = None, **kwargs: Any) -> Any:
        coroutine = async_fn(*args, **kwargs)
        if _sync is False or (_sync is None and in_async_run()):
            return coroutine
        return run_coro_as_sync(coroutine)

    dispatch.aio = async_fn  # type: ignore[attr-defined]
    return dispatch
