"""Dask: workers that die, flows that are cancelled or killed, and where tasks are placed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from penstock import flow, task

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("distributed", reason="dask is not installed: pip install 'penstock[dask]'")
ROOT = str(Path(__file__).resolve().parents[2])


@pytest.fixture
def runner(dask_cluster: Any) -> Callable[[], Any]:
    """On the standing cluster."""
    from penstock_dask import DaskTaskRunner

    return lambda: DaskTaskRunner(address=dask_cluster.scheduler_address)


def eventually(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What the condition gives, once it is true."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.02)
    return found


def test_a_lost_worker_is_a_crash_and_nothing_runs_twice(runner: Callable[[], Any], tmp_path: Path) -> None:
    tries = tmp_path / "tries"

    @task
    def dies() -> None:
        with tries.open("a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)

    def body() -> Any:
        future = dies.submit()
        future.wait()
        return str(future.state)

    state = flow(body, name="f", task_runner=runner())()
    assert state.startswith("Crashed(")
    assert "Dask worker tcp://" in state
    assert "was lost" in state
    assert tries.read_text() == "x"


def test_the_second_try_of_a_lost_run(runner: Callable[[], Any], tmp_path: Path) -> None:
    tries = tmp_path / "tries"

    @task(retries=2)
    def dies_once() -> int:
        with tries.open("a") as file:
            file.write("x")
        if tries.stat().st_size == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return 5

    def body() -> Any:
        future = dies_once.submit()
        return future.result(), future.task_run.run_count, str(future.state)

    assert flow(body, name="f", task_runner=runner())() == (5, 2, "Completed()")
    assert tries.read_text() == "xx"


def test_a_result_lost_with_its_worker_is_not_made_again(
    runner: Callable[[], Any], dask_cluster: Any, tmp_path: Path
) -> None:
    made = tmp_path / "made"

    @task
    def large() -> bytes:
        with made.open("a") as file:
            file.write("x")
        return b"x" * 100_000

    @task
    def pid() -> int:
        return os.getpid()

    @task
    def size(x: bytes) -> int:
        return len(x)

    def body() -> Any:
        future, kept = large.submit(), large.with_options(persist_result=True, name="kept").submit()
        small = pid.submit()
        for each in (future, kept, small):
            each.wait()
        before = set(dask_cluster.scheduler.workers)
        for worker in list(dask_cluster.workers.values()):
            os.kill(worker.pid, signal.SIGKILL)
        eventually(lambda: len(set(dask_cluster.scheduler.workers) - before) == 2)
        lost = size.submit(future)
        lost.wait()
        return str(lost.state), size.submit(kept).result(), len(kept.result()), small.result()

    lost, *rest = flow(body, name="f", task_runner=runner())()
    assert lost.startswith("Crashed(")
    assert "lost with the worker" in lost
    assert rest[:2] == [100_000, 100_000]
    assert made.read_text() == "xx"


def test_a_timeout_of_the_flow_interrupts_its_tasks(runner: Callable[[], Any], tmp_path: Path) -> None:
    left = tmp_path / "left"

    @task
    def works() -> None:
        try:
            while True:
                time.sleep(0.02)
        finally:
            left.write_text(str(time.time()))

    @flow(task_runner=runner(), timeout_seconds=2)
    def f() -> None:
        [works.submit() for _ in range(3)]
        time.sleep(60)

    state = f(return_state=True)
    ended = time.time()
    assert state.name == "TimedOut"
    eventually(left.exists)
    assert float(eventually(left.read_text)) - ended < 1.0


SCRIPT = """
import os, sys, time
from pathlib import Path
from penstock import flow, task
from penstock_dask import DaskTaskRunner
folder = Path(sys.argv[2])

@task
def works(n):
    (folder / f"began-{n}").touch()
    try:
        for _ in range(3000):
            time.sleep(0.02)
    finally:
        (folder / f"left-{n}").touch()

def crashed(flow, run, state):
    (folder / "hook").write_text(state.name)

@flow(task_runner=DaskTaskRunner(address=sys.argv[1]), on_crashed=[crashed])
def f():
    [works.submit(n) for n in range(4)]
    time.sleep(100)

f()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_flows_process_ends_its_work(dask_cluster: Any, tmp_path: Path, number: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, dask_cluster.scheduler_address, str(tmp_path)])
    try:
        eventually(lambda: (tmp_path / "began-0").exists() and (tmp_path / "began-1").exists())
        process.send_signal(number)
        sent = time.monotonic()
        eventually(lambda: (tmp_path / "left-0").exists() and (tmp_path / "left-1").exists())
        took = time.monotonic() - sent
        process.wait(20)
    finally:
        process.kill()
    assert took < 2.0
    assert not (tmp_path / "began-2").exists()
    if number == signal.SIGTERM:
        assert (tmp_path / "hook").read_text() == "Crashed"
    eventually(lambda: not dask_cluster.scheduler.tasks)


def test_resources_say_where_tasks_run(runner: Callable[[], Any], dask_cluster: Any) -> None:
    import dask

    @task
    def name() -> Any:
        from distributed import get_worker

        return get_worker().address

    def body() -> Any:
        first = next(iter(dask_cluster.scheduler.workers))
        with dask.annotate(workers=[first], priority=1):
            return first, [name.submit().result() for _ in range(4)]

    first, names = flow(body, name="f", task_runner=runner())()
    assert names == [first] * 4


def test_clients_inside(runner: Callable[[], Any]) -> None:
    from penstock_dask import PrefectDaskClient, get_dask_client

    def square(x: int) -> int:
        return x * x

    @task
    def inside() -> int:
        with get_dask_client(timeout="20s") as client:
            return sum(client.gather(client.map(square, range(4))))

    @task
    def called(x: int) -> int:
        return x + 1

    def body() -> Any:
        with get_dask_client() as client:
            here = client.submit(square, 7).result()
            with PrefectDaskClient(client.scheduler.address, set_as_default=False) as ours:
                return here, inside.submit().result(), ours.submit(called, 1).result()

    assert flow(body, name="f", task_runner=runner())() == (49, 14, 2)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"address": "a", "cluster_class": "b"}, "Cannot specify `address`"),
        ({"cluster": object(), "cluster_kwargs": {"n": 1}}, "Cannot specify `cluster`"),
        ({"client_kwargs": {"asynchronous": True}}, "cannot set `asynchronous`"),
        ({"cluster_kwargs": {"asynchronous": True}}, "cannot set `asynchronous`"),
    ],
)
def test_arguments_that_contradict(arguments: dict[str, Any], match: str) -> None:
    from penstock_dask import DaskTaskRunner

    with pytest.raises(ValueError, match=match):
        DaskTaskRunner(**arguments)


def test_a_cluster_of_its_own(tmp_path: Path) -> None:
    from penstock_dask import DaskTaskRunner

    own = DaskTaskRunner(
        cluster_class="distributed.LocalCluster",
        cluster_kwargs={"n_workers": 1, "threads_per_worker": 2, "processes": False, "dashboard_address": None},
        adapt_kwargs={"minimum": 1, "maximum": 1},
    )

    @task
    def thread() -> int:
        return threading.get_ident()

    assert threading.get_ident() not in flow(lambda: [thread.submit().result()], name="f", task_runner=own)()
