"""No module of ours is reached again by what it imports, imports inside functions and for type checkers included."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "penstock": "engine",
    "penstock_dask": "engine",
    "penstock_ray": "engine",
    "penstock_operator": "operator",
    "penstock_dev": "operator",
    "penstock_cli": "operator",
    "penstock_reading": "operator",
    "penstock_ui": "operator",
}

Graph = dict[str, set[str]]


def modules_of(package: str, folder: Path) -> dict[str, Path]:
    """The modules of a package by dotted name."""
    found = {}
    for path in sorted((folder / package).rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def nearest(name: str, modules: dict[str, Path]) -> str | None:
    """The module that a dotted name is, or is in."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def imports_of(name: str, path: Path, modules: dict[str, Path]) -> set[str]:
    """What a module imports of its own package, wherever the statement stands."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    named: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]) if base else ".".join(above)
            named |= {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                named.add(node.args[0].value)
    return {found for each in named if (found := nearest(each, modules)) is not None and found != name}


def circles(graph: Graph) -> list[list[str]]:
    """The groups of modules that reach each other (Tarjan), each in alphabetical order."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        for name in graph:
            if name not in index:
                visit(name)
    finally:
        sys.setrecursionlimit(limit)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_circle_of_modules(package: str) -> None:
    modules = modules_of(package, ROOT / PACKAGES[package])
    graph = {name: imports_of(name, path, modules) for name, path in modules.items()}
    assert len(graph) > 3
    assert sum(map(len, graph.values())) > len(graph) // 2, "hardly any import was found: the reading of them is wrong"
    shown = [" and ".join(group) for group in circles(graph)]
    assert not shown, "these import each other: " + "; ".join(shown)


def test_circles_are_found() -> None:
    graph: Graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"e2"}, "e2": {"e"}}
    assert circles(graph) == [["b", "c"], ["e", "e2"]]


@pytest.mark.parametrize(
    "text",
    [
        "from pkg import b",
        "from pkg.b import thing",
        "import pkg.b",
        "from . import b",
        "from .b import thing",
        "def f():\n    from pkg.b import thing",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg.b import thing",
        "import importlib\nimportlib.import_module('pkg.b')",
    ],
)
def test_every_form_of_import_is_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    for name, content in (("__init__", ""), ("a", text), ("b", "")):
        (tmp_path / "pkg" / f"{name}.py").write_text(content)
    modules = modules_of("pkg", tmp_path)
    assert imports_of("pkg.a", modules["pkg.a"], modules) == {"pkg.b"}
