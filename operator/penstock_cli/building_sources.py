"""The files that a flow's file needs: itself, and the modules beside it that it imports. Nothing is executed.

Imports are read from the syntax, inside functions too. A name that has a file in the same folder is that file, as Python finds it there first;
everything else is installed, or will be said to be missing where the file is loaded. Neighbour: `building` makes a resource of them.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Sources", "read_sources"]

_IMAGE = "put the code into an image, and build with --image IMAGE"


@dataclass(slots=True)
class Sources:
    """What a flow is made of.

    Attributes:
        entry: name of the flow's file.
        files: text of each file by its name; the flow's own first, then by name.
        guarded: lines of the flow's file that call `to_flow` only when it is run as a script.
    """

    entry: str
    files: dict[str, str] = field(default_factory=dict)
    guarded: list[int] = field(default_factory=list)


def read_sources(path: Path) -> Sources:
    """Read a flow's file, and what it imports from its folder.

    Raises:
        CliError: a file can't be read, is not Python or not UTF-8, or what is imported stands in a folder of its own.
    """
    found = Sources(path.name)
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file.name in found.files:
            continue
        found.files[file.name] = text = _read(file)
        tree = _parsed(file, text)
        if file == path:
            found.guarded = list(_guarded(tree))
        for line, module, level in _imports(tree):
            beside = _beside(file, line, module, level)
            if beside is not None:
                waiting.append(beside)
    first, *others = found.files
    found.files = {name: found.files[name] for name in (first, *sorted(others))}
    return found


def _read(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CliError(f"error: {file} cannot be read: {error.strerror}") from error
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        if encoding.removesuffix("-sig") not in ("utf-8", "utf8"):
            raise CliError(f"error: {file} is declared to be {encoding}: a resource holds UTF-8 only, save it so")
        return content.decode("utf-8")
    except SyntaxError as error:
        raise CliError(f"error: {file}: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise CliError(f"error: {file} is not UTF-8: byte {error.start}: save it so") from error


def _parsed(file: Path, text: str) -> ast.Module:
    try:
        return ast.parse(text.removeprefix("\ufeff"))
    except (SyntaxError, ValueError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        raise CliError(f"error: {file}{f':{line}' if line else ''}: {type(error).__name__}: {error.args[0]}") from error


def _imports(tree: ast.Module) -> Iterator[tuple[int, str, int]]:
    """Yield line, dotted name and level of each import; of `from a import b` also `a.b`, which may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, 0
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}" if base else alias.name, node.level
        elif isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and not first.value.startswith("."):
                yield node.lineno, first.value, 0


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _beside(file: Path, line: int, module: str, level: int) -> Path | None:
    """Return the file in the same folder that an import means; None: it is not there."""
    name = module.partition(".")[0]
    if level:
        raise CliError(
            f"error: {file}:{line}: a relative import: the file is part of a package, and a ConfigMap has no folders; {_IMAGE}"
        )
    if name in sys.builtin_module_names:
        return None
    package = file.parent / name
    if (package / "__init__.py").is_file() or (_has_python(package) and not _is_installed(name)):
        raise CliError(
            f"error: {file}:{line}: {module} is in the package {package}, and a ConfigMap has no folders; "
            f"move what the flow needs beside {file.name}, or {_IMAGE}"
        )
    beside = file.parent / f"{name}.py"
    return beside if beside.is_file() else None


def _has_python(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob("*.py"))


def _is_installed(name: str) -> bool:
    """Whether a name is a module of this environment; a folder without `__init__.py` comes after those."""
    from importlib.machinery import PathFinder

    if name in sys.stdlib_module_names:
        return True
    found = PathFinder.find_spec(name, [entry for entry in sys.path if entry])
    return found is not None and found.origin is not None


def _guarded(tree: ast.Module) -> Iterator[int]:
    """Yield lines that call `to_flow` below `if __name__ == "__main__"`."""
    for node in tree.body:
        if isinstance(node, ast.If) and "__main__" in ast.unparse(node.test):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Call) and _name(inner.func) == "to_flow":
                    yield inner.lineno
