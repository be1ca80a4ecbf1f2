"""On Dask and on Ray: workers that die, flows that time out, are told to end, or are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from penstock import flow, task
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Runner = Any
LOST = {"dask": "Dask worker tcp://", "ray": "Ray worker was lost (WorkerCrashedError"}


@pytest.mark.parametrize("how", ["exits", "is killed"])
def test_a_lost_worker_is_a_crash_and_a_second_try_elsewhere(
    engine: str, runner: Callable[[], Runner], tmp_path: Path, how: str
) -> None:
    tries = tmp_path / "tries"
    tries.write_text("")

    @task
    def dies() -> int:
        with tries.open("a") as file:
            file.write("x")
        if tries.stat().st_size != 3:
            if how == "exits":
                os._exit(3)
            os.kill(os.getpid(), signal.SIGKILL)
        return 5

    def body() -> Any:
        once = dies.submit()
        once.wait()
        again = dies.with_options(retries=2, name="again").submit()
        return str(once.state), again.result(), again.task_run.run_count, str(again.state)

    crashed, *rest = flow(body, name="f", task_runner=runner())()
    assert crashed.startswith("Crashed(")
    assert LOST[engine] in crashed
    assert "was lost" in crashed
    assert (rest, tries.read_text()) == ([5, 2, "Completed()"], "xxx")  # nothing ran that nobody asked for


def test_a_timeout_of_the_flow_interrupts_its_tasks(engine: str, runner: Callable[[], Runner], tmp_path: Path) -> None:
    began, left = tmp_path / "began", tmp_path / "left"
    nap = 60 if engine == "ray" else 0.02  # on Ray a body is interrupted in a call of C as well

    @task
    def works() -> None:
        began.touch()
        try:
            while True:
                time.sleep(nap)
        finally:
            left.write_text(str(time.time()))

    @flow(task_runner=runner(), timeout_seconds=3)
    def f() -> None:
        [works.submit() for _ in range(3)]
        time.sleep(60)

    state = f(return_state=True)
    ended = time.time()
    assert state.name == "TimedOut"
    assert began.exists()
    eventually(left.exists)
    assert float(eventually(left.read_text)) - ended < 1.0


SCRIPT = """
import sys, time
from pathlib import Path
from penstock import flow, task
folder, engine, address = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
if engine == "dask":
    from penstock_dask import DaskTaskRunner as Runner
else:
    from penstock_ray import RayTaskRunner as Runner

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

@flow(task_runner=Runner(address=address), on_crashed=[crashed])
def f():
    [works.submit(n) for n in range(4)]
    time.sleep(100)

f()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_flows_process_ends_its_work(engine: str, address: str, tmp_path: Path, number: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path), engine, address])
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
        eventually(lambda: (tmp_path / "left-0").exists() and (tmp_path / "left-1").exists())


def _last_sign(folder: Path) -> float:
    """When a task last wrote, once none has written for a second."""
    last = max(float(path.read_text() or "0") for path in folder.glob("alive-*"))
    return last if time.time() - last > 1.0 else 0.0
