"""The repository itself: the standard library is not shadowed, the README's words are true, no path or tool of one machine is named."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_standard_librarys_operator_is_not_shadowed() -> None:
    """`operator/` is a folder of packages, never a package: else every Python started at the root would die."""
    assert not (ROOT / "operator/__init__.py").exists()
    found = subprocess.run(
        [sys.executable, "-c", "import operator; print(operator.eq(1, 1))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "True\n"


def test_every_make_target_of_the_readme_exists() -> None:
    """Copy and paste works."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z0-9-]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert named
    assert named <= targets


def test_dependencies_are_bounded() -> None:
    """Every requirement has a lower and an upper bound."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    every = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    loose = [r for r in every if not r.startswith("penstock[") and not (">=" in r and "<" in r)]
    assert loose == []


@pytest.mark.parametrize(
    "package",
    [
        "engine/penstock",
        "engine/penstock_dask",
        "engine/penstock_ray",
        "operator/penstock_operator",
        "operator/penstock_dev",
        "operator/penstock_cli",
        "operator/penstock_reading",
        "operator/penstock_ui",
    ],
)
def test_packages_are_typed(package: str) -> None:
    """PEP 561: type checkers of users see our annotations."""
    assert (ROOT / package / "py.typed").exists()


def test_modules_say_their_job_and_stay_small() -> None:
    """A docstring each; past 400 lines a module is two."""
    found = []
    for folder in ("engine", "operator"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            if len(text.splitlines()) > 400:
                found.append(f"{path.relative_to(ROOT)}: {len(text.splitlines())} lines")
            if text.strip() and not text.lstrip().startswith(('"""', "#!")):
                found.append(f"{path.relative_to(ROOT)}: no docstring")
    assert found == []


def test_the_top_level_is_what_the_readme_draws() -> None:
    """What a trial left behind does not stay."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout: what belongs to the repository is not known")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    top = {line.partition("/")[0] for line in tracked.stdout.splitlines()}
    files = {".dockerignore", ".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "pyproject.toml"}
    rooms = {
        "benchmarks",
        "charts",
        "crds",
        "docs",
        "engine",
        "examples",
        "findings",
        "gitops",
        "images",
        "operator",
        "tests",
    }
    assert top - {".ci"} == files | rooms
