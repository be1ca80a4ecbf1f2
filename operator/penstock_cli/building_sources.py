"""The files that a flow's file needs: itself, and the modules and packages beside it that it imports. Nothing is executed.

Imports are read from the syntax, inside functions too. A name that has a file or a package in the same folder is that one, as Python finds it
there first; everything else is installed, or will be said to be missing where the file is loaded. A file that is part of a package is taken with
its package, as the module that it is. A ConfigMap has no folders: `shop/flows.py` stands there as `shop.flows.py`, and the pod makes folders of it.
Neighbour: `building` makes a resource of them.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from dataclasses import dataclass, field
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Sources", "packages_of", "read_sources"]

_IMAGE = "put the code into an image, and build with --image IMAGE"


@dataclass(slots=True)
class Sources:
    """What a flow is made of.

    Attributes:
        entry: name of the flow's file.
        files: text of each file by its name; the flow's own first, then by name.
        guarded: lines of the flow's file that call `to_flow` only when it is run as a script.
        module: dotted name of the flow's file, where it is one of a package; None: it stands by itself.
        root: folder in which Python looks for it, and for what it imports.
    """

    entry: str
    root: Path
    module: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    guarded: list[int] = field(default_factory=list)


def read_sources(path: Path) -> Sources:
    """Read a flow's file, and what it imports from its folder, or from its package's.

    Raises:
        CliError: a file can't be read, is not Python or not UTF-8, or something that is imported is no text.
    """
    text = _read(path)
    tree = _parsed(path, text)
    packages = packages_of(path)
    if not packages or not any(level or _first(name) == packages[0] for _, name, level in _imports(tree)):
        packages = ()
    root = path.resolve().parents[len(packages)] if packages else path.parent
    found = Sources(_key((*packages, path.name)), root, ".".join((*packages, path.stem)) if packages else None)
    found.guarded = list(_guarded(tree))
    # Importing a module imports the packages that it is in.
    waiting = [(*packages[:depth], "__init__.py") for depth in range(1, len(packages) + 1)]
    waiting.append((*packages, path.name))
    while waiting:
        place = waiting.pop()
        name = _key(place)
        if name in found.files:
            continue
        file = path if name == found.entry else root.joinpath(*place)
        found.files[name] = text = _read(file)
        for line, module, level in _imports(_parsed(file, text)):
            waiting.extend(_Import(root, place[:-1], file, line).places(module, level))
    first, *others = found.files
    found.files = {name: found.files[name] for name in (first, *sorted(others))}
    return found


def packages_of(file: Path) -> tuple[str, ...]:
    """Return the names of the packages that a file is in, the outermost first; its own folder's last."""
    names: list[str] = []
    folder = file.resolve().parent
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return tuple(names)


def _key(place: tuple[str, ...]) -> str:
    """Return the name of a file in a ConfigMap."""
    return ".".join(place)


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


def _first(module: str) -> str:
    return module.partition(".")[0]


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


@dataclass(frozen=True, slots=True)
class _Import:
    """An import, and where it stands.

    Attributes:
        root: folder in which Python looks first.
        packages: that the importing file is in.
        file: the importing file.
        line: of the import.
    """

    root: Path
    packages: tuple[str, ...]
    file: Path
    line: int

    def places(self, module: str, level: int) -> Iterator[tuple[str, ...]]:
        """Yield the files below the root that Python reads for a name: packages, and the module itself."""
        found: tuple[str, ...] = ()
        if level:
            if level > len(self.packages):
                raise self._fault(
                    "a relative import beyond the packages that the file is in: is an __init__.py missing?"
                )
            found = self.packages[: len(self.packages) - level + 1]
        elif _first(module) in sys.builtin_module_names:
            return
        for part in module.split("."):
            folder = self.root.joinpath(*found)
            if (folder / part / "__init__.py").is_file():
                found = (*found, part)
                yield (*found, "__init__.py")
            elif (folder / f"{part}.py").is_file():
                yield (*found, f"{part}.py")
                return
            elif _has_python(folder / part) and (found or not _is_installed(part)):
                found = (*found, part)
            else:
                self._refuse_compiled(folder, part)
                return

    def _refuse_compiled(self, folder: Path, part: str) -> None:
        for ending in EXTENSION_SUFFIXES:
            if (folder / f"{part}{ending}").is_file():
                raise self._fault(f"{folder / part}{ending} is compiled, and a resource holds text; {_IMAGE}")

    def _fault(self, words: str) -> CliError:
        return CliError(f"error: {self.file}:{self.line}: {words}")


def _has_python(folder: Path) -> bool:
    return folder.is_dir() and any(folder.rglob("*.py"))


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
