"""Async task runs in one worker: they share a run of its loop, and nothing else."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from penstock import flow, tags, task
from penstock.base.asyncutils import running_loop
from penstock.runners.futures import PrefectConcurrentFuture
from penstock.task_runners import ThreadPoolTaskRunner

ONE = ThreadPoolTaskRunner(max_workers=1)
mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="none")


def after_a_pause(*submits: Any) -> list[Any]:
    """Submit while the only worker is held, so that it finds all of them queued; their futures."""
    gate = threading.Event()
    hold = task(lambda: gate.wait(20)).submit()
    futures = [submit() for submit in submits]
    gate.set()
    hold.wait()
    for future in futures:
        future.wait()
    return futures


@task
async def surroundings(name: str) -> tuple[str, str, Any, int]:
    before = mark.get()
    mark.set(name)
    await asyncio.sleep(0)
    return before, mark.get(), asyncio.current_task(), threading.get_ident()


def test_each_has_a_task_and_a_context_of_its_own() -> None:
    @flow(task_runner=ONE)
    def f() -> Any:
        mark.set("caller")
        with tags("later"):
            futures = after_a_pause(*(lambda name=name: surroundings.submit(name) for name in "abc"))
        assert all(future.task_run.tags == {"later"} for future in futures)
        return [future.result() for future in futures]

    results = contextvars.copy_context().run(f)
    assert [(before, mark) for before, mark, _, _ in results] == [("caller", "a"), ("caller", "b"), ("caller", "c")]
    assert len({id(task) for _, _, task, _ in results}) == 3
    assert len({thread for _, _, _, thread in results}) == 1


@task
async def plain() -> str:
    return "plain"


@task
def blocking() -> str:
    assert running_loop() is None
    return "blocking"


@task
async def cancels_itself() -> None:
    current = asyncio.current_task()
    assert current is not None
    current.cancel()


@task
async def stops_the_loop() -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.01)


@task
async def exits_in_a_task() -> None:
    async def leave() -> None:
        raise SystemExit(3)

    await asyncio.create_task(leave())


@task
async def exits() -> None:
    raise SystemExit(3)


@task
async def fails() -> None:
    raise ValueError("no")


@task(timeout_seconds=0.01)
async def late() -> None:
    await asyncio.sleep(20)


@task
async def waits_for_another() -> Any:
    return plain.submit().result()


ENDS = {
    blocking: "COMPLETED",
    cancels_itself: "COMPLETED",
    stops_the_loop: "CRASHED",
    exits_in_a_task: "CRASHED",
    exits: "CRASHED",
    fails: "FAILED",
    late: "FAILED",
    waits_for_another: "COMPLETED",
}


@pytest.mark.parametrize("between", ENDS, ids=lambda task: task.name)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_what_happens_to_one_does_not_happen_to_the_next(between: Any) -> None:
    @flow(task_runner=ONE)
    def f() -> Any:
        futures = after_a_pause(plain.submit, between.submit, plain.submit, blocking.submit, plain.submit)
        return {"types": [future.state.type.value for future in futures]}

    assert f()["types"] == ["COMPLETED", ENDS[between], "COMPLETED", "COMPLETED", "COMPLETED"]


def test_one_that_was_ended_in_the_queue_is_passed_over() -> None:
    executed = []

    @task
    async def noted(name: str) -> None:
        executed.append(name)

    @flow(task_runner=ONE)
    def f() -> Any:
        def submit_ended() -> Any:
            future = noted.submit("ended")
            future.cancel_unstarted("not wanted")
            return future

        futures = after_a_pause(lambda: noted.submit("a"), submit_ended, submit_ended, lambda: noted.submit("b"))
        return {"types": [future.state.type.value for future in futures]}

    assert f()["types"] == ["COMPLETED", "CANCELLED", "CANCELLED", "COMPLETED"]
    assert executed == ["a", "b"]


def test_callbacks_are_called_where_no_loop_runs() -> None:
    seen: list[Any] = []
    both = threading.Event()

    def callback(future: PrefectConcurrentFuture[str]) -> None:
        seen.append((running_loop(), future.result(), asyncio.run(another())))
        if len(seen) == 2:
            both.set()

    async def another() -> int:
        return 1

    def submit() -> Any:
        future = plain.submit()
        future.add_done_callback(callback)
        return future

    @flow(task_runner=ONE)
    def f() -> None:
        after_a_pause(plain.submit, submit, plain.submit, submit)
        assert both.wait(20)

    f()
    assert seen == [(None, "plain", 1)] * 2


def test_runs_that_wait_for_others_and_what_they_hold() -> None:
    @task
    async def add(*values: int) -> int:
        await asyncio.sleep(0)
        return sum(values)

    @flow(task_runner=ONE)
    def f() -> int:
        futures = [add.submit(1)]
        for _ in range(20):
            futures.append(add.submit(futures[-1], 1))
        return int(add.submit(*futures).result())

    assert f() == sum(range(1, 22))
