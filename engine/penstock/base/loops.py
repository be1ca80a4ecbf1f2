"""Event loops that are kept for threads, and coroutines that sync code runs to their end in them.

No loop, no thread, and no import of asyncio unless something async runs. Neighbours: `asyncutils` says which kind of code runs.
"""

from __future__ import annotations

import os
import threading
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.base.asyncutils import running_loop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Coroutine, Iterable


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
