"""Run rows in fresh processes, all sides in turn: this build, builds of other revisions, Prefect.

Neighbours: `table` names the rows; `rows/_lib.py` is what their scripts share.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .table import Row

HERE = Path(__file__).parents[2]
SERVER_PORT = 14200


class RowError(Exception):
    """A scenario did not come to its end."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of those that are compared.

    Attributes:
        name: in the table.
        python: the interpreter that it is run by.
        library: whose rows are run.
        folder: a checkout of this repository, whose engine and whose scripts are run; those of a library are here.
    """

    name: str
    python: str = sys.executable
    library: str = "penstock"
    folder: Path = HERE


OURS = Side("penstock")


def sides_of(prefect: str | None, besides: Sequence[str] = ()) -> list[Side]:
    """This build, other builds by the folders of their checkouts, and Prefect by the interpreter of its environment."""
    others = [Side(Path(folder).name, folder=Path(folder).resolve()) for folder in besides]
    return [OURS, *others, *([Side("prefect", prefect, "prefect")] if prefect else [])]


def once(row: Row, side: Side, bytecode: str) -> dict[str, float]:
    """Run the row in a fresh process.

    Args:
        row: what to run.
        side: whose.
        bytecode: folder for it: what is installed has its own, and the first run makes that of the others.

    Returns:
        Its figures, with wall time and CPU time of the process.

    Raises:
        RowError: the process ended with an error.
    """
    wanted = {**os.environ, **row.env, "LIB": side.library, "PYTHONPYCACHEPREFIX": bytecode}
    wanted |= dict.fromkeys(
        ("PENSTOCK_HOME", "PREFECT_HOME"), f"{bytecode}/home-{side.name}"
    )  # results are the row's own
    if side.library == "penstock":
        wanted["PYTHONPATH"] = str(side.folder / "engine")
    env = {name: value for name, value in wanted.items() if value is not None and name != "PYTHONDONTWRITEBYTECODE"}
    command = [side.python, str(side.folder / "benchmarks/engine/rows" / f"{row.script}.py")]
    began = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    figures: dict[str, float] = {}
    if row.script == "sigterm":
        process.stdout.readline()
        time.sleep(0.2)
        began = time.perf_counter()
        process.send_signal(signal.SIGTERM)
    for line in process.stdout:
        figures.update(json.loads(line))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    seconds = time.perf_counter() - began
    if row.script == "sigterm":
        return {"sigterm_ms": seconds * 1e3}
    if process.returncode:
        raise RowError(f"{row.name} with {side.name}: exit code {process.returncode} ({' '.join(command)})")
    figures["wall_ms"] = seconds * 1e3
    figures["cpu_ms"] = (usage.ru_utime + usage.ru_stime) * 1e3
    return figures


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return _of_each(runs, statistics.median)


def least(runs: list[dict[str, float]]) -> dict[str, float]:
    """The least of each figure: what a busy machine disturbs last."""
    return _of_each(runs, min)


def _of_each(runs: list[dict[str, float]], statistic: Callable[[Iterator[float]], float]) -> dict[str, float]:
    return {name: statistic(run[name] for run in runs if name in run) for name in runs[0]} if runs else {}


def beyond(figures: dict[str, float], bare: dict[str, float] | None) -> dict[str, float]:
    """The figures of a process, with what it took more than a bare interpreter."""
    if bare is None or "wall_ms" not in figures:
        return figures
    more = {"beyond_ms": figures["wall_ms"] - bare["wall_ms"]}
    if "peak_mb" in figures and "peak_mb" in bare:
        more["beyond_mb"] = figures["peak_mb"] - bare["peak_mb"]
    return {**figures, **more}


def measure(row: Row, runs: int, sides: Sequence[Side]) -> dict[str, list[dict[str, float]]]:
    """All sides on one row, interleaved, after one warm-up each; the figures of every run, by the names of the sides.

    Args:
        row: what to run.
        runs: how often, at most.
        sides: who; Prefect is left out of rows that are ours only.
    """
    chosen = [side for side in sides if side.library == "penstock" or not row.ours_only]
    seen: dict[str, list[dict[str, float]]] = {side.name: [] for side in chosen}
    with tempfile.TemporaryDirectory() as bytecode:
        for number in range(min(runs, row.runs) + 1):
            for side in chosen:
                figures = once(row, side, bytecode)
                if number:
                    seen[side.name].append(figures)
    return seen


@contextmanager
def prefect_server(python: str | None) -> Iterator[None]:
    """An API server on loopback for Prefect's rows; it is idle before each run."""
    if python is None:
        yield
        return
    command = [python, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(SERVER_PORT)]
    server = subprocess.Popen([*command, "--no-services"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{SERVER_PORT}/api"
    try:
        until = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=1).close()
                break
            except OSError:
                if time.monotonic() > until or server.poll() is not None:
                    raise SystemExit("Prefect's server did not start") from None
                time.sleep(0.2)
        os.environ["PREFECT_API_URL"] = url
        yield
    finally:
        server.terminate()
        server.wait()
