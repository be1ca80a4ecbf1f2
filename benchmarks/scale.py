"""1,000 tasks that do nothing, by `map`, on two workers of Dask and of Ray: beside the bare engine, in one run.

    python -m benchmarks engine scale

The rounds of the sides alternate on the same workers; the goal is about the ratio of each round to the bare round before it.
Where Prefect's runners are installed in an environment of their own, name its interpreter in `PREFECT_SCALE`; it is measured
with 100 tasks a round, in its own process.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from penstock import flow, task

from .measure import Figure

TASKS = 1000
ROUNDS = 7
PREFECT_TASKS, PREFECT_ROUNDS, PREFECT_SECONDS = 100, 3, 600
Round = Callable[[], float]


@task
def noop(number: int) -> int:
    return number


def bare(number: int) -> int:
    return number


def timed(runner: Any) -> Round:
    """A round of ours: the map alone, in a flow whose runner is connected."""

    @flow(task_runner=runner)
    def measured() -> float:
        noop.submit(0).result()
        began = time.perf_counter()
        noop.map(range(TASKS)).result()
        return time.perf_counter() - began

    return measured


@contextlib.contextmanager
def dask_sides() -> Iterator[tuple[Round, Round]]:
    """The bare round and ours, on one cluster."""
    from distributed import Client, LocalCluster

    from penstock_dask import DaskTaskRunner

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):

        def alone() -> float:
            began = time.perf_counter()
            client.gather(client.map(bare, range(TASKS), pure=False))
            return time.perf_counter() - began

        yield alone, timed(DaskTaskRunner(address=cluster.scheduler_address))


@contextlib.contextmanager
def ray_sides() -> Iterator[tuple[Round, Round]]:
    """The bare round and ours, on one instance."""
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    import ray

    from penstock_ray import RayTaskRunner

    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=150_000_000,
        log_to_driver=False,
        configure_logging=False,
    )
    remote = ray.remote(bare)

    def alone() -> float:
        began = time.perf_counter()
        ray.get([remote.remote(number) for number in range(TASKS)])
        return time.perf_counter() - began

    try:
        yield alone, timed(RayTaskRunner())
    finally:
        ray.shutdown()


SIDES = {"dask": ("distributed", dask_sides, 1.5), "ray": ("ray", ray_sides, 1.8)}

PREFECT = """
import json, sys, time
from prefect import flow, task

@task
def noop(number):
    return number

def runner(engine):
    if engine == "dask":
        from prefect_dask import DaskTaskRunner
        return DaskTaskRunner(cluster_kwargs=dict(n_workers=2, threads_per_worker=1, dashboard_address=None))
    from prefect_ray import RayTaskRunner
    return RayTaskRunner(init_kwargs=dict(num_cpus=2, include_dashboard=False, object_store_memory=150_000_000))

def main(engine, count, rounds):
    @flow(task_runner=runner(engine))
    def measured():
        noop.submit(0).result()
        took = []
        for _ in range(rounds):
            began = time.perf_counter()
            noop.map(range(count)).result()
            took.append(time.perf_counter() - began)
        return took
    print("TOOK", json.dumps(measured()), flush=True)

if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
"""


def prefect(engine: str) -> tuple[float, ...]:
    """Milliseconds a task by Prefect's runner, in each round; none where it is not there, or does not work."""
    python = os.environ.get("PREFECT_SCALE")
    if not python:
        sys.stderr.write(f"prefect-{engine} is not measured: name an interpreter that has it in PREFECT_SCALE\n")
        return ()
    with tempfile.TemporaryDirectory(prefix="penstock-prefect-") as home:
        script = Path(home) / "measured.py"
        script.write_text(PREFECT)
        quiet = {
            "PREFECT_HOME": home, "PREFECT_LOGGING_LEVEL": "WARNING", "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # beside Ray's processes it takes longer than its own 20
        }  # fmt: skip
        command = [python, str(script), engine, str(PREFECT_TASKS), str(PREFECT_ROUNDS)]
        # In a session of its own: what it leaves behind, a server and workers, ends with it.
        process = subprocess.Popen(
            command, env={**os.environ, **quiet}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        try:
            out, err = process.communicate(timeout=PREFECT_SECONDS)
        except subprocess.TimeoutExpired:
            out, err = "", f"it was not done within {PREFECT_SECONDS} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    told = [line for line in out.splitlines() if line.startswith("TOOK ")]
    if not told:
        sys.stderr.write(f"Prefect's runner on {engine} could not be measured: {err.strip()[-500:]}\n")
        return ()
    return tuple(seconds / PREFECT_TASKS * 1000 for seconds in json.loads(told[-1].removeprefix("TOOK ")))


def figures() -> list[Figure]:
    """Both engines, as far as they are installed."""
    logging.getLogger("penstock").setLevel("WARNING")
    found: list[Figure] = []
    for engine, (package, sides, goal) in SIDES.items():
        if importlib.util.find_spec(package) is None:
            sys.stderr.write(f"{engine} is not measured: pip install 'penstock[{engine}]'\n")
            continue
        rounds: list[tuple[float, float]] = []
        with sides() as (alone, ours):
            alone(), ours()
            for number in range(ROUNDS):
                # Who goes first alternates, too.
                pair = (alone(), ours()) if number % 2 == 0 else (ours(), alone())[::-1]
                rounds.append(pair)
        found += [
            Figure(f"scale {engine}: to the bare engine", "ratio", goal, tuple(own / other for other, own in rounds)),
            Figure(f"scale {engine}: ours, a task", "ms", None, tuple(own / TASKS * 1000 for _, own in rounds)),
            Figure(f"scale {engine}: bare, a task", "ms", None, tuple(other / TASKS * 1000 for other, _ in rounds)),
        ]
        if theirs := prefect(engine):
            median = statistics.median(theirs)
            found += [
                Figure(f"scale {engine}: prefect-{engine}, a task", "ms", None, theirs),
                Figure(
                    f"scale {engine}: ours to prefect-{engine}", "ratio", None,
                    tuple(own / TASKS * 1000 / median for _, own in rounds),
                ),
            ]  # fmt: skip
    return found
