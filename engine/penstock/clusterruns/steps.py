"""Steps of a function that waits: a generator that yields what it waits for, performed in sync or in async code.

Sync code waits as everything in the engine does: interruptible, without the slot of a pool. Async code awaits. A step that is
interrupted is told so by the exception, so that its `finally` blocks run. Neighbours: everything here is written as steps.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from penstock.base.asyncutils import in_async_run
from penstock.base.both_forms import takes_sync
from penstock.base.loops import set_done
from penstock.interruption.waiting import block

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until a future is done, or so many seconds have passed."""

    future: Future[Any]
    seconds: float | None = None


Steps = Generator[Wait, None, T]


def perform(steps: Steps[T]) -> T:
    """Take the steps in sync code."""
    try:
        wait = next(steps)
        while True:
            try:
                _block(wait)
            except BaseException as error:  # noqa: BLE001  (whatever interrupts this is the steps' to see)
                wait = steps.throw(error)
            else:
                wait = next(steps)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def aperform(steps: Steps[T]) -> T:
    """Take the steps in async code."""
    try:
        wait = next(steps)
        while True:
            try:
                await _awaited(wait)
            except BaseException as error:  # noqa: BLE001  (a cancellation is the steps' to see)
                wait = steps.throw(error)
            else:
                wait = next(steps)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def _block(wait: Wait) -> None:
    if wait.future.done():
        return
    lock = threading.Lock()
    lock.acquire()
    once = threading.Lock()

    def done(_: Any) -> None:
        if once.acquire(False):
            lock.release()

    wait.future.add_done_callback(done)
    block(lock, wait.seconds)


async def _awaited(wait: Wait) -> None:
    if wait.future.done():
        return
    import asyncio

    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(_: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(set_done, done)

    wait.future.add_done_callback(tell)
    await asyncio.wait([done], timeout=wait.seconds)


def until(future: Future[T]) -> Steps[T]:
    """Wait for a future and give its value, or raise its exception."""
    try:
        yield Wait(future)
    except BaseException:
        future.cancel()
        raise
    return future.result()


def shared(future: Future[T]) -> Steps[T]:
    """Wait for a future that others wait for, too: one who is interrupted does not take it from them."""
    yield Wait(future)
    return future.result()


def dual(steps: Callable[P, Steps[T]]) -> tuple[Callable[P, Any], Callable[P, Any]]:
    """Make of steps a function for both kinds of code, which gives an awaitable in async runs, and a coroutine function."""

    @takes_sync
    @functools.wraps(steps)
    def plain(*args: P.args, **kwargs: P.kwargs) -> Any:
        begun = steps(*args, **kwargs)
        return aperform(begun) if in_async_run() else perform(begun)

    @functools.wraps(steps)
    async def later(*args: P.args, **kwargs: P.kwargs) -> Any:
        return await aperform(steps(*args, **kwargs))

    later.__name__ = later.__qualname__ = f"a{steps.__name__}"
    later.__doc__ = f"`{steps.__name__}` as a coroutine."
    return plain, later
