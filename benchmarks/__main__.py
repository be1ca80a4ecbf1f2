"""Run the benchmarks that are named, or all: `python -m benchmarks [dev] [pod] [operator [row ...]] [engine scale]`.

Only by name: `engine scale`; `ui`, the page in a browser for half an hour, and `ui-short`, for a minute. The other rows of the
engine have a command of their own, `python -m benchmarks.engine`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .measure import Figure, save
from .operator import ROWS

ALL = ("pod", "dev", "operator")
# Only by their names: they need a browser, and time.
NAMED = {"ui": "figures", "ui-short": "short"}


@dataclass(frozen=True, slots=True)
class Part:
    """What is measured and saved together: its name among the results, and how it is measured."""

    name: str
    measure: Callable[[], list[Figure]]


def parts(words: list[str]) -> Iterator[Part]:
    """Yield what the words ask for; nothing asks for all.

    Raises:
        ValueError: a word names nothing.
    """
    words = words or list(ALL)
    if words == ["engine", "scale"]:
        yield Part("engine/scale", importlib.import_module(".scale", __package__).figures)
        return
    rows = [word for word in words if word not in (*ALL, *NAMED)]
    unknown = set(rows) - set(ROWS)
    if unknown or (rows and "operator" not in words):
        raise ValueError(
            f"no such benchmark: {', '.join(sorted(unknown) or rows)}; there are {', '.join((*ALL, *NAMED))}, and of operator"
            f" the rows {', '.join(ROWS)}; of engine `engine scale` alone, the others by `python -m benchmarks.engine`"
        )
    for name in words:
        if name in ROWS:
            continue
        if name in NAMED:
            yield Part(name, getattr(importlib.import_module(".ui", __package__), NAMED[name]))
        elif name == "operator":
            yield from (Part(f"operator/{row}", ROWS[row]) for row in rows or ROWS)
        else:
            yield Part(name, importlib.import_module(f".{name}", __package__).figures)


def main(words: list[str]) -> int:
    """Run, print a table, write JSON; the exit code says whether every goal was met."""
    try:
        wanted = list(parts(words))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    met = True
    for part in wanted:
        figures = part.measure()
        save(part.name, figures)
        for figure in figures:
            print(figure.row(), flush=True)
            met = met and figure.met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
