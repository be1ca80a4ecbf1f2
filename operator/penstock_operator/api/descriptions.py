"""The texts that explain the fields: each model's attributes with the string that stands behind them, read from the source.

They are read only when a schema is made (`make generate`, `penstock dev`): a program that merely uses the models pays nothing for them.
`kubectl explain` shows them, and docs/fields.md is made of them. Neighbours: `base` puts them into the models' JSON Schemas.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache


@cache
def _of_module(name: str) -> dict[str, dict[str, str]]:
    """Return the texts of a module's classes, by class and attribute."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(sys.modules[name])).body:
        if not isinstance(node, ast.ClassDef):
            continue
        texts = found.setdefault(node.name, {})
        for statement, following in zip(node.body, node.body[1:], strict=False):
            if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
                continue
            value = following.value if isinstance(following, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                texts[statement.target.id] = " ".join(value.value.split())
    return found


def descriptions(model: type) -> dict[str, str]:
    """Return the text behind each attribute of a model, its bases' included.

    Args:
        model: a class whose source is at hand.
    """
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if base.__module__.startswith(__package__ or "\0"):
            found.update(_of_module(base.__module__).get(base.__name__, {}))
    return found
