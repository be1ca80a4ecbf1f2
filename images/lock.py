"""Print images/constraints.txt: the versions that the images are built with, taken from this environment.

    .venv/bin/pip install --upgrade --upgrade-strategy eager -e '.[test]' && make test && .venv/bin/python images/lock.py > images/constraints.txt

What was tested is what is built. Only the names that `penstock[operator]` needs by its own metadata, and the tools that build the wheel.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOOLS = {"pip": "26.3", "hatchling": "1.33.0", "trove-classifiers": "2026.9.21.13"}
HEADER = "# The versions that the images hold; written by images/lock.py from the environment that the tests ran in.\n"


def needed(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> Iterator[str]:
    """Yield the canonical names that a distribution needs, itself first, with the given extras, on any Python that we serve."""
    key = (canonicalize_name(name), extras)
    if key in seen:
        return
    seen.add(key)
    yield key[0]
    for text in requires(name) or ():
        requirement = Requirement(text)
        marker = requirement.marker
        wanted = marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""})
        if wanted:
            yield from needed(requirement.name, frozenset(requirement.extras), seen)


def allowed() -> Iterator[Requirement]:
    """Yield what this project itself asks for: the dependencies, and those of the extra `operator`."""
    for text in requires("penstock") or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": "operator"}):
            yield requirement


def constraints() -> dict[str, str]:
    """Return name and version of everything that the images install."""
    found = dict(TOOLS)
    for name in needed("penstock", frozenset({"operator"}), set()):
        if name != "penstock":
            found[name] = version(name)
    for tool in ("packaging", "pathspec", "pluggy"):  # hatchling's
        found[tool] = version(tool)
    return found


if __name__ == "__main__":
    try:
        lines = [f"{name}=={number}\n" for name, number in sorted(constraints().items())]
    except PackageNotFoundError as missing:
        sys.exit(f"{missing.name} is not installed here: make install first")
    sys.stdout.write(HEADER + "".join(lines))
