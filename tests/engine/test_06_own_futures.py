"""Futures and task runners that users write, after Prefect's form."""

from __future__ import annotations

import concurrent.futures
import uuid
from typing import Any

import pytest

from penstock import flow, task
from penstock.futures import (
    PrefectConcurrentFuture,
    PrefectFuture,
    PrefectFutureList,
    PrefectWrappedFuture,
    as_completed,
    resolve_futures_to_results,
    resolve_futures_to_states,
    wait,
)
from penstock.states import Completed, Failed, State
from penstock.task_engine import run_task_sync
from penstock.task_runners import TaskRunner


class Known(PrefectWrappedFuture[Any]):
    """Its state is known, whatever becomes of the future inside."""

    def __init__(self, data: Any) -> None:
        super().__init__(uuid.uuid4(), concurrent.futures.Future())
        self._final_state = Completed(data=data)


def test_a_known_state_is_what_counts() -> None:
    futures: list[PrefectFuture[Any]] = [Known(0), Known(1)]
    assert PrefectFutureList(futures).result(timeout=1) == [0, 1]
    assert len(wait(futures, timeout=1).done) == 2
    assert len(list(as_completed(futures, timeout=1))) == 2
    assert resolve_futures_to_results({"a": futures}) == {"a": [0, 1]}
    assert [state.data for state in resolve_futures_to_states(futures)] == [0, 1]
    seen: list[Any] = []
    futures[0].add_done_callback(seen.append)
    assert seen == [futures[0]]


@pytest.mark.parametrize(
    ("inside", "result"),
    [(Completed(data=3), 3), (Failed(data=ValueError("no")), ValueError), (5, 5), (ValueError("lost"), ValueError)],
)
def test_a_future_around_another(inside: Any, result: Any) -> None:
    inner: concurrent.futures.Future[Any] = concurrent.futures.Future()
    future: PrefectConcurrentFuture[Any] = PrefectConcurrentFuture(uuid.uuid4(), inner)
    with pytest.raises(TimeoutError):
        future.result(timeout=0)
    if isinstance(inside, Exception):
        inner.set_exception(inside)
    else:
        inner.set_result(inside)
    if isinstance(result, type):
        with pytest.raises(result):
            future.result()
    else:
        assert future.result() == result


class Inline(TaskRunner):
    """Runs each task where it is submitted."""

    def duplicate(self) -> Inline:
        return Inline()

    def submit(self, task: Any, parameters: Any, wait_for: Any = None, dependencies: Any = None) -> Any:
        state: State = run_task_sync(task, parameters=parameters, wait_for=wait_for, return_type="state")
        done: concurrent.futures.Future[State] = concurrent.futures.Future()
        done.set_result(state)
        return PrefectConcurrentFuture(uuid.uuid4(), done)


def test_a_runner_of_ones_own_that_overrides_submit() -> None:
    @task
    def add(x: int, y: int = 1) -> int:
        return x + y

    @flow(task_runner=Inline())
    def f() -> tuple[Any, ...]:
        return add.submit(1).result(), add.map([1, 2]).result(), add.submit(add.submit(1)).result()

    assert f() == (2, [2, 3], 3)
