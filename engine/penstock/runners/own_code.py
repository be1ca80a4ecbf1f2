"""Code that only the flow's process can import: it travels with what refers to it, as that of a script does.

A file that was loaded by its path is a module that nobody else finds. Where workers are in other pods, nor are the files of the
flow's source folder there; and workers that stand for long would keep an older version of a module of the same name. Code that
travels keeps the name of its file, which tracebacks show and cloudpickle drops. Neighbours: `packing` makes bytes by this;
`pod.loading` names the source folder.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections import ChainMap
from functools import cache
from types import CodeType
from typing import Any, ClassVar

from penstock.base.source import LOADED

SOURCE_FOLDER = "PENSTOCK_SOURCE_FOLDER"
"""The variable that holds the source folder of a pod's flow."""


class OwnCode:
    """Makes bytes in which the flow's own code is held by value.

    Args:
        elsewhere: workers may lack the files of the source folder.
    """

    _lock = threading.RLock()  # what is registered with cloudpickle is registered for all threads

    def __init__(self, elsewhere: bool) -> None:
        self._elsewhere = elsewhere
        self._seen = 0
        self._modules: list[Any] = []

    def dumps(self, value: Any) -> bytes:
        """The value by cloudpickle."""
        import cloudpickle

        modules = self._own()
        if not modules:
            return _dumps(value)
        with self._lock:
            known = cloudpickle.list_registry_pickle_by_value()
            added = [module for module in modules if module.__name__ not in known and module.__name__ in sys.modules]
            for module in added:
                cloudpickle.register_pickle_by_value(module)
            try:
                return _dumps(value)
            finally:
                for module in added:
                    cloudpickle.unregister_pickle_by_value(module)

    def _own(self) -> list[Any]:
        if len(sys.modules) != self._seen:
            self._seen = len(sys.modules)
            folder = os.environ.get(SOURCE_FOLDER) if self._elsewhere else None
            inside = os.path.join(folder, "") if folder else None
            self._modules = [
                module
                for name, module in list(sys.modules.items())
                if name.startswith(LOADED)
                or (inside is not None and str(getattr(module, "__file__", None)).startswith(inside))
            ]
        return self._modules


def _dumps(value: Any) -> bytes:
    with io.BytesIO() as file:
        _pickler()(file).dump(value)
        return file.getvalue()


@cache
def _pickler() -> Any:
    """A pickler as cloudpickle's, which is loaded when somebody needs it."""
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle is not typed
        dispatch_table: ClassVar[Any] = ChainMap({CodeType: _code}, cloudpickle.Pickler.dispatch_table)

    return Pickler


def _code(code: CodeType) -> Any:
    import cloudpickle

    make, *form = cloudpickle.Pickler.dispatch_table[CodeType](code)
    return _code_of_file, (make, form[0], code.co_filename)


def _code_of_file(make: Any, form: Any, name: str) -> CodeType:
    code: CodeType = make(*form)
    return code.replace(co_filename=name)
