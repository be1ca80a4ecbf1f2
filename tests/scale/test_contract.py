"""What a task run is on a worker of Dask or Ray: the same as in a thread of the flow."""

from __future__ import annotations

import logging
import os
import pickle
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from penstock import flow, get_run_logger, runtime, tags, task, unmapped
from penstock.cache_policies import INPUTS
from penstock.futures import as_completed, wait
from penstock.observers import subscribe
from penstock.pod.loading import load, use_folder
from penstock.runners.forms import versions
from penstock.states import Completed
from penstock.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner
from penstock.transactions import transaction
from penstock.utilities.annotations import allow_failure

if TYPE_CHECKING:
    from collections.abc import Callable

Runner = Any


@task
def inc(x: int) -> int:
    return x + 1


@task
def pid(*_: Any) -> int:
    return os.getpid()


@task
def fails(text: str = "over there") -> None:
    raise ValueError(text)


def in_flow(runner: Callable[[], Runner], body: Callable[[], Any], **options: Any) -> Any:
    """Run a body as a flow on the runner."""
    return flow(body, name="body", task_runner=runner(), **options)()


def test_calls_maps_and_futures(runner: Callable[[], Runner]) -> None:
    @task
    async def later(x: int) -> int:
        return x * 10

    @task
    def three() -> Any:
        yield from (1, 2, 3)

    def body() -> Any:
        upstream = inc.submit(1)
        mapped = inc.map([upstream, 5, 6])
        held = inc.submit(fails.submit())
        done = list(as_completed([*mapped, upstream]))
        allowed = pid.submit(allow_failure(fails.submit()))
        ordered = pid.submit(wait_for=[mapped])
        wait([held, allowed, ordered])
        return (
            mapped.result(), len(done), held.state.name, allowed.state.name, ordered.result() != os.getpid(),
            later.submit(4).result(), three.submit().result(), upstream.result(), inc.submit(Completed(data=4)).result(),
        )  # fmt: skip

    assert in_flow(runner, body) == ([3, 6, 7], 4, "NotReady", "Completed", True, 40, [1, 2, 3], 2, 5)


def test_context_lines_and_prints_arrive_in_order(
    runner: Callable[[], Runner], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    @task(log_prints=True, tags={"own"}, task_run_name="told-{x}", retries=1)
    def tells(x: int) -> Any:
        print("printed", x)
        get_run_logger().warning("logged %s", x)
        if runtime.task_run.run_count == 1:
            raise ValueError("again")
        run = runtime.task_run
        return run.name, sorted(run.tags), run.parameters, runtime.flow_run.name, runtime.flow_run.parameters

    @task
    def prints() -> None:
        print("plainly", end="!\n")

    seen: list[str] = []
    subscribe(lambda run, old, new: seen.append(new.name) if run.definition.name == "tells" else None, "task")

    @flow(task_runner=runner(), flow_run_name="outer")
    def f(n: int) -> Any:
        prints.submit().wait()
        with tags("around"):
            return tells.submit(n).result()

    with caplog.at_level(logging.INFO, logger="penstock"):
        assert f(7) == ("told-7", ["around", "own"], {"x": 7}, "outer", {"n": 7})
    assert seen == ["Pending", "Running", "Retrying", "Completed"]
    lines = [r.getMessage() for r in caplog.records if getattr(r, "task_name", "") == "tells"]
    assert [line.split(" - ")[0].split(" (")[0] for line in lines] == [
        "printed 7", "logged 7", "Task run failed with exception: ValueError('again')", "printed 7", "logged 7",
        "Finished in state Completed()",
    ]  # fmt: skip
    assert "plainly!\n" in capsys.readouterr().out


def test_lines_of_a_running_task_arrive_while_it_runs(runner: Callable[[], Runner], tmp_path: Path) -> None:
    told, go = tmp_path / "told", tmp_path / "go"
    seen: list[str] = []

    def observe(run: Any, old: Any, new: Any) -> None:
        seen.append(new.name)
        if new.is_running():
            go.touch()

    subscribe(observe, "task")

    @task
    def waits() -> bool:
        get_run_logger().info("on the way")
        until = time.monotonic() + 30
        while not go.exists() and time.monotonic() < until:
            time.sleep(0.05)
        told.touch()
        return go.exists()

    assert flow(lambda: waits.submit().result(), name="f", task_runner=runner())() is True
    assert seen == ["Pending", "Running", "Completed"]


def test_failures_and_hooks(runner: Callable[[], Runner], tmp_path: Path) -> None:
    where = str(tmp_path / "hooks")

    def note(task: Any, run: Any, state: Any) -> None:
        with Path(where).open("a") as file:
            file.write(f"{state.name} ")

    @task(on_failure=[note], timeout_seconds=0.3)
    def slow() -> None:
        for _ in range(100):
            time.sleep(0.05)

    def body() -> Any:
        broken, late = fails.submit("text"), slow.submit()
        return broken.result(raise_on_failure=False), late.result(raise_on_failure=False), late.state.name

    error, late, name = in_flow(runner, body)
    assert isinstance(error, ValueError)
    assert "in fails" in str(error.__cause__)
    assert (isinstance(late, TimeoutError), name, Path(where).read_text()) == (True, "TimedOut", "TimedOut ")


class Counted:
    """Tells in which process it was unpickled."""

    def __init__(self, size: int) -> None:
        self.payload = os.urandom(size)
        self.travelled: list[int] = []

    def __getstate__(self) -> Any:
        return {"payload": self.payload, "travelled": self.travelled}

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)
        self.travelled = [*self.travelled, os.getpid()]


