"""Run the benchmarks that are named, or all: `python -m benchmarks [dev] [pod] [operator]`."""

from __future__ import annotations

import importlib
import sys

from .measure import save

ALL = ("pod", "dev", "operator")


def main(names: list[str]) -> int:
    """Run, print a table, write JSON; the exit code says whether every goal was met."""
    unknown = set(names) - set(ALL)
    if unknown:
        sys.stderr.write(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}\n")
        return 2
    met = True
    for name in names or ALL:
        figures = importlib.import_module(f".{name}", __package__).figures()
        save(name, figures)
        for figure in figures:
            print(figure.row(), flush=True)
            met = met and figure.value <= figure.goal
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
