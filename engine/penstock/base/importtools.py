"""Importing by name: objects, modules, scripts. Neighbours: `serializers` find libraries by name; `_loading` finds flows."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any

__all__ = [
    "from_qualified_name",
    "import_object",
    "lazy_import",
    "load_module",
    "load_script_as_module",
    "to_qualified_name",
]


def to_qualified_name(obj: Any) -> str:
    """The dotted name that an object can be imported by."""
    return f"{obj.__module__}.{obj.__qualname__}"


def from_qualified_name(name: str) -> Any:
    """The module, or the object of a module, that a dotted name means.

    Raises:
        ImportError: there is no such module.
        AttributeError: the module has no such object.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        module, _, attribute = name.rpartition(".")
        if not module:
            raise
        return getattr(importlib.import_module(module), attribute)


def load_script_as_module(path: str) -> ModuleType:
    """Execute a script as a module, which is named after its file unless that name is taken.

    Raises:
        ValueError: it is no Python file.
        ScriptError: it raised; from the original.
    """
    from hashlib import sha256
    from pathlib import Path

    from penstock.base.exceptions import ScriptError

    if not path.endswith(".py"):
        raise ValueError(f"The provided path does not point to a python file: {path!r}")
    file = Path(path).resolve()
    name = file.stem
    if name in sys.modules:
        name = f"__penstock_loader_{sha256(str(file).encode()).hexdigest()[:16]}__"
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(file.parent), os.getcwd()]
    )
    if spec is None or spec.loader is None:
        raise ValueError(f"The provided path cannot be loaded: {path!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    before = list(sys.path)
    sys.path[:0] = [str(file.parent), os.getcwd()]
    try:
        spec.loader.exec_module(module)
    except Exception as exc:
        del sys.modules[name]
        raise ScriptError(user_exc=exc, path=path) from exc
    finally:
        sys.path[:] = before
    return module


def load_module(module_name: str) -> ModuleType:
    """Import a module, also one of the working directory."""
    working_directory = os.getcwd()
    sys.path.insert(0, working_directory)
    try:
        return importlib.import_module(module_name)
    finally:
        sys.path.remove(working_directory)


def import_object(import_path: str) -> Any:
    """The object of `module.object`, `module:object.attribute` or `path.py:object`.

    Raises:
        ValueError: the path has none of these forms.
        ScriptError: the script raised; from the original.
    """
    if ".py:" in import_path:
        script, _, name = import_path.rpartition(":")
        found: Any = load_script_as_module(script)
    else:
        module, separator, name = import_path.rpartition(":" if ":" in import_path else ".")
        if not separator:
            raise ValueError(f"Invalid format for object import. Received {import_path!r}.")
        found = load_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


class _Missing(ModuleType):
    """Stands for a module that is not installed; says so when something of it is used."""

    def __init__(self, message: str) -> None:
        super().__init__("missing", message)
        self._message = message

    def __getattr__(self, name: str) -> Any:
        if name == "__file__":
            raise AttributeError(name)
        raise ModuleNotFoundError(self._message)


def lazy_import(name: str, error_on_import: bool = False, help_message: str | None = None) -> ModuleType:
    """A module that is imported when something of it is first used.

    Args:
        name: of the module.
        error_on_import: raise at once when it is not installed, not at first use.
        help_message: added to that error.

    Raises:
        ModuleNotFoundError: it is not installed, and `error_on_import`.
    """
    known = sys.modules.get(name)
    if known is not None:
        return known
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        message = f"No module named '{name}'.\n{help_message}" if help_message else f"No module named '{name}'."
        if error_on_import:
            raise ModuleNotFoundError(message)
        return _Missing(message)
    loader = importlib.util.LazyLoader(spec.loader)
    spec.loader = loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module
