"""Run the rows on Penstock, beside other builds of it, and on Prefect; print the table and write JSON.

    python -m benchmarks.engine [--runs 5] [--beside CHECKOUT ...] [--prefect PYTHON] [row ...]

Each row runs in a fresh process, all sides interleaved, after one warm-up; figures are medians. `--prefect` names the
interpreter of Prefect's own environment (`make bench-engine` makes it). `--beside` names a checkout of another revision
(`git worktree add`), which runs by this interpreter; ratios to it are those of the medians, then of the least figures,
which a busy machine disturbs last. Standard error goes to the null device. The file of results keeps the rows that were not run.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..measure import RESULTS as FOLDER
from ..measure import machine
from .running import OURS, Side, beyond, least, measure, medians, prefect_server, sides_of
from .table import Row, rows

RESULTS = FOLDER / "engine.json"


def main() -> None:
    """Read the command line, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help="beginnings of names of rows; default: all")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--prefect", metavar="PYTHON")
    parser.add_argument("--beside", metavar="CHECKOUT", action="append", default=[])
    options = parser.parse_args()
    wanted = [row for row in rows() if not options.rows or row.name.startswith(tuple(options.rows))]
    if not wanted:
        parser.error(f"no such row; there are {', '.join(row.name for row in rows())}")
    with prefect_server(options.prefect):
        compare(wanted, options.runs, sides_of(options.prefect, options.beside))


def compare(wanted: list[Row], runs: int, sides: list[Side]) -> None:
    """Measure, print and write row by row: an interrupted comparison keeps what it has."""
    builds = [side.name for side in sides if side.library == "penstock" and side is not OURS]
    beside = "".join(f" {name:>15}" for name in builds)
    print(f"{'row':28} {'figure':12} {'penstock':>11} {'prefect':>11} {'ratio':>8} {'goal':>8}{beside}")
    bare = measure(rows()[0], runs, sides)
    for row in wanted:
        seen = measure(row, runs, sides)
        found = {side: beyond(medians(it), medians(bare.get(side, []))) for side, it in seen.items()}
        lows = {side: beyond(least(it), least(bare.get(side, []))) for side, it in seen.items()}
        show(row, found, lows, builds)
        keep(row, found, lows, min(runs, row.runs))


Found = dict[str, dict[str, float]]


def show(row: Row, found: Found, lows: Found, builds: list[str]) -> None:
    """The lines of a row for a person."""
    mine, theirs = found["penstock"], found.get("prefect", {})
    for name in mine if builds else row.goals or ("wall_ms", "peak_mb"):
        own, other, goal = mine[name], theirs.get(name), row.goals.get(name)
        ratio = f"{own / other:.4f}" if other else ""
        missed = f" missed x{own / goal:.2f}" if goal is not None and own > goal else ""
        shown = f"{other:11.4f}" if other is not None else f"{'-':>11}"
        beside = "".join(f" {_times(found, name, build)} {_times(lows, name, build)}" for build in builds)
        print(f"{row.name:28} {name:12} {own:11.4f} {shown} {ratio:>8} {goal or '':>8}{beside}{missed}", flush=True)


def _times(found: Found, name: str, build: str) -> str:
    """How many times the figure of another build ours is."""
    other = found[build].get(name)
    return f"{found['penstock'][name] / other:7.3f}" if other else f"{'-':>7}"


def keep(row: Row, found: Found, lows: Found, runs: int) -> None:
    """Write the row into the file of results."""
    try:
        table: dict[str, Any] = json.loads(RESULTS.read_text())
    except FileNotFoundError:
        table = {}
    # Each row tells its own: the file may hold rows of several days.
    table.setdefault("rows", {})[row.name] = {
        **found,
        "least": lows,
        "goals": row.goals,
        "runs": runs,
        "machine": machine(),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
