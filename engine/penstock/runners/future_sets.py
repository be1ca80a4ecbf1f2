"""Many futures at once: lists, waiting, order of completion, windows. Neighbours: `futures` has the single ones."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from penstock.base.exceptions import UnfinishedRun
from penstock.core.inputs import Upstream, replace
from penstock.core.state import State
from penstock.core.state_parts import COMPLETED, TERMINAL_STATES
from penstock.core.state_result import is_stored
from penstock.interruption.interrupt import leave_with
from penstock.interruption.section import ring
from penstock.interruption.waiting import block
from penstock.interruption.within import within
from penstock.runners.futures import PrefectConcurrentFuture, PrefectFuture, check_timeout, result_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

R = TypeVar("R")
_lock = threading.Lock()
os.register_at_fork(after_in_child=_lock._at_fork_reinit)  # type: ignore[attr-defined]  # as the standard library does


class PrefectFutureList(list[PrefectFuture[R]]):
    """The futures of a map, in the order of its inputs."""

    rebuilt_as = list  # what takes the place of the futures is no list of futures

    def wait(self, timeout: float | None = None) -> None:
        """Wait for all, at most `timeout` seconds altogether."""
        wait(self, timeout=timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> list[R]:
        """The results in the order of the inputs; raises as soon as any member fails.

        Args:
            timeout: seconds for all together.
            raise_on_failure: False puts exceptions in the place of results.

        Raises:
            TimeoutError: the list's own when time is up; a task's own is raised as itself.
        """
        check_timeout(timeout)
        until = time.monotonic() + (timeout or 0)
        if raise_on_failure:
            try:
                for future in _in_order_of_completion(list(self), timeout):
                    state = future.state
                    if state.type is not COMPLETED:
                        future.result(0)
            except WaitTimeoutError as exc:
                raise _too_late(exc.left, len(self), timeout) from None
        else:
            left = wait(self, timeout=timeout).not_done
            if left:
                raise _too_late(len(left), len(self), timeout)
        read = (future.result(0 if _is_done(future) else timeout, raise_on_failure) for future in self)
        if not timeout or all(_at_hand(future) for future in self):
            return list(read)
        results: list[R] = []
        try:
            with within(until - time.monotonic(), _LateError("while results were read")):
                results.extend(read)
        except _LateError:
            raise _too_late(len(self) - len(results), len(self), timeout) from None
        return results


class _LateError(TimeoutError):
    """Time is up while results are read; the list's own, whatever a task raises."""


def _at_hand(future: PrefectFuture[Any]) -> bool:
    """Whether to read the result takes no time: it is in memory."""
    return isinstance(future, PrefectConcurrentFuture) and not is_stored(future.state.data)


def _is_done(future: PrefectFuture[Any]) -> bool:
    if isinstance(future, PrefectConcurrentFuture):
        return future.done()
    return _ended(future.state)


def _ended(state: State) -> bool:
    return state.type in TERMINAL_STATES or state.name == "NotReady"


def _too_late(left: int, total: int, timeout: float | None) -> TimeoutError:
    return TimeoutError(
        f"Timed out waiting for all futures to complete within {timeout} seconds: {left} (of {total}) futures unfinished"
    )


class WaitTimeoutError(TimeoutError):
    """Time is up, and it is the wait's own, no task's."""

    def __init__(self, left: int, total: int) -> None:
        super().__init__(f"{left} (of {total}) futures unfinished")
        self.left = left


class DoneAndNotDoneFutures(NamedTuple):
    """What `wait` returns."""

    done: set[Any]
    not_done: set[Any]


def wait(futures: Iterable[PrefectFuture[Any]], timeout: float | None = None) -> DoneAndNotDoneFutures:
    """Wait until all futures are done, or time is up; never raises for time.

    Args:
        futures: what to wait for.
        timeout: seconds; None: no limit.

    Raises:
        ValueError: the timeout is negative.
    """
    check_timeout(timeout)
    waited = list(futures)
    until = None if timeout is None else time.monotonic() + timeout
    for future in waited:
        if until is None:
            future.wait()
        else:
            future.wait(max(0.0, until - time.monotonic()))
    done = {future for future in waited if _is_done(future)}
    return DoneAndNotDoneFutures(done, set(waited) - done)


