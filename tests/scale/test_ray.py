"""Ray: options of remote calls, arguments of the runner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from penstock import flow, task
from tests.support.realserver import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("ray", reason="ray is not installed: pip install 'penstock[ray]'")


@pytest.fixture
def runner(ray_cluster: Any) -> Callable[[], Any]:
    """On the standing cluster."""
    from penstock_ray import RayTaskRunner

    return RayTaskRunner


def test_options_of_remote_calls(runner: Callable[[], Any]) -> None:
    from penstock_ray import remote_options

    @task
    def asked() -> Any:
        import ray

        return ray.get_runtime_context().get_assigned_resources().get("CPU")

    def body() -> Any:
        with remote_options(num_cpus=2):
            two = asked.submit()
            with remote_options(num_cpus=0.5):
                half = asked.submit()
        return two.result(), half.result(), asked.submit().result()

    assert flow(body, name="f", task_runner=runner())() == (2.0, 0.5, 1.0)


def test_what_a_task_submits_is_with_ray_a_few_at_a_time(runner: Callable[[], Any]) -> None:
    import ray

    @task
    def inner(number: int) -> tuple[float, float]:
        began = time.time()
        time.sleep(0.05)  # the work: so that those that are there at once overlap
        return began, time.time()

    @task
    def outer() -> list[tuple[float, float]]:
        return [future.result() for future in inner.map(range(10))]

    spans = flow(lambda: outer.submit().result(), name="f", task_runner=runner())()
    assert spans is not None
    at_once = max(sum(began <= moment < ended for began, ended in spans) for moment, _ in spans)
    assert 1 <= at_once <= ray.cluster_resources()["CPU"] == 2


def test_short_tasks_are_heard_of_behind_many_that_wait(runner: Callable[[], Any]) -> None:
    from penstock_ray import remote_options

    @task
    def same(x: int) -> int:
        return x

    class Enough(Exception):  # noqa: N818
        """Leaves the runner."""

    waiting: list[Any] = []

    def left_early() -> None:
        with runner():
            with remote_options(num_gpus=1):  # there are none
                waiting.extend(same.map(range(300)))
            assert same.map(range(30)).result(timeout=30) == list(range(30))
            assert {each.state.name for each in waiting} == {"Pending"}
            raise Enough

    with pytest.raises(Enough):
        left_early()
    assert {each.state.name for each in waiting} == {"Cancelled"}


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"num_returns": 2}, "cannot set `num_returns`"),
        ({"bogus": 1}, "Invalid option keyword bogus"),
        ({"num_cpus": -1}, "num_cpus"),
    ],
)
def test_wrong_options_are_refused_where_they_stand(options: dict[str, Any], match: str) -> None:
    from penstock_ray import remote_options

    with pytest.raises(ValueError, match=match), remote_options(**options):
        pass


BY_CLIENT = """
import sys
from penstock import flow, task
from penstock_ray import RayTaskRunner

@task
def inc(x):
    return x + 1

@task
def large(n):
    return bytes(n)

@flow(task_runner=RayTaskRunner(address=sys.argv[1]))
def f():
    made = large.submit(300_000)
    return sum(inc.map(range(40)).result()), inc.submit(inc.submit(1)).result(), len(made.result())

print(f())
"""


@pytest.mark.timeout(300)
def test_a_cluster_by_its_client_port(ray_cluster: Any) -> None:
    port = free_port()
    address = ray_cluster.address_info["gcs_address"]
    server = subprocess.Popen(
        [sys.executable, "-m", "ray.util.client.server", "--address", address, "--port", str(port), "--mode", "proxy"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        done = subprocess.run(
            [sys.executable, "-c", BY_CLIENT, f"ray://127.0.0.1:{port}"],
            capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    assert done.stdout.splitlines()[-1:] == ["(820, 3, 300000)"], done.stderr[-2000:]


@pytest.mark.parametrize("refused", [2, 3])
def test_a_head_that_could_not_serve_a_client_is_asked_again(refused: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from penstock_ray import RayTaskRunner

    asked: list[tuple[Any, ...]] = []

    def init(*args: Any, **_: Any) -> None:
        asked.append(args)
        if len(asked) <= refused:
            raise ConnectionAbortedError("Initialization failure from server:\nStarting Ray client server failed.\n")

    monkeypatch.setattr(ray, "init", init)
    runner = RayTaskRunner(address="ray://head:10001")
    if refused == 3:
        with pytest.raises(ConnectionAbortedError):
            runner._connect()
    else:
        runner._connect()
    assert asked == [("ray://head:10001",)] * 3


def test_arguments_that_contradict() -> None:
    from penstock_ray import RayTaskRunner

    with pytest.raises(ValueError, match="Cannot specify `address`"):
        RayTaskRunner(address="auto", cluster_kwargs={"n": 1})
