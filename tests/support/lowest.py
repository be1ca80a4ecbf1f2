"""`python -m tests.support.lowest`: the lowest versions that pyproject.toml allows, as constraints for pip. `make lowest` tests with them.

A range that nobody has tried at its lower end is a guess: what a user has installed already stays as it is, and is the older one.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

EXTRAS = ("operator", "dev", "objects")
_LOWEST = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?>=(?P<version>[0-9.]+)")


def lowest(project: dict[str, object], extras: tuple[str, ...] = EXTRAS) -> list[str]:
    """Return a constraint for each direct dependency.

    Args:
        project: the table `project` of pyproject.toml.
        extras: whose dependencies count besides the project's own.

    Raises:
        ValueError: one has no lower bound.
    """
    optional = project["optional-dependencies"]
    assert isinstance(optional, dict)
    wanted = [*project["dependencies"], *(one for extra in extras for one in optional[extra])]  # type: ignore[misc]
    found: dict[str, str] = {}
    for one in wanted:
        if one.startswith("penstock["):
            continue
        match = _LOWEST.match(one)
        if match is None:
            raise ValueError(f"{one}: no lower bound")
        found[match["name"]] = match["version"]
    return [f"{name}=={version}" for name, version in sorted(found.items())]


if __name__ == "__main__":
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    sys.stdout.write("\n".join(lowest(tomllib.loads(text)["project"])) + "\n")
