"""Run the rows on Penstock, and on Prefect where it is installed; print the table and write JSON.

    python -m benchmarks.engine [--runs 5] [--prefect PYTHON] [row ...]

Each row runs in a fresh process, the libraries interleaved, after one warm-up; figures are medians. `--prefect` names
the interpreter of Prefect's own environment (`make bench-engine` makes it). Standard error goes to the null device.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "engine.json"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: which script, with which variables; the goal is an upper bound of a figure of ours."""

    name: str
    script: str
    goals: dict[str, float]
    env: dict[str, str] = field(default_factory=dict)
    ours_only: bool = False


def _rows() -> list[Row]:
    quiet = {"PENSTOCK_LOGGING_LEVEL": "WARNING", "PREFECT_LOGGING_LEVEL": "WARNING"}
    rows = [
        Row("python_pass", "python_pass", {}),
        Row("import_lib", "import_lib", {"wall_ms": 70}),
        Row("import_flow_task", "import_flow_task", {"wall_ms": 70}),
        Row("noop_flow_process", "noop_flow_process", {"wall_ms": 150, "peak_mb": 35}),
        Row("noop_flow_inproc", "noop_flow_inproc", {"first_ms": 5, "second_ms": 0.2}),
        Row("tasks_seq_1000", "tasks_seq", {"ms_each": 0.030, "kb_each": 0.1}, {"N": "1000"}),
        Row("tasks_seq_5000", "tasks_seq", {"ms_each": 0.030, "kb_each": 0.1}, {"N": "5000"}),
        Row("tasks_seq_5000_warning", "tasks_seq", {"ms_each": 0.020}, {"N": "5000", **quiet}),
        Row("tasks_submit_1000", "tasks_submit", {"ms_each": 0.060, "threads": 40}, {"N": "1000"}),
        Row("tasks_submit_5000", "tasks_submit", {"ms_each": 0.060, "threads": 40}, {"N": "5000"}),
        Row("tasks_submit_w16_5000", "tasks_submit", {"ms_each": 0.060}, {"N": "5000", "W": "16"}),
        Row("tasks_map_1000", "tasks_map", {"ms_each": 0.060}, {"N": "1000"}),
        Row("tasks_map_5000", "tasks_map", {"ms_each": 0.060}, {"N": "5000"}),
        Row("tasks_map_w16_1000", "tasks_map", {"ms_each": 0.060}, {"N": "1000", "W": "16"}),
        Row("tasks_async_seq_1000", "tasks_async_seq", {"ms_each": 0.040}, {"N": "1000"}),
        Row("tasks_async_gather_1000", "tasks_async_gather", {"ms_each": 0.050}, {"N": "1000"}),
        Row("tasks_async_gather_5000", "tasks_async_gather", {"ms_each": 0.050}, {"N": "5000"}),
        Row("tasks_async_submit_1000", "tasks_async_submit", {"ms_each": 0.090}, {"N": "1000"}),
        Row("tasks_persist_1000", "tasks_persist", {"ms_each": 0.200}, {"N": "1000"}),
        Row("tasks_cache_1000", "tasks_cache", {"miss_ms": 0.200, "hit_ms": 0.100}, {"N": "1000"}),
        Row("subflows_seq_100", "subflows_seq", {"ms_each": 0.150}, {"N": "100"}),
        Row("subflows_async_seq_100", "subflows_async_seq", {"ms_each": 0.200}, {"N": "100"}),
        Row("memory_held_5000", "memory_held", {"kb_each": 2}, {"N": "5000"}),
        Row("memory_direct_100000", "memory_direct", {"kb_each": 0.05}, {"N": "100000", **quiet}, ours_only=True),
        Row(
            "map_window_1000000",
            "window",
            {"ms_each": 0.080, "kb_each": 0.02},
            {"N": "1000000", **quiet},
            ours_only=True,
        ),
    ]
    bodies = {"sync": 50, "in_async": 60, "direct": 50, "submitted": 100}
    rows += [Row(f"sigterm_{body}", "sigterm", {"sigterm_ms": goal}, {"BODY": body}) for body, goal in bodies.items()]
    return rows


def once(row: Row, library: str, python: str) -> dict[str, float]:
    """Run the row in a fresh process; its figures, with wall time, CPU time and peak of the resident set."""
    env = {**os.environ, **row.env, "LIB": library}
    began = time.perf_counter()
    process = subprocess.Popen(
        [python, str(HERE / "rows" / f"{row.script}.py")], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    figures: dict[str, float] = {}
    if row.script == "sigterm":
        process.stdout.readline()
        time.sleep(0.2)
        began = time.perf_counter()
        process.send_signal(signal.SIGTERM)
    for line in process.stdout:
        figures.update(json.loads(line))
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    process.stdout.close()
    seconds = time.perf_counter() - began
    if row.script == "sigterm":
        return {"sigterm_ms": seconds * 1e3}
    figures.setdefault("wall_ms", seconds * 1e3)
    figures["cpu_ms"] = (usage.ru_utime + usage.ru_stime) * 1e3
    figures["peak_mb"] = usage.ru_maxrss / 1024
    return figures


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {name: statistics.median(run[name] for run in runs if name in run) for name in runs[0]} if runs else {}


def measure(row: Row, runs: int, prefect: str | None) -> dict[str, Any]:
    """Both libraries on one row, interleaved, after one warm-up each."""
    sides = {"penstock": sys.executable}
    if prefect and not row.ours_only:
        sides["prefect"] = prefect
    seen: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for number in range(runs + 1):
        for side, python in sides.items():
            figures = once(row, side, python)
            if number:
                seen[side].append(figures)
    return {side: medians(found) for side, found in seen.items()}


@contextmanager
def prefect_server(python: str | None) -> Iterator[None]:
    """An API server on loopback for Prefect's rows; it is idle before each run."""
    if python is None:
        yield
        return
    port = 14200
    command = [python, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-services"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/api"
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


def main() -> None:
    """Read the command line, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--prefect")
    options = parser.parse_args()
    with prefect_server(options.prefect):
        compare(options)


def compare(options: argparse.Namespace) -> None:
    """Measure and print row by row, then write JSON."""
    table: dict[str, Any] = {}
    print(f"{'row':26} {'figure':12} {'penstock':>11} {'prefect':>11} {'ratio':>8} {'goal':>8}")
    for row in _rows():
        if options.rows and not any(row.name.startswith(wanted) for wanted in options.rows):
            continue
        found = measure(row, options.runs, options.prefect)
        table[row.name] = {**found, "goals": row.goals}
        ours, theirs = found["penstock"], found.get("prefect", {})
        for name in row.goals or ("wall_ms", "peak_mb"):
            mine, other, goal = ours.get(name), theirs.get(name), row.goals.get(name)
            ratio = f"{mine / other:.4f}" if mine is not None and other else ""
            missed = f" missed x{mine / goal:.2f}" if goal and mine is not None and mine > goal else ""
            print(
                f"{row.name:26} {name:12} {mine if mine is not None else float('nan'):11.4f} "
                f"{other if other is not None else float('nan'):11.4f} {ratio:>8} {goal or '':>8}{missed}",
                flush=True,
            )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
