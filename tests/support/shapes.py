"""PodSpecs that are none: each place of the type holding each wrong thing, as a table in a test could not list them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock_operator.api.podspec import Field, Listed, Object, Pairs, Plain

JSON = dict[str, Any]
_WRONG: tuple[Any, ...] = (None, "text", 7, True, 1.5, [], {}, [None], ["text"], [[]], [{}], {"x": None}, {"name": {}})
_DIRECTIVES: tuple[JSON, ...] = ({"$patch": "replace"}, {"$patch": "delete"}, {"$patch": None}, {"$retainKeys": 1})


def misshapen(root: Object) -> list[JSON]:
    """Return templates with one wrong thing each, and the same behind `$patch: replace`."""
    out = []
    for spec in _around(root, 0):
        out.append(spec)
        out.append({"$patch": "replace", **spec})
    return out


def _around(field: Object, depth: int) -> Iterator[JSON]:
    for name, below in field.fields.items():
        for value in _WRONG:
            yield {name: value}
        if isinstance(below, Listed) and depth < 2:
            yield from ({name: [item]} for item in _items(below, depth))
        elif isinstance(below, Object) and depth < 1:
            yield from ({name: value} for value in (*_around(below, depth + 1), *_DIRECTIVES))
        elif isinstance(below, Pairs):
            yield from ({name: {"key": value}} for value in _WRONG)


def _items(field: Listed, depth: int) -> Iterator[Any]:
    if isinstance(field.item, Plain) or not isinstance(field.item, Object):
        return
    key = {field.merge: "engine" if field.merge == "name" else 80} if field.merge else {}
    for value in (*_DIRECTIVES, {"$patch": "merge"}, {"$patch": "replace", "command": ["x"]}):
        yield value
        yield {**key, **value}
    if depth == 0 and field.item.type not in ("Container", "Volume"):
        return
    for item in _around(field.item, depth + 1):
        yield {**key, **item}


__all__ = ["Field", "misshapen"]
