"""Options, direct calls, retries, timeouts, names, tags, generators, nesting."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from penstock import flow, runtime, tags, task
from penstock.core.retry import delay_of, jittered
from penstock.exceptions import ParameterBindError, ReservedArgumentError, UnfinishedRun
from penstock.observers import subscribe
from penstock.states import Cancelled, Completed, Failed, State
from penstock.task_engine import TaskRunTimeoutError
from penstock.task_runners import ThreadPoolTaskRunner
from penstock.tasks import Task, exponential_backoff

if TYPE_CHECKING:
    from collections.abc import Iterator


def nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"retries": -1}, ValueError, "retries"),
        ({"retry_delay_seconds": list(range(51))}, ValueError, "50 retry delays"),
        ({"retry_delay_seconds": "3"}, TypeError, "retry_delay_seconds"),
        ({"retry_jitter_factor": -1}, ValueError, "retry_jitter_factor"),
        ({"retry_condition_fn": 3}, TypeError, "callable"),
        ({"on_completion": nothing}, TypeError, "Expected iterable"),
        ({"on_failure": [1]}, TypeError, "Expected callables"),
        ({"task_run_name": 3}, TypeError, "task_run_name"),
        ({"cache_policy": "x"}, TypeError, "CachePolicy"),
        ({"nonsense": 1}, TypeError, "nonsense"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        task(**options)(nothing)


class Adder:
    def __call__(self, x: int) -> int:
        return x + 1


def test_names_keys_and_copies() -> None:
    @task
    def my_task() -> None:
        pass

    assert my_task.name == "my_task"
    assert task(lambda: 1).name == "<lambda>"
    assert re.fullmatch("my_task-[0-9a-f]{8}", my_task.task_key)
    assert task(Adder()).task_key == f"{__name__}.Adder"
    copy = my_task.with_options(name="x", retries=2, tags=["a"])
    assert (copy.name, copy.retries, set(copy.tags)) == ("x", 2, {"a"})
    assert my_task.retries == 0
    assert set(copy.with_options(tags=["b"]).tags) == {"b"}
    assert copy.with_options(retries=0).retries == 0
    assert copy.task_key == my_task.task_key
    with pytest.raises(TypeError, match="unexpected"):
        my_task.with_options(nonsense=1)
    with pytest.raises(ReservedArgumentError):
        Task(lambda return_state: 1)
    assert callable(my_task.fn)


def test_a_task_runs_outside_a_flow() -> None:
    @task
    def t(x: int) -> Any:
        return x, runtime.task_run.id is not None, runtime.flow_run.id

    assert t(1) == (1, True, None)
    with pytest.raises(ParameterBindError):
        t()
    with pytest.raises(RuntimeError, match="inside a flow"):
        t.submit(1)


def test_parameters_are_neither_validated_nor_coerced() -> None:
    @task
    def t(x: int) -> Any:
        return x

    assert t("3") == "3"


def test_a_direct_call_with_a_failed_upstream() -> None:
    @task
    def fails() -> None:
        raise ValueError("up")

    @task
    def after(x: Any) -> None:
        pytest.fail("must not run")

    @flow
    def f() -> Any:
        future = fails.submit()
        with pytest.raises(UnfinishedRun, match="did not reach a 'COMPLETED' state"):
            after(future)
        return after(future, return_state=True)

    state = f(return_state=True).data
    assert (state.type, state.name) == ("PENDING", "NotReady")


def counting(fails: int, **options: Any) -> tuple[Task[Any, Any], list[int]]:
    tries: list[int] = []

    @task(**options)
    def t() -> int:
        tries.append(runtime.task_run.run_count)
        if len(tries) <= fails:
            raise ValueError(len(tries))
        return len(tries)

    return t, tries


@pytest.mark.parametrize(
    ("fails", "retries", "tries", "ok"),
    [(0, 0, 1, True), (1, 0, 1, False), (1, 1, 2, True), (2, 1, 2, False), (2, 5, 3, True)],
)
def test_tries(fails: int, retries: int, tries: int, ok: bool) -> None:
    t, seen = counting(fails, retries=retries)
    state = t(return_state=True)
    assert state.is_completed() is ok
    assert seen == list(range(1, tries + 1))


def test_states_between_tries() -> None:
    names: list[str] = []
    subscribe(lambda run, old, new: names.append(new.name))
    t, _ = counting(1, retries=1, retry_delay_seconds=0.01)
    t()
    assert names == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]
    names.clear()
    t, _ = counting(1, retries=1)
    t()
    assert names == ["Pending", "Running", "Retrying", "Completed"]


@pytest.mark.parametrize("value", [Cancelled(), State("CRASHED")])
def test_returned_states_that_are_not_retried(value: State) -> None:
    tries: list[int] = []

    @task(retries=2)
    def t() -> State:
        tries.append(1)
        return value

    assert t(return_state=True).type is value.type
    assert tries == [1]


def test_a_returned_failure_is_retried() -> None:
    tries: list[int] = []

    @task(retries=2)
    def t() -> State:
        tries.append(1)
        return Failed(message="x") if len(tries) < 3 else Completed(data=3)

    assert t() == 3


@pytest.mark.parametrize(("answer", "tries"), [(True, 3), (False, 1), (None, 1)])
def test_retry_conditions(answer: Any, tries: int) -> None:
    seen: list[Any] = []

    def condition(task: Any, run: Any, state: State) -> Any:
        seen.append((task, run.run_count, state.is_failed()))
        return answer

    t, counted = counting(9, retries=2, retry_condition_fn=condition)
    assert t(return_state=True).is_failed()
    assert len(counted) == tries
    assert seen[0] == (t, 1, True)


def test_a_raising_condition_counts_as_false() -> None:
    def condition(task: Any, run: Any, state: State) -> bool:
        raise RuntimeError

    t, counted = counting(9, retries=2, retry_condition_fn=condition)
    t(return_state=True)
    assert len(counted) == 1


def test_an_async_condition() -> None:
    async def condition(task: Any, run: Any, state: State) -> bool:
        await asyncio.sleep(0)
        return True

    t, counted = counting(1, retries=2, retry_condition_fn=condition)
    t()
    assert len(counted) == 2


@pytest.mark.parametrize(
    ("delays", "tries", "want"), [(None, 1, 0), (3, 2, 3), ([1, 2], 1, 1), ([1, 2], 5, 2), ([], 1, 0)]
)
def test_delays(delays: Any, tries: int, want: float) -> None:
    assert delay_of(delays, tries) == want


def test_exponential_backoff_is_evaluated_at_decoration() -> None:
    t = task(retries=3, retry_delay_seconds=exponential_backoff(10))(nothing)
    assert t.retry_delay_seconds == [10, 20, 40]


def test_jitter_stays_in_its_range_around_its_mean() -> None:
    for factor in (0.5, 1.0, 3.0):
        draws = [jittered(10, factor, k / 1000) for k in range(1000)]
        assert min(draws) >= 10 / (1 + factor) - 1e-9
        assert max(draws) <= 10 * (1 + factor) + 1e-9
        assert sum(draws) / len(draws) == pytest.approx(10, rel=0.01)
    assert jittered(0, 3, 0.5) == 0


def test_timeouts_restart_at_each_try() -> None:
    tries: list[int] = []

    @task(timeout_seconds=1, retries=1)
    def t() -> int:
        tries.append(1)
        time.sleep(5 if len(tries) == 1 else 0.5)
        return 3

    assert t() == 3


def test_only_the_engines_own_timeout_is_timed_out() -> None:
    @task(timeout_seconds=5)
    def own() -> None:
        raise TimeoutError("mine")

    @task(timeout_seconds=0.05)
    def late() -> None:
        time.sleep(3)

    assert own(return_state=True).name == "Failed"
    state = late(return_state=True)
    assert (state.name, state.message) == ("TimedOut", "Task run exceeded timeout of 0.05 second(s)")
    with pytest.raises(TaskRunTimeoutError):
        late()


def test_a_worker_in_a_c_call_is_left_behind_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    release, ended = threading.Event(), list[int]()

    @task(timeout_seconds=0.1)
    def stuck() -> str:
        release.wait(60)  # a lock: no bytecode runs meanwhile
        ended.append(1)
        return "late"

    @flow
    def f() -> Any:
        return stuck.submit(return_state=True).name, list(ended)

    found = f()
    release.set()
    assert found == ("TimedOut", [])
    assert "cannot be interrupted" in caplog.text


def test_names_of_runs() -> None:
    @task(task_run_name="load {x}")
    def templated(x: Any) -> Any:
        return runtime.task_run.name

    def namer(parameters: dict[str, Any]) -> str:
        return f"p{parameters['x']}"

    @task(task_run_name=namer)
    def called(x: Any) -> Any:
        return runtime.task_run.name

    @task
    def one() -> int:
        return 1

    @task
    def plain() -> Any:
        return runtime.task_run.name

    @flow
    def f() -> Any:
        return templated(one.submit()), called(2), plain()

    first = f()
    assert first[:2] == ("load 1", "p2")
    assert first[2].startswith("plain-")
    assert f() == first  # derived from the address: equal each time

    def bad() -> Any:
        return 3

    with pytest.raises(TypeError, match="bad"):
        task(task_run_name=bad)(nothing)()
    with pytest.raises(KeyError):
        task(task_run_name="{nope}")(nothing)()


def test_tags_are_united() -> None:
    @task(tags=["own"])
    def t() -> Any:
        return runtime.task_run.tags

    @flow
    def f() -> Any:
        with tags("a"), tags("b"):
            return t(), runtime.flow_run.tags, t.submit().result()

    with tags("outer"):
        inner, of_flow, submitted = f()
    assert inner == submitted == ["a", "b", "outer", "own"]
    assert of_flow == ["outer"]


@task
def numbers(n: int) -> Iterator[int]:
    yield from range(n)
    return "end"  # type: ignore[return-value]


def test_generator_tasks() -> None:
    @flow
    def f() -> Any:
        return list(numbers(3)), numbers.submit(2).result()

    assert f() == ([0, 1, 2], [0, 1])
    with pytest.raises(ValueError, match="return_state"):
        numbers(1, return_state=True)


def test_tasks_nest() -> None:
    @task
    def leaf(x: int) -> int:
        return x + 1

    @task
    def branch(x: int) -> Any:
        return leaf(x) + sum(future.result() for future in leaf.map([1, 2]))

    @flow
    def f() -> Any:
        return branch(1), branch.submit(1).result()

    assert f() == (7, 7)


def test_a_future_that_a_task_returns_is_its_value() -> None:
    @task
    def leaf() -> int:
        return 1

    @task
    def gives() -> Any:
        return leaf.submit()

    @flow
    def f() -> Any:
        return gives().result()

    assert f() == 1


@pytest.mark.parametrize("depth", [4, 33])
def test_nested_submits_end_with_one_worker(depth: int) -> None:
    @task
    def down(n: int) -> Any:
        return 0 if n == 0 else 1 + down.submit(n - 1).result()

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def f() -> Any:
        return down.submit(depth).result()

    assert f() == depth


def test_a_waiting_worker_gives_up_its_slot() -> None:
    tries: list[int] = []

    @task(retries=1, retry_delay_seconds=0.3)
    def waits() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError

    @task
    def quick() -> float:
        return time.monotonic()

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def f() -> Any:
        began = time.monotonic()
        waits.submit()
        return quick.submit().result() - began

    assert f() < 0.25


def test_async_tasks_run_in_a_kept_loop() -> None:
    @task
    async def loop_of() -> Any:
        return id(asyncio.get_running_loop())

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def f() -> Any:
        return [loop_of.submit().result() for _ in range(3)]

    assert len(set(f())) == 1


def by_result(_task: object, _run: object, state: State) -> bool:
    return isinstance(state.result(raise_on_failure=False), ValueError)


async def by_awaited_result(_task: object, _run: object, state: State) -> bool:
    return isinstance(await state.result(raise_on_failure=False), ValueError)


@pytest.mark.parametrize("condition", [by_result, by_awaited_result])
def test_a_condition_of_an_async_task_gets_the_result(condition: Any) -> None:
    """A plain function cannot await: it is given the result; an async one awaits it."""
    tries: list[int] = []
    hooked: list[Any] = []

    @task(retries=1, retry_condition_fn=condition)
    async def work() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError
        return len(tries)

    @flow(on_completion=[lambda flow, run, state: hooked.append(state.result())])
    async def main() -> int:
        return await work()

    assert asyncio.run(main()) == 2
    assert hooked == [2]
