"""Run rows in fresh processes, both libraries in turn; medians.

Neighbours: `table` names the rows; `rows/_lib.py` is what their scripts share.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .table import Row

SCRIPTS = Path(__file__).parent / "rows"
SERVER_PORT = 14200


class RowError(Exception):
    """A scenario did not come to its end."""


def once(row: Row, library: str, python: str) -> dict[str, float]:
    """Run the row in a fresh process.

    Returns:
        Its figures, with wall time and CPU time of the process.

    Raises:
        RowError: the process ended with an error.
    """
    env = {name: value for name, value in {**os.environ, **row.env, "LIB": library}.items() if value is not None}
    command = [python, str(SCRIPTS / f"{row.script}.py")]
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
        raise RowError(f"{row.name} with {library}: exit code {process.returncode} ({' '.join(command)})")
    figures["wall_ms"] = seconds * 1e3
    figures["cpu_ms"] = (usage.ru_utime + usage.ru_stime) * 1e3
    return figures


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {name: statistics.median(run[name] for run in runs if name in run) for name in runs[0]} if runs else {}


def beyond(figures: dict[str, float], bare: dict[str, float] | None) -> dict[str, float]:
    """The figures of a process, with what it took more than a bare interpreter."""
    if bare is None or "wall_ms" not in figures:
        return figures
    more = {"beyond_ms": figures["wall_ms"] - bare["wall_ms"]}
    if "peak_mb" in figures and "peak_mb" in bare:
        more["beyond_mb"] = figures["peak_mb"] - bare["peak_mb"]
    return {**figures, **more}


def measure(row: Row, runs: int, prefect: str | None) -> dict[str, dict[str, float]]:
    """Both libraries on one row, interleaved, after one warm-up each.

    Args:
        row: what to run.
        runs: how often, at most.
        prefect: the interpreter of Prefect's environment; None: ours alone.
    """
    sides = {"penstock": sys.executable}
    if prefect and not row.ours_only:
        sides["prefect"] = prefect
    seen: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for number in range(min(runs, row.runs) + 1):
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
