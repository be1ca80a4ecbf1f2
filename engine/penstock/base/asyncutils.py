"""Between sync and async code: which kind of code is running, and which kind a function is.

Nothing here imports asyncio. Neighbours: `loops` runs coroutines in sync code, `both_forms` makes functions for both kinds.
"""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any

from penstock.base.current import awaiting_run, current_run, plain_run

if TYPE_CHECKING:
    from collections.abc import Callable


def running_loop() -> Any:
    """The event loop that runs in this thread, or None; asyncio is not imported for it."""
    module = sys.modules.get("asyncio")
    return None if module is None else module._get_running_loop()


NO_RUN = object()  # in the place of a run, for `plain_run` outside runs


def in_async_run() -> bool:
    """Whether the current run, or what is called on its behalf, is async; outside any run, whether an event loop runs here."""
    run = current_run.get()
    if run is not None:
        return bool(run.is_async or awaiting_run.get() is run) and plain_run.get() is not run
    return running_loop() is not None and plain_run.get() is not NO_RUN


def plainly(fn: Callable[..., Any], run: Any) -> Callable[..., Any]:
    """A function of the user's as sync code: what it asks states and `sync_compatible` for it gets, in an async run too.

    Args:
        fn: called by the engine on behalf of the run; an async function is left as it is, for it can await.
        run: the run.
    """
    if not run.is_async or is_async_fn(fn):
        return fn

    def call(*args: Any, **kwargs: Any) -> Any:
        token = plain_run.set(run)
        try:
            return fn(*args, **kwargs)
        finally:
            plain_run.reset(token)

    return call


def in_async_code(run: Any) -> bool:
    """Whether the caller can await: the current run is async or there is none, or a loop was started in its sync body.

    Args:
        run: the current run, or None.
    """
    return run is None or run.is_async or (running_loop() is not None and _loop_is_nearer())


def _loop_is_nearer() -> bool:
    """Whether, going up from the caller, frames of an event loop come before those of the engine that runs the body."""
    package = __name__.partition(".")[0]
    frame: Any = sys._getframe(1)
    while frame is not None and _package_of(frame) == package:
        frame = frame.f_back
    while frame is not None:
        origin = _package_of(frame)
        if origin in (package, "asyncio", "uvloop"):
            return bool(origin != package)
        frame = frame.f_back
    return False


def _package_of(frame: Any) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def is_async_fn(func: Any) -> bool:
    """Whether calling `func` gives a coroutine; what it wraps does not count, for the wrapper is called.

    A wrapper that hands on the coroutine of what it wraps is async, or marked by `inspect.markcoroutinefunction`.
    """
    return any(inspect.iscoroutinefunction(each) for each in _called(func))


def is_async_gen_fn(func: Any) -> bool:
    """Whether calling `func` gives an async generator."""
    return any(inspect.isasyncgenfunction(each) for each in _called(func))


def is_gen_fn(func: Any) -> bool:
    """Whether calling `func` gives a generator."""
    return any(inspect.isgeneratorfunction(each) for each in _called(func))


def _called(func: Any) -> tuple[Any, ...]:
    """What a call of `func` calls: the function of a partial, an object and its `__call__`."""
    while issubclass(type(func), functools.partial):
        func = func.func
    call = None if inspect.isroutine(func) or inspect.isclass(func) else getattr(type(func), "__call__", None)  # noqa: B004
    return (func, call) if inspect.isfunction(call) else (func,)
