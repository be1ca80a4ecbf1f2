"""The classes of single futures. Neighbours: `future_sets` waits for many; `submitting` makes them."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from penstock.base.current import current_run
from penstock.core.inputs import Upstream
from penstock.core.runs import TaskRun
from penstock.core.state import State
from penstock.core.state_parts import CANCELLED, COMPLETED, PENDING
from penstock.core.state_result import get_state_result
from penstock.interruption.interrupt import leave_with
from penstock.interruption.section import ring
from penstock.interruption.waiting import block

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from uuid import UUID

R = TypeVar("R")
if TYPE_CHECKING:
    import typing_extensions

    F = typing_extensions.TypeVar("F", default=Any)
else:
    F = TypeVar("F")  # the type of what a runner's executor gives
_lock = threading.Lock()
os.register_at_fork(after_in_child=_lock._at_fork_reinit)  # type: ignore[attr-defined]  # as the standard library does
COUNTED = object()


def check_timeout(timeout: float | None) -> None:
    """Refuse negative timeouts.

    Raises:
        ValueError: it is negative.
    """
    if timeout is not None and timeout < 0:
        raise ValueError(f"'timeout' must be a non-negative number, got {timeout}: give 0 or more seconds, or None.")


class PrefectFuture(Upstream, Generic[R]):
    """What all futures can do. A subclass gives `wait`, `result`, `add_done_callback` and a state.

    Args:
        task_run_id: id of the task run; the engine's own futures make it when first read.
    """

    __slots__ = ("__dict__", "__weakref__", "_final_state", "_task_run_id")  # users may add to it

    def __init__(self, task_run_id: UUID | None = None) -> None:
        self._task_run_id = task_run_id
        self._final_state: State | None = None

    @property
    def task_run_id(self) -> UUID:
        """Id of the task run."""
        return self._task_run_id  # type: ignore[return-value]

    @property
    def state(self) -> State:
        """The state of the task run: its last one once it is done."""
        return self._final_state if self._final_state is not None else State(PENDING)

    def seen(self) -> None:
        """Somebody looked at the outcome."""

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the run is done, at most `timeout` seconds; says nothing about which."""
        raise NotImplementedError(f"{type(self).__name__}.wait")

    def wait_quietly(self, timeout: float) -> None:
        """`wait` where an interruption is not wanted any more."""
        self.wait(timeout)

    def cancel_unstarted(self, message: str) -> None:
        """End the run if it has not started."""

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> R:
        """The value of the run.

        Args:
            timeout: seconds to wait; None: no limit.
            raise_on_failure: raise the run's failure; False returns it.

        Raises:
            TimeoutError: the run is not done in time; it goes on.
        """
        raise NotImplementedError(f"{type(self).__name__}.result")

    def add_done_callback(self, fn: Callable[[PrefectFuture[R]], Any]) -> None:
        """Call `fn(future)` when the run is done; at once when it is already."""
        raise NotImplementedError(f"{type(self).__name__}.add_done_callback")

    def __await__(self) -> Generator[Any, None, R]:
        return self._awaited().__await__()

    async def _awaited(self) -> R:
        from penstock.interruption.loop_target import until_done

        await until_done(self)
        self.seen()
        value: R = await self.state.aresult()
        return value


class PrefectTaskRunFuture(PrefectFuture[R]):
    """A future of a task run."""

    __slots__ = ()


