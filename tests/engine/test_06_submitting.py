"""Submit, map, futures, inputs, annotations, runners, and that nothing is dropped."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextvars
import dataclasses
import os
import pickle
import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import cloudpickle
import pydantic
import pytest

from penstock import allow_failure, flow, runtime, tags, task, unmapped
from penstock.context import get_run_context, with_context
from penstock.exceptions import MappingLengthMismatch, MappingMissingIterable, MissingContextError, UnfinishedRun
from penstock.flows import load_flow_from_entrypoint
from penstock.futures import PrefectConcurrentFuture, PrefectFutureList, as_completed, resolve_futures_to_results, wait
from penstock.states import Completed, State
from penstock.task_runners import Call, ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner
from penstock.utilities.annotations import opaque, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@task
def same(x: Any) -> Any:
    return x


@task
def fails(x: Any = None) -> Any:
    raise ValueError("failed")


@task
def add(x: Any, y: Any = 1) -> Any:
    return x + y


def in_flow(body: Callable[[], Any], **options: Any) -> Any:
    options.setdefault("task_runner", ThreadPoolTaskRunner(4))
    return flow(body, **options)()


def in_states(states: Any) -> list[str]:
    return [state.name for state in states]


MAPS: list[tuple[str, Callable[[], Any], Any]] = [
    ("list", lambda: add.map([1, 2]), [2, 3]),
    ("tuple and scalar", lambda: add.map((1, 2), 5), [6, 7]),
    ("zipped", lambda: add.map([1, 2], [10, 20]), [11, 22]),
    ("range", lambda: add.map(range(3)), [1, 2, 3]),
    ("generator", lambda: add.map(i for i in range(3)), [1, 2, 3]),
    ("dict: its keys", lambda: same.map({"a": 1, "b": 2}), ["a", "b"]),
    ("text goes to every child", lambda: add.map(["a", "b"], "x"), ["ax", "bx"]),
    ("unmapped", lambda: add.map([[1], [2]], unmapped([3])), [[1, 3], [2, 3]]),
    ("future of a list", lambda: add.map(same.submit([1, 2])), [2, 3]),
    ("list of futures", lambda: add.map([same.submit(1), same.submit(2)]), [2, 3]),
    ("futures of a map", lambda: add.map(add.map([1, 2])), [3, 4]),
    ("empty", lambda: add.map([]), []),
    ("quote each", lambda: same.map(quote([1, 2])), [1, 2]),
    ("nested", lambda: add.map([[1]], unmapped([2])), [[1, 2]]),
]


@pytest.mark.parametrize(("make", "want"), [row[1:] for row in MAPS], ids=[row[0] for row in MAPS])
def test_maps(make: Callable[[], Any], want: Any) -> None:
    assert in_flow(lambda: make().result()) == want


def test_what_map_refuses() -> None:
    def body() -> None:
        with pytest.raises(MappingLengthMismatch, match="x: 2, y: 3"):
            add.map([1, 2], [1, 2, 3])
        with pytest.raises(MappingMissingIterable):
            add.map(1)
        with pytest.raises(ValueError, match="deferred"):
            add.map([1], deferred=True)

    in_flow(body)
    with pytest.raises(RuntimeError, match="inside a flow"):
        add.map([1])


def test_defaults_are_never_mapped() -> None:
    @task
    def t(x: int, many: list[int] = [1, 2, 3]) -> Any:  # noqa: B006
        return x, len(many)

    assert in_flow(lambda: t.map([1, 2]).result()) == [(1, 3), (2, 3)]


def test_args_and_kwargs_are_mapped_too() -> None:
    @task
    def t(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    assert in_flow(lambda: t.map([1, 2], 3, k=[4, 5]).result()) == [((1, 3), {"k": 4}), ((2, 3), {"k": 5})]


def test_allow_failure_reaches_into_maps_and_collections() -> None:
    def body() -> Any:
        broken = fails.submit()
        mapped = same.map(allow_failure([broken, same.submit(1)])).result()
        inside = same(allow_failure({"a": [broken]}))
        return [type(item).__name__ for item in mapped], type(inside["a"][0]).__name__

    assert in_flow(body) == (["ValueError", "int"], "ValueError")


def test_a_window_holds_so_many_children_at_a_time() -> None:
    alive: list[int] = []
    most: list[int] = []

    def inputs() -> Iterator[int]:
        for number in range(50):
            alive.append(number)
            most.append(len(alive))
            yield number

    @task
    def consume(x: int) -> int:
        return x

    def body() -> int:
        total = 0
        for future in consume.map(inputs(), window=5):
            total += future.result()
            alive.pop()
        return total

    assert in_flow(body) == sum(range(50))
    assert max(most) <= 6


@pytest.mark.parametrize("source", [iter, list, tuple])
def test_a_window_checks_lengths_as_inputs_end(source: Callable[[list[int]], Any]) -> None:
    def body() -> None:
        with pytest.raises(MappingLengthMismatch, match="ended after 2"):
            add.map(source([1, 2]), source([1, 2, 3]), window=2).wait()

    in_flow(body)


@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize(
    "sources", [([1, 2], [3, 4]), (range(2), {3: 0, 4: 0}), ([1, 2], unmapped(5)), (unmapped(5), (1, 2))]
)
def test_children_get_an_element_of_each(sources: Any, window: int | None) -> None:
    @task
    def names(x: int, y: int, *, z: int = 0) -> str:
        return f"{x} {y} {z}"

    columns = [[source.value] * 2 if isinstance(source, unmapped) else list(source) for source in sources]
    wanted = [f"{x} {y} {z}" for x, y, z in zip(*columns, [7, 8], strict=True)]
    assert in_flow(lambda: [future.result() for future in names.map(*sources, z=[7, 8], window=window)]) == wanted


@dataclasses.dataclass
class Data:
    items: Any


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    items: list[Any]


Point = collections.namedtuple("Point", "x y")


class MyList(list[Any]):
    pass


@pytest.mark.parametrize(
    ("wrap", "unwrap"),
    [
        (lambda f: [f], lambda v: v[0]),
        (lambda f: (f,), lambda v: v[0]),
        (lambda f: {"k": [f]}, lambda v: v["k"][0]),
        (lambda f: {f: 1}, lambda v: next(iter(v))),
        (lambda f: {f}, lambda v: next(iter(v))),
        (lambda f: Data([f]), lambda v: v.items[0]),
        (lambda f: Model(items=[f]), lambda v: v.items[0]),
        (lambda f: Point(f, 2), lambda v: v.x),
        (lambda f: MyList([f]), lambda v: v[0] if isinstance(v, MyList) else None),
        (lambda f: [[[[f]]]], lambda v: v[0][0][0][0]),
    ],
)
def test_futures_are_found_at_any_depth(wrap: Any, unwrap: Any) -> None:
    assert in_flow(lambda: unwrap(same(wrap(same.submit(7))))) == 7


def test_collections_without_futures_are_passed_as_the_same_object() -> None:
    for value in ([1, [2]], {"a": 1}, Data([1]), (1, 2), Model(items=[1])):
        assert in_flow(partial(same, value)) is value


def test_cycles_end() -> None:
    cyclic: list[Any] = [1]
    cyclic.append(cyclic)
    assert in_flow(lambda: same(cyclic)) is cyclic


def test_quote_and_opaque() -> None:
    def body() -> Any:
        future = same.submit(1)
        quoted = same(quote(future))
        resolved = same(opaque(future))
        container = same(opaque([future]))
        return quoted is future, resolved, container[0] is future

    assert in_flow(body) == (True, 1, True)


@pytest.mark.parametrize(
    ("state", "plain", "allowed"),
    [
        ("COMPLETED", "value", "value"),
        ("FAILED", "NotReady", "exception"),
        ("CRASHED", "NotReady", "NotReady"),
        ("CANCELLED", "NotReady", "NotReady"),
        ("PAUSED", "NotReady", "NotReady"),
    ],
)
def test_upstream_states(state: str, plain: str, allowed: str) -> None:
    @task
    def ends() -> Any:
        return State(state, data=5 if state == "COMPLETED" else None)

    def kind(result: State) -> str:
        if result.name == "NotReady":
            return "NotReady"
        return "exception" if isinstance(result.data, BaseException) else "value"

    def body() -> Any:
        up = ends.submit()
        return kind(same.submit(up, return_state=True)), kind(same.submit(allow_failure(up), return_state=True))

    assert in_flow(body) == (plain, allowed)


def test_not_ready_cascades_and_is_the_end() -> None:
    def body() -> Any:
        broken = fails.submit()
        second = same.submit(broken)
        third = same.submit(second)
        third.wait()
        with pytest.raises(UnfinishedRun):
            third.result()
        none = same.submit(allow_failure(second)).result()
        return third.state.name, third.state.message, none, second.task_run_id

    name, message, none, run_id = in_flow(body)
    assert (name, none) == ("NotReady", None)
    assert message == f"Upstream task run '{run_id}' did not reach a 'COMPLETED' state."


def test_wait_for_orders() -> None:
    order: list[str] = []

    @task
    def first() -> None:
        time.sleep(0.1)
        order.append("first")

    @task
    def second() -> None:
        order.append("second")

    in_flow(lambda: second.submit(wait_for=[first.submit()]).wait())
    assert order == ["first", "second"]


def test_results_of_futures() -> None:
    release = threading.Event()

    @task
    def held() -> int:
        release.wait(5)
        return 3

    def body() -> Any:
        future = held.submit()
        with pytest.raises(TimeoutError, match="did not complete"):
            future.result(timeout=0.01)
        for call in (future.result, future.wait):
            with pytest.raises(ValueError, match="0 or more"):
                call(timeout=-1)
        with pytest.raises(ValueError, match="not finished"):
            pickle.dumps(future)
        done, left = wait([future], timeout=0.01)
        assert (len(done), len(left)) == (0, 1)
        release.set()
        assert future.result() == 3
        assert future.result(timeout=0) == 3
        assert pickle.loads(pickle.dumps(future)).result() == 3
        broken = fails.submit()
        assert isinstance(broken.result(raise_on_failure=False), ValueError)
        return future.state.is_completed()

    assert in_flow(body)


def test_lists_fail_fast_and_never_mask_a_tasks_own_timeout() -> None:
    release = threading.Event()

    @task
    def held() -> None:
        release.wait(5)

    @task
    def times_out() -> None:
        raise TimeoutError("the task's own")

    def body() -> None:
        futures = PrefectFutureList([held.submit(), times_out.submit()])
        with pytest.raises(TimeoutError, match="the task's own"):
            futures.result(timeout=5)
        with pytest.raises(TimeoutError, match="unfinished"):
            PrefectFutureList([futures[0]]).result(timeout=0.01)
        release.set()

    in_flow(body)


def test_as_completed() -> None:
    release = threading.Event()

    @task
    def held() -> str:
        release.wait(5)
        return "slow"

    def body() -> Any:
        slow, quick = held.submit(), same.submit("quick")
        quick.wait()
        seen: list[Any] = []
        with pytest.raises(TimeoutError, match=r"1 \(of 2\) futures unfinished"):
            seen.extend(future.result() for future in as_completed([slow, quick, quick], timeout=0))
        with pytest.raises(ValueError, match="0 or more"):
            as_completed([slow], timeout=-1)
        release.set()
        return seen, [future.result() for future in as_completed([slow, quick])]

    seen, everything = in_flow(body)
    assert seen == ["quick"]
    assert set(everything) == {"quick", "slow"}


def test_callbacks_and_foreign_futures() -> None:
    wrapped: concurrent.futures.Future[Any] = concurrent.futures.Future()
    future: PrefectConcurrentFuture[Any] = PrefectConcurrentFuture(None, wrapped)
    future.wait(timeout=0.01)
    assert future.state.is_pending()
    called: list[Any] = []
    future.add_done_callback(called.append)
    wrapped.set_result(Completed(data=42))
    assert future.result() == 42
    future.add_done_callback(called.append)
    assert called == [future, future]
    assert resolve_futures_to_results({"a": [future]}) == {"a": [42]}


def test_futures_can_be_awaited() -> None:
    @flow
    async def f() -> Any:
        return await same.submit(3)

    assert asyncio.run(f()) == 3


def test_the_pool_is_bounded_and_ready_tasks_are_first_in_first_out() -> None:
    running: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    @task
    def t(x: int) -> int:
        with lock:
            running.append(1)
            most.append(len(running))
        time.sleep(0.005)
        with lock:
            running.pop()
        return x

    in_flow(lambda: t.map(range(30)).result(), task_runner=ThreadPoolTaskRunner(3))
    assert max(most) <= 3


def test_a_task_that_waits_for_upstreams_holds_no_worker() -> None:
    release = threading.Event()

    @task
    def held() -> None:
        release.wait(5)

    def body() -> Any:
        blocked = held.submit()
        waiting = [same.submit(1, wait_for=[blocked]) for _ in range(5)]
        quick = same.submit("free").result(timeout=2)
        release.set()
        return quick, [future.result() for future in waiting]

    assert in_flow(body, task_runner=ThreadPoolTaskRunner(2)) == ("free", [1] * 5)


def test_everything_submitted_runs_also_when_the_body_raises() -> None:
    ran: list[int] = []

    @task
    def t(x: int) -> None:
        time.sleep(0.01)
        ran.append(x)

    def body() -> None:
        t.map(range(12))
        raise ValueError("body")

    with pytest.raises(ValueError, match="body"):
        in_flow(body, task_runner=ThreadPoolTaskRunner(2))
    assert len(ran) == 12


def test_overlooked_failures_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    def body() -> int:
        fails.map([1, 2, 3])
        fails.submit().wait()
        return 1

    assert in_flow(body) == 1
    assert "4 of 'fails'" in caplog.text
    caplog.clear()

    def looks() -> int:
        fails.submit(return_state=True)
        return 1

    in_flow(looks)
    assert "nobody looked" not in caplog.text


variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)


def test_context_is_copied_at_submit() -> None:
    @task
    def t() -> Any:
        return variable.get(), runtime.task_run.tags, runtime.flow_run.flow_name

    def body() -> Any:
        variable.set(5)
        with tags("a"):
            return t.submit().result()

    assert in_flow(body) == (5, ["a"], "body")


def test_own_threads() -> None:
    @task
    def where() -> Any:
        return runtime.flow_run.flow_name

    found: list[Any] = []

    def bare() -> None:
        with pytest.raises(MissingContextError):
            get_run_context()

    def body() -> None:
        inside = with_context(lambda: found.append(where()))
        for target in (bare, inside):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()

    in_flow(body)
    assert found == ["body"]


def test_an_entered_runner_serves_outside_flows() -> None:
    with ThreadPoolTaskRunner(2):
        assert same.submit(3).result() == 3
        assert add.map([1, 2]).result() == [2, 3]


class OneThread(TaskRunner):
    """The smallest runner there is."""

    def start(self) -> None:
        self.executor = concurrent.futures.ThreadPoolExecutor(1)
        self.seen: list[str] = []

    def run(self, call: Call) -> Any:
        SEEN.append((call.address, call.task.name, call.tags))
        return self.executor.submit(call)

    def stop(self, cancel: bool) -> None:
        self.executor.shutdown()


SEEN: list[Any] = []


def test_a_runner_of_ones_own() -> None:
    SEEN.clear()
    assert in_flow(lambda: add.map([1, 2]).result(), task_runner=OneThread()) == [2, 3]
    assert SEEN[0] == ("add:0[0]", "add", set())
    with pytest.raises(RuntimeError, match="not started"):
        OneThread().submit(same, {"x": 1})


@task
def pid(x: Any = None) -> Any:
    return os.getpid(), runtime.flow_run.flow_name, runtime.task_run.tags, len(x) if x is not None else 0


@task
def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@task(retries=1)
def raises_there() -> None:
    raise ValueError("over there")


def test_the_process_pool() -> None:
    def body() -> Any:
        with tags("t"):
            large = pid.submit("x" * (2 << 20))
            of_future = same.submit(same.submit([1]))
        dead = dies.submit()
        broken = raises_there.submit()
        odd = raises_oddly.submit()
        with ThreadPoolTaskRunner():
            beside = same.submit(of_future).result(), same.submit(large).result()[3]
        assert beside == ([1], 2 << 20)
        assert same.submit(same.submit(5)).result() == 5
        return (
            large.result(),
            of_future.result(),
            dead.state if dead.wait() is None else None,
            broken.result(raise_on_failure=False),
            odd.state if odd.wait() is None else None,
        )

    class Odd(Exception):  # noqa: N818
        """Cannot be unpickled as it is, and holds what cannot be pickled."""

        def __init__(self, first: int, second: int) -> None:
            super().__init__(f"odd {first} {second}")
            self.lock = threading.Lock()
            self.first = first

    @task(retries=1)
    def raises_oddly() -> None:
        raise Odd(1, 2)

    (other, name, seen, size), of_future, dead, error, odd = in_flow(body, task_runner=ProcessPoolTaskRunner(2))
    assert (odd.type.value, odd.message) == ("FAILED", "Task run encountered an exception Odd: odd 1 2")
    assert isinstance(odd.data, Odd)
    assert (str(odd.data), odd.data.first, hasattr(odd.data, "lock")) == ("odd 1 2", 1, False)
    assert f'File "{__file__}", line' in str(odd.data.__cause__)
    assert "in raises_oddly\n    raise Odd(1, 2)" in str(odd.data.__cause__)
    assert other != os.getpid()
    assert (name, seen, size, of_future) == ("body", ["t"], 2 << 20, [1])
    assert dead.is_crashed()
    assert "process ended with signal 9" in str(dead.data)
    assert isinstance(error, ValueError)


LOADED = """
from dataclasses import dataclass
from penstock import flow, task
from penstock.task_runners import ProcessPoolTaskRunner