def test_results_go_from_worker_to_worker(runner: Callable[[], Runner]) -> None:
    @task
    def makes() -> Counted:
        return Counted(300_000)

    @task
    def looks(it: Any) -> Any:
        it = it["in"][0] if isinstance(it, dict) else it
        return len(it.payload), it.travelled

    def body() -> Any:
        made = makes.submit()
        seen = [looks.submit(made).result(), looks.submit({"in": [made]}).result()]
        return seen, made.result()

    seen, value = in_flow(runner, body)
    assert [size for size, _ in seen] == [300_000, 300_000]
    assert not any(os.getpid() in travelled for _, travelled in seen)
    assert len(value.payload) == 300_000


def test_results_are_there_when_the_cluster_is_not(runner: Callable[[], Runner]) -> None:
    @task
    def large() -> bytes:
        return b"x" * 300_000

    states = flow(lambda: [large.submit(), inc.submit(1)], name="f", task_runner=runner())(return_state=True).data
    assert [len(states[0].result()), states[1].result()] == [300_000, 2]


def test_a_large_argument_is_sent_once(runner: Callable[[], Runner]) -> None:
    pickles: list[int] = []

    class Large:
        def __init__(self) -> None:
            self.payload = b"x" * 500_000

        def __reduce__(self) -> Any:
            pickles.append(1)
            return bytes, (self.payload,)

    @task
    def measure(x: bytes, n: int) -> int:
        return len(x) + n

    large = Large()
    assert in_flow(runner, lambda: measure.map(unmapped(large), range(20)).result()) == [500_000 + n for n in range(20)]
    assert sum(pickles) <= 3


def test_results_are_cached_and_transactions_hold(runner: Callable[[], Runner], tmp_path: Path) -> None:
    calls = tmp_path / "calls"

    @task(cache_policy=INPUTS, persist_result=True)
    def counted(x: int) -> int:
        with calls.open("a") as file:
            file.write("x")
        return x

    @task
    def staged(x: int) -> int:
        return x

    @staged.on_rollback
    def undo(txn: Any) -> None:
        (tmp_path / "undone").write_text("yes")

    @staged.on_commit
    def commit(txn: Any) -> None:
        (tmp_path / "committed").write_text("yes")

    def raises_after_staging() -> None:
        with transaction():
            staged.submit(1).wait()
            assert not (tmp_path / "committed").exists()
            raise RuntimeError("undo")

    def body() -> Any:
        first, again = counted.submit(1), None
        first.wait()
        again = counted.submit(1)
        with pytest.raises(RuntimeError, match="undo"):
            raises_after_staging()
        with transaction():
            staged.submit(2).wait()
        return first.result(), again.result(), again.state.name

    assert in_flow(runner, body) == (1, 1, "Cached")
    assert calls.read_text() == "x"
    assert (tmp_path / "undone").exists()
    assert (tmp_path / "committed").exists()


def test_async_flows_and_tasks_that_submit(runner: Callable[[], Runner]) -> None:
    @task
    def nested(x: int) -> int:
        return sum(inc.map(range(x)).result())

    @flow(task_runner=runner())
    async def f() -> Any:
        future = inc.submit(1)
        return await future, nested.submit(2).result()

    import asyncio

    assert asyncio.run(f()) == (2, 3)