class PrefectWrappedFuture(PrefectTaskRunFuture[R], Generic[R, F]):
    """Wraps a `concurrent.futures.Future` whose result is the final state.

    Args:
        task_run_id: id of the task run.
        wrapped_future: what a task runner got from its executor.
    """

    __slots__ = ("_wrapped_future",)

    if not TYPE_CHECKING:

        def __class_getitem__(cls, types: Any) -> Any:
            """The second type may be left out."""
            given = types if isinstance(types, tuple) else (types,)
            missing = len(cls.__parameters__) - len(given)
            return super().__class_getitem__((*given, *[Any] * missing))

    def __init__(self, task_run_id: UUID | None, wrapped_future: Any) -> None:
        super().__init__(task_run_id)
        self._wrapped_future = wrapped_future

    @property
    def wrapped_future(self) -> Any:
        """The future inside."""
        return self._wrapped_future

    @property
    def state(self) -> State:
        """The state of the task run."""
        if self._final_state is None and self._wrapped_future.done():
            self._take()
        return self._final_state if self._final_state is not None else State(PENDING)

    def _take(self) -> None:
        result = self._wrapped_future.result(0)
        if not isinstance(result, State):
            result = State(COMPLETED, data=result)
            result.ended = True
        self._final_state = result

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the run is done."""
        check_timeout(timeout)
        if self._final_state is not None:
            return
        if not self._wrapped_future.done():
            waiter = threading.Lock()
            waiter.acquire()
            self._wrapped_future.add_done_callback(lambda _: ring(waiter))
            if not block(waiter, timeout, resting=timeout is None):
                return
        self._take()

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:
        """The value of the run; see `PrefectFuture.result`."""
        self.wait(timeout)
        if self._final_state is None:
            raise TimeoutError(f"Task run {self.task_run_id} did not complete within {timeout} seconds")
        self.seen()
        return result_of(self._final_state, raise_on_failure)

    def add_done_callback(self, fn: Callable[[PrefectFuture[R]], Any]) -> None:
        """Call `fn(future)` when the run is done; errors of it are logged."""
        if self._final_state is not None:
            _call_back(fn, self)
        else:
            self._wrapped_future.add_done_callback(lambda _: _call_back(fn, self))


def _call_back(fn: Callable[[Any], Any], future: Any) -> None:
    try:
        fn(future)
    except Exception:  # a callback never harms the run
        import logging

        logging.getLogger("penstock.futures").exception("A done-callback of a future failed.")


def result_of(state: State, raise_on_failure: bool) -> Any:
    """The result of a state, plainly in whatever code."""
    from penstock.base.asyncutils import in_async_run

    if in_async_run():
        # A future is waited for in blocking style; its result is plain there too, as the wait was.
        return get_state_result(state, raise_on_failure)
    return state.result(raise_on_failure=raise_on_failure)


class PrefectConcurrentFuture(PrefectWrappedFuture[R, Any]):
    """The future of this engine's own task runners: knows its run, wakes whoever waits."""

    __slots__ = ("_callbacks", "_cancel", "_done", "_run", "_unseen", "_waiters")

    def __init__(
        self, task_run_id: UUID | None = None, wrapped_future: Any = None, *, run: TaskRun | None = None
    ) -> None:
        # Not by way of the classes above: three calls for each submitted run.
        self._task_run_id = task_run_id
        self._final_state = None
        self._wrapped_future = wrapped_future
        self._run = run
        self._done = False
        self._callbacks: list[Any] | None = None
        self._waiters: list[threading.Lock] | None = None
        self._cancel: Callable[[], bool] | None = None
        self._unseen: Any = True  # until somebody looks; COUNTED once it failed meanwhile

    @property
    def task_run_id(self) -> UUID:
        """Id of the task run."""
        return self._run.id if self._run is not None else self._task_run_id  # type: ignore[return-value]

    @property
    def task_run(self) -> TaskRun | None:
        """The record of the task run."""
        return self._run

    @property
    def wrapped_future(self) -> Any:
        """A `concurrent.futures.Future` with the final state as its result."""
        if self._run is not None and self._wrapped_future is None:
            from concurrent.futures import Future

            wrapped: Future[State] = Future()
            self._wrapped_future = wrapped
            self.add_done_callback(lambda _: wrapped.set_result(self.state))
        return self._wrapped_future

    @property
    def state(self) -> State:
        """The state of the task run."""
        if self._run is None:
            return super().state
        if self._done:
            self.seen()
        return self._run.state

    def done(self) -> bool:
        """Whether the run is over."""
        return self._done if self._run is not None else bool(self._wrapped_future.done())

    def seen(self) -> None:
        """Somebody looked at the outcome: it is not counted as overlooked."""
        if self._unseen:
            counted, self._unseen = self._unseen is COUNTED, False
            if counted:
                self._count(-1)

    def _count(self, change: int) -> None:
        run = self._run
        if run is not None and run.flow is not None:
            unseen = run.flow.unseen
            name = run.definition.name
            with _lock:
                unseen[name] = unseen.get(name, 0) + change

    def complete(self) -> None:
        """The run is over: wake whoever waits, and call back. Called once, by the thread that ended it."""
        for tell in self.settle():
            tell()

    def settle(self) -> Sequence[Callable[[], None]]:
        """`complete`, but for the callbacks: they are returned, to be called without arguments; none raises."""
        with _lock:
            if self._done:
                return ()
            self._done = True
            self._cancel = None
            callbacks, self._callbacks = self._callbacks, None
            waiters, self._waiters = self._waiters, None
        run = self._run
        if run is not None:
            flow = run.flow
            if flow is not None:
                if self._unseen and run.state.type not in (COMPLETED, CANCELLED):
                    self._unseen = COUNTED
                    self._count(1)
                flow.children.pop(self, None)
        for waiter in waiters or ():
            ring(waiter)
        return [partial(_call_back, fn, self) for fn in callbacks] if callbacks else ()

    def cancel_unstarted(self, message: str) -> None:
        """End the run as CANCELLED if it has not started."""
        if self._cancel is not None and self._cancel():
            from penstock.drivers.entry import cancel_run

            cancel_run(self._run, message)
            self.complete()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the run is done."""
        if timeout is not None:
            check_timeout(timeout)
        if self._done:
            return
        if self._run is None:
            super().wait(timeout)
            return
        if self._run is current_run.get():
            raise ValueError(
                f"Task run {self._run.name!r} waits for itself: its own future is among what it waits for."
            )
        with _lock:
            if self.done():  # meanwhile
                return
            waiter = threading.Lock()
            waiter.acquire()
            self._waiters = [*(self._waiters or ()), waiter]
        block(waiter, timeout, resting=timeout is None)
        leave_with(self._run)

    def wait_quietly(self, timeout: float) -> None:
        """Wait in plain blocking style, for the end of an interrupted run."""
        with _lock:
            if self._done:
                return
            waiter = threading.Lock()
            waiter.acquire()
            self._waiters = [*(self._waiters or []), waiter]
        waiter.acquire(True, timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:
        """The value of the run; see `PrefectFuture.result`."""
        if self._run is None:
            return super().result(timeout, raise_on_failure)
        if timeout is not None:
            check_timeout(timeout)
        if not self._done:
            self.wait(timeout)
            if not self._done:
                raise TimeoutError(
                    f"Task run {self._run.name!r} ({self.task_run_id}) did not complete within {timeout} seconds"
                )
        self.seen()
        state = self._run.state
        if state.data is not None and not raise_on_failure:
            return result_of(state, raise_on_failure)
        root = self._run.root
        if root.is_flow and root.suspension is state:  # type: ignore[attr-defined]
            from penstock.base.exceptions import Pause

            raise Pause(state=state)
        return result_of(state, raise_on_failure)

    def add_done_callback(self, fn: Callable[[PrefectFuture[R]], Any]) -> None:
        """Call `fn(future)` when the run is done; errors of it are logged."""
        if self._run is None:
            super().add_done_callback(fn)
            return
        with _lock:
            if not self._done:
                if self._callbacks is None:
                    self._callbacks = [fn]
                else:
                    self._callbacks.append(fn)
                return
        _call_back(fn, self)

    def __reduce__(self) -> Any:
        if not self.done():
            raise ValueError(
                f"The future of task run {self.task_run_id} is not finished and cannot be pickled; wait for it, or pass its result."
            )
        return _finished, (self.task_run_id, self.state)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.task_run_id)!r}, {self.state})"


def _finished(task_run_id: UUID, state: State) -> PrefectConcurrentFuture[Any]:
    from concurrent.futures import Future

    wrapped: Future[State] = Future()
    wrapped.set_result(state)
    return PrefectConcurrentFuture(task_run_id, wrapped)
