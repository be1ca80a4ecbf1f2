"""Noticing that a module is imported, without importing it. Neighbours: `logging.console` waits so for `logging`, the pod for gevent and eventlet."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


def when_imported(name: str, then: Callable[[ModuleType], None]) -> None:
    """Call `then` once a module has been imported, before who imports it gets it.

    Args:
        name: of a module that is not imported yet.
        then: called with the module, once; where it raises, so does the import, and the next one calls it again.
    """
    sys.meta_path.insert(0, _Finder(name, then))


class _Finder:
    """Notices the import of one module."""

    __slots__ = ("name", "then")

    def __init__(self, name: str, then: Callable[[ModuleType], None]) -> None:
        self.name = name
        self.then = then

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, name, self.then)  # type: ignore[assignment]
        return spec


class _Loader:
    """Loads by another loader, and tells."""

    __slots__ = ("loader", "name", "then")

    def __init__(self, loader: Any, name: str, then: Callable[[ModuleType], None]) -> None:
        self.loader = loader
        self.name = name
        self.then = then

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self.loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        try:
            self.loader.exec_module(module)
            self.then(module)
        except BaseException:  # an interruption of the body that imports it: it will be imported again
            when_imported(self.name, self.then)
            raise
