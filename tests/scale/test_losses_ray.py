"""Ray: workers that die, flows that are cancelled or killed, options of remote calls."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from penstock import flow, get_run_logger, task
from penstock.observers import subscribe

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("ray", reason="ray is not installed: pip install 'penstock[ray]'")


@pytest.fixture
def runner(ray_cluster: Any) -> Callable[[], Any]:
    """On the standing cluster."""
    from penstock_ray import RayTaskRunner

    return RayTaskRunner


def eventually(condition: Callable[[], Any], seconds: float = 40.0) -> Any:
    """What the condition gives, once it is true."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.02)
    return found


def test_a_lost_worker_is_a_crash_and_a_second_try_elsewhere(runner: Callable[[], Any], tmp_path: Path) -> None:
    tries = tmp_path / "tries"
    tries.write_text("")

    @task
    def dies() -> int:
        with tries.open("a") as file:
            file.write("x")
        if tries.stat().st_size != 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return 5

    def body() -> Any:
        once, again = dies.submit(), None
        once.wait()
        again = dies.with_options(retries=1, name="again").submit()
        return str(once.state), again.result(), again.task_run.run_count

    crashed, value, count = flow(body, name="f", task_runner=runner())()
    assert crashed.startswith("Crashed(")
    assert "Ray worker was lost (WorkerCrashedError" in crashed
    assert (value, count, tries.read_text()) == (5, 2, "xxx")


def test_a_timeout_of_the_flow_interrupts_its_tasks(runner: Callable[[], Any], tmp_path: Path) -> None:
    left = tmp_path / "left"

    @task
    def sleeps() -> None:
        try:
            time.sleep(60)
        finally:
            left.write_text(str(time.time()))

    @flow(task_runner=runner(), timeout_seconds=4)
    def f() -> None:
        [sleeps.submit() for _ in range(3)]
        time.sleep(60)

    state = f(return_state=True)
    ended = time.time()
    assert state.name == "TimedOut"
    eventually(left.exists)
    assert float(eventually(left.read_text)) - ended < 1.0


def test_lines_of_a_running_task_arrive_while_it_runs(runner: Callable[[], Any], tmp_path: Path) -> None:
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


SCRIPT = """
import sys, time
from pathlib import Path
from penstock import flow, task
from penstock_ray import RayTaskRunner
folder = Path(sys.argv[1])

@task
def works(n):
    (folder / f"began-{n}").touch()
    try:
        while True:
            (folder / f"alive-{n}").write_text(str(time.time()))
            time.sleep(0.05)
    finally:
        (folder / f"left-{n}").touch()

def crashed(flow, run, state):
    (folder / "hook").write_text(state.name)

@flow(task_runner=RayTaskRunner(address=sys.argv[2]), on_crashed=[crashed])
def f():
    [works.submit(n) for n in range(4)]
    time.sleep(100)

f()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_flows_process_ends_its_work(ray_cluster: Any, tmp_path: Path, number: int) -> None:
    address = ray_cluster.address_info["gcs_address"]
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path), address])
    try:
        eventually(lambda: (tmp_path / "began-0").exists() and (tmp_path / "began-1").exists())
        process.send_signal(number)
        sent = time.time()
        process.wait(20)
        last = eventually(lambda: _last_sign(tmp_path))
    finally:
        process.kill()
    assert last - sent < 2.0
    assert not (tmp_path / "began-2").exists()
    if number == signal.SIGTERM:
        assert (tmp_path / "hook").read_text() == "Crashed"
        assert (tmp_path / "left-0").exists()


def _last_sign(folder: Path) -> float:
    """When a task last wrote, once none has written for a second."""
    texts = [path.read_text() for path in folder.glob("alive-*")]
    last = max(float(text or "0") for text in texts)
    return last if time.time() - last > 1.0 else 0.0


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


def test_arguments_that_contradict() -> None:
    from penstock_ray import RayTaskRunner

    with pytest.raises(ValueError, match="Cannot specify `address`"):
        RayTaskRunner(address="auto", cluster_kwargs={"n": 1})
