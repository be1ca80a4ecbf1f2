"""Dask: results that die with their workers, where tasks are placed, clients, clusters of one's own."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from penstock import flow, task
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest.importorskip("distributed", reason="dask is not installed: pip install 'penstock[dask]'")


@pytest.fixture
def runner(dask_cluster: Any) -> Callable[[], Any]:
    """On the standing cluster."""
    from penstock_dask import DaskTaskRunner

    return lambda: DaskTaskRunner(address=dask_cluster.scheduler_address)


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
