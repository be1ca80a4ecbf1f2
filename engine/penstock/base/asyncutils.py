"""Between sync and async code: kept event loops, and which kind of code is running.

No loop, no thread, and no import of asyncio unless something async runs. Neighbours: the async driver, the
public functions that exist in a sync and an async form.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import threading
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.base.current import current_run, plain_run

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Coroutine, Iterable


def running_loop() -> Any:
    """The event loop that runs in this thread, or None; asyncio is not imported for it."""
    module = sys.modules.get("asyncio")
    return None if module is None else module._get_running_loop()


NO_RUN = object()  # in the place of a run, for `plain_run` outside runs


def in_async_run() -> bool:
    """Whether the current run is async; outside any run, whether an event loop runs here."""
    run = current_run.get()
    if run is not None:
        return bool(run.is_async) and plain_run.get() is not run
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


class _Kept:
    """An event loop that is kept for a thread, and closed with it."""

    def __init__(self) -> None:
        import asyncio

        self.loop = asyncio.new_event_loop()
        self.process = os.getpid()

    @property
    def usable(self) -> bool:
        """Whether it is open, and not that of the process that this one was forked from."""
        return self.process == os.getpid() and not self.loop.is_closed()

    def close(self) -> None:
        """Close the loop, once; what a forked child has of it is its parent's, and closing it would be felt there."""
        if self.usable and not self.loop.is_running():
            self.loop.close()

    def __del__(self) -> None:
        self.close()


class _Loops(threading.local):
    kept: _Kept | None = None
    before: ClassVar[list[_Kept]] = []  # a loop that nobody holds closes itself
    helper: Any = None


_loops = _Loops()


def kept_loop() -> Any:
    """The event loop kept for this thread; made on first use, closed when the thread ends."""
    if _loops.kept is None or not _loops.kept.usable:
        if _loops.kept is not None:
            _loops.before.append(_loops.kept)
        _loops.kept = _Kept()
        if threading.current_thread() is threading.main_thread():
            import atexit

            atexit.register(_loops.kept.close)
    return _loops.kept.loop


def run_coro_as_sync(coroutine: Coroutine[Any, Any, Any] | Awaitable[Any], **_: Any) -> Any:
    """Run a coroutine to its end and return its value.

    In the thread's kept loop; where a loop runs already, in a helper thread with its own, context copied.
    """
    if running_loop() is None:
        plain = coroutine.__class__ is CoroutineType
        return kept_loop().run_until_complete(coroutine if plain else _as_coroutine(coroutine))
    import contextvars

    context = contextvars.copy_context()
    box: list[Any] = []

    def target() -> None:
        try:
            box.append((True, context.run(kept_loop().run_until_complete, _as_coroutine(coroutine))))
        except BaseException as exc:  # noqa: BLE001  (handed to the waiting thread)
            box.append((False, exc))

    thread = threading.Thread(target=target, name="penstock-helper", daemon=True)
    thread.start()
    thread.join()
    ok, value = box[0]
    if ok:
        return value
    raise value


async def _as_coroutine(awaitable: Any) -> Any:
    return await awaitable


async def run_sync_in_worker_thread(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a plain function in a thread, without blocking the loop; the context is copied."""
    import asyncio

    return await asyncio.to_thread(fn, *args, **kwargs)


def set_done(done: asyncio.Future[None]) -> None:
    """Wake who awaits, unless it has given up."""
    if not done.done():
        done.set_result(None)


async def gather(*calls: Callable[[], Coroutine[Any, Any, Any]] | Iterable[Any]) -> list[Any]:
    """Run coroutine functions without arguments concurrently; their results in order."""
    import asyncio

    return list(await asyncio.gather(*(call() for call in calls)))  # type: ignore[operator]


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
