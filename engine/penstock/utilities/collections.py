"""Visiting what is inside collections. Neighbours: `core.inputs` rebuilds containers; this visits with a user function."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from penstock.base.annotations import BaseAnnotation, quote
from penstock.base.auto_enum import AutoEnum
from penstock.core.inputs import fields_of, rebuild_dict, rebuild_sequence, with_fields
from penstock.utilities.dicts import (
    deep_merge,
    deep_merge_dicts,
    dict_to_flatdict,
    distinct,
    ensure_iterable,
    flatdict_to_dict,
    get_from_dict,
    listrepr,
    remove_nested_keys,
    set_in_dict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

__all__ = [
    "AutoEnum",
    "BaseAnnotation",
    "StopVisiting",
    "batched_iterable",
    "deep_merge",
    "deep_merge_dicts",
    "dict_to_flatdict",
    "distinct",
    "ensure_iterable",
    "extract_instances",
    "flatdict_to_dict",
    "get_from_dict",
    "isiterable",
    "listrepr",
    "quote",
    "remove_nested_keys",
    "set_in_dict",
    "visit_collection",
]


class StopVisiting(BaseException):
    """Raised by a visitor: what is inside this object is not visited, and the object stays as it is."""


def isiterable(obj: Any) -> bool:
    """Whether the object can be iterated and is neither a text nor a file."""
    import io

    try:
        iter(obj)
    except TypeError:
        return False
    return not isinstance(obj, str | bytes | io.IOBase)


def batched_iterable(iterable: Iterable[Any], size: int) -> Generator[tuple[Any, ...], None, None]:
    """Tuples of `size` elements; the last may be shorter."""
    source = iter(iterable)
    while batch := tuple(islice(source, size)):
        yield batch


def extract_instances(objects: Iterable[Any], types: Any = object) -> Any:
    """The objects of some types: a list for one type, else a dict by type."""
    wanted = types if isinstance(types, tuple) else (types,)
    found: dict[type, list[Any]] = {}
    for item in objects:
        for kind in wanted:
            if isinstance(item, kind):
                found.setdefault(kind, []).append(item)
    return found.get(wanted[0], []) if len(wanted) == 1 else found


def visit_collection(
    expr: Any,
    visit_fn: Callable[..., Any],
    return_data: bool = False,
    max_depth: int = -1,
    context: dict[str, Any] | None = None,
    remove_annotations: bool = False,
    _seen: frozenset[int] = frozenset(),
    _made: dict[int, tuple[Any, Any]] | None = None,
) -> Any:
    """Call a function for every object in nested collections, the outer ones first.

    An object at two places is visited at each, and what takes its place is one object too.

    Args:
        expr: where to begin.
        visit_fn: `visit_fn(obj)` or `visit_fn(obj, context)`; returns what takes the place of the object.
        return_data: return the expression with everything in its new place; containers without changes stay themselves.
        max_depth: how deep to go; 0 visits `expr` alone, -1 has no limit.
        context: a copy of it is passed on each level; annotations met are put in it under "annotation".
        remove_annotations: take annotations off in what is returned.
    """
    if _made is None:
        _made = {}

    def visit(obj: Any) -> Any:
        if context is None:
            return visit_fn(obj)
        return visit_fn(obj, context)

    def inside(obj: Any, ctx: dict[str, Any] | None = context) -> Any:
        return visit_collection(obj, visit_fn, return_data, max_depth - 1, None if ctx is None else ctx.copy(),
                                remove_annotations, _seen | {id(expr)}, _made)  # fmt: skip

    try:
        new = visit(expr)
    except StopVisiting:
        new, max_depth = expr, 0
    result = new if return_data else expr
    if max_depth == 0 or id(expr) in _seen:
        return result if return_data else None
    below = new if return_data else expr
    if isinstance(below, BaseAnnotation):
        ctx = None if context is None else {**context, "annotation": below}
        value = visit_collection(
            below.value, visit_fn, return_data, max_depth if remove_annotations else max_depth - 1, ctx,
            remove_annotations, _seen | {id(expr)}, _made,
        )  # fmt: skip
        if return_data:
            if remove_annotations:
                return value
            return below if value is below.value else below.rewrap(value)
        return None
    changed = _inside(below, inside, return_data)
    if not return_data:
        return None
    if changed is below or context is not None or max_depth > 0:  # what is made depends on where it is
        return changed
    return _made.setdefault(id(expr), (expr, changed))[1]


def _inside(below: Any, inside: Callable[[Any], Any], return_data: bool) -> Any:
    if isinstance(below, dict):
        pairs = [(inside(key), inside(value)) for key, value in below.items()]
        if not return_data or all(a is c and b is d for (a, b), (c, d) in zip(below.items(), pairs, strict=True)):
            return below
        return rebuild_dict(below, pairs)
    if isinstance(below, list | tuple | set | frozenset):
        items = [inside(item) for item in below]
        if not return_data or all(a is b for a, b in zip(below, items, strict=True)):
            return below
        return rebuild_sequence(below, items)
    if isinstance(below, type):
        return below
    changes = {}
    for name, value in fields_of(below):
        item = inside(value)
        if return_data and item is not value:
            changes[name] = item
    return with_fields(below, changes) if changes else below