def test_what_cannot_be_sent(runner: Callable[[], Runner]) -> None:
    @task
    def lock() -> Any:
        import threading

        return threading.Lock()

    def body() -> Any:
        out = pid.submit(x for x in [1])
        back = lock.submit()
        wait([out, back])
        return str(out.state), str(back.state)

    out, back = in_flow(runner, body)
    assert out.startswith("Crashed(")
    assert "generator" in out
    assert back.startswith("Failed(")
    assert "of type lock cannot be sent back" in back


def test_a_worker_of_another_version_is_refused(runner: Callable[[], Runner], monkeypatch: pytest.MonkeyPatch) -> None:
    from penstock.runners import packing

    monkeypatch.setattr(packing, "versions", lambda: "Python 3.8, Penstock 0.0.1")

    def body() -> Any:
        future = inc.submit(1)
        future.wait()
        return str(future.state)

    state = in_flow(runner, body)
    assert state.startswith("Crashed(")
    assert "the flow has Python 3.8, Penstock 0.0.1" in state
    assert f"has {versions()};" in state


def test_runners_are_values(runner: Callable[[], Runner]) -> None:
    one = runner()
    assert one == one.duplicate() == pickle.loads(pickle.dumps(one))
    with pytest.raises(RuntimeError, match="not started"):
        one.submit(inc, {"x": 1})
    with runner() as started:
        assert started.submit(inc, {"x": 1}).result() == 2


class Odd(Exception):  # noqa: N818
    """Cannot be unpickled as it is, and holds what cannot be pickled."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"odd {first} {second}")
        self.lock = threading.Lock()


def test_exceptions_keep_their_class_and_their_traceback(runner: Callable[[], Runner]) -> None:
    @task(retries=1)
    def raises() -> int:
        time.sleep(0.3)  # long enough that its first failure is told before its end
        if runtime.task_run.run_count == 1:
            raise Odd(1, 2)
        return 7

    @task
    def large_and_held() -> Any:
        return [b"x" * 100_000, threading.Lock()]

    def body() -> Any:
        good, bad = raises.submit(), raises.with_options(retries=0, name="bad").submit()
        held = pid.submit(large_and_held.submit())
        wait([good, bad, held])
        return good.result(), bad.state

    value, state = in_flow(runner, body)
    assert value == 7
    assert (type(state.data).__name__, str(state.data)) == ("Odd", "odd 1 2")
    assert f'File "{__file__}", line' in str(state.data.__cause__)
    assert "raise Odd(1, 2)" in str(state.data.__cause__)


def test_futures_of_another_runner_are_inputs_as_values(runner: Callable[[], Runner]) -> None:
    def body() -> Any:
        here = inc.submit(1)
        with ProcessPoolTaskRunner(max_workers=1):
            there = inc.submit(here)
            with ThreadPoolTaskRunner():
                beside = inc.submit(there)
        return inc.submit(there).result(), inc.map([here, beside]).result()

    assert in_flow(runner, body) == (4, [3, 5])
    again = runner()
    with again:
        before = inc.submit(1)
    with again:  # connected anew: what was elsewhere then is not there now
        assert inc.submit(before).result() == 3


MODULE = """
from dataclasses import dataclass
from penstock import flow, task
import beside

@dataclass
class Point:
    x: int

def helper(x):
    return Point(beside.twice(x))

@task
def makes(x):
    return helper(x)

@task
def reads(point):
    return point.x + 1

@flow
def points():
    made = makes.submit(3)
    return made.result() == Point(6), reads.submit(made).result()
"""


def test_workers_need_no_file_of_the_flows_source_folder(
    runner: Callable[[], Runner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "beside.py").write_text("def twice(x):\n    return 2 * x\n")
    (source / "points.py").write_text(MODULE)
    before = dict(os.environ), list(sys.path)
    try:
        use_folder(str(source))
        loaded = load("points.py:points", str(source), None)
        source.rename(tmp_path / "elsewhere")  # as for a worker in another pod
        assert loaded.with_options(task_runner=runner())() == (True, 7)
    finally:
        os.environ.clear()
        os.environ.update(before[0])
        sys.path[:] = before[1]
        for name in ("points", "beside"):
            sys.modules.pop(name, None)
