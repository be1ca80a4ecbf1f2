"""Run the rows on Penstock, and on Prefect where it is installed; print the table and write JSON.

    python -m benchmarks.engine [--runs 5] [--prefect PYTHON] [row ...]

Each row runs in a fresh process, the libraries interleaved, after one warm-up; figures are medians. `--prefect` names
the interpreter of Prefect's own environment (`make bench-engine` makes it). Standard error goes to the null device.
The file of results keeps the rows that were not run.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..measure import RESULTS as FOLDER
from ..measure import machine
from .running import beyond, measure, prefect_server
from .table import Row, rows

RESULTS = FOLDER / "engine.json"


def main() -> None:
    """Read the command line, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help="beginnings of names of rows; default: all")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--prefect", metavar="PYTHON")
    options = parser.parse_args()
    wanted = [row for row in rows() if not options.rows or row.name.startswith(tuple(options.rows))]
    if not wanted:
        parser.error(f"no such row; there are {', '.join(row.name for row in rows())}")
    with prefect_server(options.prefect):
        compare(wanted, options.runs, options.prefect)


def compare(wanted: list[Row], runs: int, prefect: str | None) -> None:
    """Measure, print and write row by row: an interrupted comparison keeps what it has."""
    print(f"{'row':28} {'figure':12} {'penstock':>11} {'prefect':>11} {'ratio':>8} {'goal':>8}")
    bare = {side: figures for side, figures in measure(rows()[0], runs, prefect).items() if figures}
    for row in wanted:
        found = {side: beyond(it, bare.get(side)) for side, it in measure(row, runs, prefect).items()}
        show(row, found)
        keep(row, found, min(runs, row.runs))


def show(row: Row, found: dict[str, dict[str, float]]) -> None:
    """The lines of a row for a person."""
    mine, theirs = found["penstock"], found.get("prefect", {})
    for name in row.goals or ("wall_ms", "peak_mb"):
        own, other, goal = mine[name], theirs.get(name), row.goals.get(name)
        ratio = f"{own / other:.4f}" if other else ""
        missed = f" missed x{own / goal:.2f}" if goal is not None and own > goal else ""
        shown = f"{other:11.4f}" if other is not None else f"{'-':>11}"
        print(f"{row.name:28} {name:12} {own:11.4f} {shown} {ratio:>8} {goal or '':>8}{missed}", flush=True)


def keep(row: Row, found: dict[str, dict[str, float]], runs: int) -> None:
    """Write the row into the file of results."""
    try:
        table: dict[str, Any] = json.loads(RESULTS.read_text())
    except FileNotFoundError:
        table = {}
    # Each row tells its own: the file may hold rows of several days.
    table.setdefault("rows", {})[row.name] = {**found, "goals": row.goals, "runs": runs, "machine": machine()}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