@dataclass
class Point:
    x: int

def helper(x):
    return Point(x)

@task
def makes(x):
    return helper(x)

@flow(task_runner=ProcessPoolTaskRunner(1))
def points():
    found = makes.submit(3).result()
    return found == Point(3)
"""


def test_code_of_a_file_goes_with_its_tasks(tmp_path: Path) -> None:
    (tmp_path / "no-name.py").write_text(LOADED)
    assert load_flow_from_entrypoint(f"{tmp_path / 'no-name.py'}:points")() is True
    assert cloudpickle.list_registry_pickle_by_value() == set()


def test_inputs_are_released_when_the_run_is_over() -> None:
    import gc
    import weakref

    class Big:
        pass

    def body() -> Any:
        big = Big()
        gone = weakref.ref(big)
        future = same.with_options(name="s").submit([big], return_state=False)
        future.wait()
        held = future.result()
        del held, big
        future.state.data = None
        gc.collect()
        return gone()

    assert in_flow(body) is None


@pytest.mark.parametrize(
    "wanted",
    [lambda future: future, lambda future: [future], lambda future: {future}, lambda future: (f for f in [future]), lambda future: 5],
    ids=["a future", "a list", "a set", "a generator", "nothing that can be waited for"],
)  # fmt: skip
def test_what_wait_for_may_be(wanted: Any) -> None:
    order: list[str] = []

    @task
    def first() -> None:
        order.append("first")

    @task
    def second() -> None:
        order.append("second")

    @flow
    def f() -> None:
        future = first.submit()
        second.submit(wait_for=wanted(future)).wait()
        second(wait_for=wanted(future))

    f()
    assert sorted(order) == ["first", "second", "second"]


def test_a_generator_of_upstreams_holds_back_every_child_of_a_map() -> None:
    @task
    def fails() -> None:
        raise ValueError

    @task
    def t(x: int) -> int:
        return x

    @flow
    def f() -> list[str]:
        future = fails.submit()
        futures = t.map([1, 2], wait_for=(each for each in [future]))
        futures.wait()
        return [each.state.name for each in futures]

    assert f() == ["NotReady", "NotReady"]