def as_completed(futures: Iterable[PrefectFuture[Any]], timeout: float | None = None) -> Iterator[PrefectFuture[Any]]:
    """Yield futures in the order in which they are done.

    Args:
        futures: what to wait for; one that occurs twice is yielded once.
        timeout: seconds; with 0 the finished ones are yielded.

    Raises:
        TimeoutError: time is up and some are left.
        ValueError: the timeout is negative.
    """
    check_timeout(timeout)
    return _in_order_of_completion(list(dict.fromkeys(futures)), timeout)


def _in_order_of_completion(unique: list[PrefectFuture[Any]], timeout: float | None) -> Iterator[PrefectFuture[Any]]:
    until = None if timeout is None else time.monotonic() + timeout
    finished: list[PrefectFuture[Any]] = []
    guard = threading.Lock()
    bell: list[threading.Lock] = []

    def tell(future: PrefectFuture[Any]) -> None:
        with guard:
            finished.append(future)
            if bell:
                ring(bell.pop())

    for future in dict.fromkeys(unique):
        future.add_done_callback(tell)
    total = len(set(map(id, unique)))
    given = 0
    while given < total:
        with guard:
            batch = finished[given:]
            waiter = None
            if not batch:
                waiter = threading.Lock()
                waiter.acquire()
                bell.append(waiter)
        if waiter is not None:
            left = None if until is None else max(0.0, until - time.monotonic())
            if not block(waiter, left, resting=left is None):
                with guard:
                    bell.clear()
                    late = not finished[given:]
                if late:
                    raise WaitTimeoutError(total - given, total)
            continue
        for future in batch:
            if isinstance(future, PrefectConcurrentFuture):
                leave_with(future._run)
            given += 1
            yield future


def resolve_futures_to_states(expr: Any) -> Any:
    """The expression with each future in it replaced by its final state, after waiting for it."""
    from penstock.core.readiness import replace_futures

    return replace_futures(_waited(expr))


def resolve_futures_to_results(expr: Any) -> Any:
    """The expression with each future in it replaced by its result, after waiting for it.

    Raises:
        UnfinishedRun: the run of one did not complete.
    """

    def give(item: Any, _allow: bool) -> Any:
        if not isinstance(item, Upstream):
            return item
        state = item.state  # type: ignore[attr-defined]
        if state.type is not COMPLETED:
            raise UnfinishedRun(
                "At least one result did not complete successfully: "
                f"upstream task run '{item.task_run_id}' did not reach a 'COMPLETED' state."  # type: ignore[attr-defined]
            )
        return result_of(state, raise_on_failure=True)

    return replace(_waited(expr), give)


def _waited(expr: Any) -> Any:
    from penstock.core.inputs import Found, scan

    found: Found = []
    scan(expr, found)
    for item, _ in found:
        if isinstance(item, PrefectFuture):
            item.wait()
    return expr


def states_of(futures: Iterable[PrefectFuture[Any]]) -> list[State]:
    """The last states of the futures, in order, after waiting for each."""
    states = []
    for future in futures:
        future.wait()
        states.append(future.state)
    return states


class PrefectFutureIterator(Generic[R]):
    """The children of `map(window=n)`: at most n exist at a time; iterating yields their futures in order.

    Args:
        submissions: an iterator that submits one child at each step.
        window: how many children may exist unfinished or not yet consumed.
    """

    def __init__(self, submissions: Iterator[PrefectFuture[R]], window: int) -> None:
        if window < 1:
            raise ValueError(f"window must be at least 1; {window} was given.")
        self._submissions = submissions
        self._window = window
        self._ahead: list[PrefectFuture[R]] = []
        self._ended = False

    def __iter__(self) -> PrefectFutureIterator[R]:
        return self

    def _fill(self) -> None:
        while not self._ended and len(self._ahead) < self._window:
            try:
                self._ahead.append(next(self._submissions))
            except StopIteration:
                self._ended = True

    def __next__(self) -> PrefectFuture[R]:
        self._fill()
        if not self._ahead:
            raise StopIteration
        future = self._ahead.pop(0)
        future.wait()
        return future

    def result(self, raise_on_failure: bool = True) -> list[R]:
        """The results of all, in order."""
        return [future.result(raise_on_failure=raise_on_failure) for future in self]

    def wait(self) -> None:
        """Run all and drop their results."""
        for _ in self:
            pass

    def close(self) -> None:
        """Stop pulling inputs, and cancel what has not started."""
        self._ended = True
        for future in self._ahead:
            future.cancel_unstarted("The window of the map was closed.")
        self._ahead = []

    def __enter__(self) -> PrefectFutureIterator[R]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
