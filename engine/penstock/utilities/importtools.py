"""Importing by name: objects, modules, scripts."""

from __future__ import annotations

from penstock.base.importtools import (
    from_qualified_name,
    import_object,
    lazy_import,
    load_module,
    load_script_as_module,
    to_qualified_name,
)

__all__ = [
    "from_qualified_name",
    "import_object",
    "lazy_import",
    "load_module",
    "load_script_as_module",
    "to_qualified_name",
]
