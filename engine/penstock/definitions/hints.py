"""Annotations of parameters, each resolved by itself. Neighbours: `schema` makes models of them."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from inspect import isfunction
from types import SimpleNamespace
from typing import Any

from penstock.base.source import wrapped_by
from penstock.base.texts import text_of


def annotations_of(fn: Any) -> dict[str, Any]:
    """The annotations of a function as they are written; none where Python cannot give them."""
    try:
        found = getattr(fn, "__annotations__", None)
    except NameError:  # evaluated late, with a name that is not there
        import annotationlib  # type: ignore[import-not-found]

        found = annotationlib.get_annotations(fn, format=annotationlib.Format.FORWARDREF)
    return found if isinstance(found, dict) else {}


def hints_of(fn: Any) -> dict[str, Any]:
    """The annotations of a function by parameter name, each resolved by itself; `Unresolved` where that cannot be."""
    target = wrapped_by(fn)
    while issubclass(type(target), partial):
        target = wrapped_by(target.func)
    target = getattr(target, "__func__", target)
    if not isfunction(target):
        target = getattr(type(target), "__call__", target)  # noqa: B004
    names = getattr(target, "__globals__", {})
    around = _closure_of(target)
    return {name: _resolved(target, hint, names, around) for name, hint in annotations_of(target).items()}


def _closure_of(fn: Any) -> dict[str, Any]:
    """What the function sees of the functions around it."""
    code, cells = getattr(fn, "__code__", None), getattr(fn, "__closure__", None)
    found = {}
    for name, cell in zip(code.co_freevars if code is not None else (), cells or (), strict=False):
        with suppress(ValueError):  # not filled yet
            found[name] = cell.cell_contents
    return found


def _resolved(fn: Any, hint: Any, names: dict[str, Any], around: dict[str, Any]) -> Any:
    from typing import get_type_hints

    holder = SimpleNamespace(__annotations__={"it": hint}, __type_params__=getattr(fn, "__type_params__", ()))
    try:
        return get_type_hints(holder, names, around, include_extras=True)["it"]
    except Exception as exc:  # noqa: BLE001  (whatever the evaluation of an annotation raises)
        return Unresolved(hint, exc)


class Unresolved:
    """An annotation that cannot be resolved.

    Args:
        hint: as it is written.
        exc: why.
    """

    def __init__(self, hint: Any, exc: Exception) -> None:
        self.hint = hint
        self.exc = exc

    def error(self, name: str, definition: str) -> NameError:
        """What to raise where the annotation of that parameter is needed."""
        return NameError(
            f"The annotation {self.hint!r} of parameter {name!r} of {definition} cannot be resolved, so its values cannot "
            f"be validated: {text_of(self.exc)}. Import or define it where the module is run, not for type checkers only, "
            "or switch validation off by `validate_parameters=False`."
        )  # fmt: skip
