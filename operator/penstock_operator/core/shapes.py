"""Whether a template has the shape of a PodSpec: looked at as a whole before anything is merged, so that no later step meets a surprise.

A map where a list belongs, an item without its name, a second one of the same name, a directive that kubectl does not know: each is refused
with its place. Fields that `podspec` does not describe are the API server's to judge, which creates pods with strict validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock_operator.api.podspec import Field, Listed, Object, Pairs, Plain

from .faults import Unusable

PATCH = "$patch"
RETAIN = "$retainKeys"
ORDER = "$setElementOrder/"
REMOVE = "$deleteFromPrimitiveList/"

_SCALARS: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "a string"),
    "integer": ((int,), "a whole number"),
    "number": ((int, float), "a number"),
    "boolean": ((bool,), "true or false"),
    "either": ((str, int, float), "a string or a number"),
}


def check_shape(value: Any, field: Field, path: str) -> None:
    """Check that a template can stand where a field stands; a null is a wish to remove.

    Args:
        value: the template, or a part of it.
        field: what belongs there.
        path: where it stands, for the message.

    Raises:
        Unusable: it can't; the message says where.
    """
    if value is None:
        return
    match field:
        case Object():
            _check_object(_map(value, path), field, path)
        case Pairs():
            for key, item in _map(value, path).items():
                if key.startswith("$"):
                    _check_directive(key, item, None, value, path)
                else:
                    check_shape(item, field.value, f"{path}.{key}")
        case Listed():
            _check_list(value, field, path)
        case Plain(kind):
            _check_scalar(value, kind, path)


def identity(item: Mapping[str, Any], field: Listed) -> tuple[Any, ...]:
    """Return what tells an item from all others of its list."""
    defaults = dict(field.defaults)
    return tuple(item.get(key) if item.get(key) is not None else defaults.get(key) for key in field.keys)


def may_repeat(field: Listed) -> bool:
    """Whether two items of a list may well have the same merge key: what names an item names one, an address or a port number may not."""
    return len(field.keys) > 1 or field.merge == "ip"


def _map(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Unusable(f"{path} must be a map, not {_named(value)}")
    return value


def _check_object(value: Mapping[str, Any], field: Object, path: str) -> None:
    fields = field.fields
    for key, item in value.items():
        if key.startswith("$"):
            _check_directive(key, item, fields, value, path)
        elif key in fields:
            check_shape(item, fields[key], f"{path}.{key}")


def _check_list(value: Any, field: Listed, path: str) -> None:
    if not isinstance(value, list):
        raise Unusable(f"{path} must be a list, not {_named(value)}")
    seen: dict[tuple[Any, ...], int] = {}
    for index, item in enumerate(value):
        here = f"{path}[{index}]"
        if item is None:
            raise Unusable(f"{here} must not be null")
        if field.merge:
            if PATCH in _map(item, here):
                _check_item_directive(item, field.merge, here)
                check_shape({key: part for key, part in item.items() if key == field.merge}, field.item, here)
                continue
            name = item.get(field.merge)
            if not isinstance(name, str | int) or isinstance(name, bool):
                raise Unusable(f"{here} has no {field.merge}")
            check_shape(item, field.item, here)
            first = seen.setdefault(identity(item, field), index)
            if first != index and not (may_repeat(field) and len(field.keys) == 1):
                shown = ", ".join(
                    f"{key} {part!r}" for key, part in zip(field.keys, identity(item, field), strict=True)
                )
                raise Unusable(f"{here} is a second item of {shown}: the first is {path}[{first}]")
        else:
            check_shape(item, field.item, here)


def _check_item_directive(item: Mapping[str, Any], key: str, path: str) -> None:
    word = item[PATCH]
    if word == "delete":
        if item.get(key) is None:
            raise Unusable(f"{path} has no {key}, by which {PATCH}: delete knows what to remove")
    elif word != "replace":
        raise Unusable(f"{path}.{PATCH} must be replace or delete, not {word!r}")
    elif len(item) > 1:
        raise Unusable(
            f"{path}: an item {PATCH}: replace stands for the whole list, and what it says besides would be lost:"
            f" write `- {PATCH}: replace` as an item of its own, and beside it all that the list is to hold"
        )


def _check_directive(
    key: str, value: Any, fields: Mapping[str, Field] | None, around: Mapping[str, Any], path: str
) -> None:
    here = f"{path}.{key}"
    if key == PATCH:
        if value not in ("replace", "delete"):
            raise Unusable(f"{here} must be replace or delete, not {value!r}")
        return
    if key == RETAIN:
        kept = _plain_list(value, here)
        lost = [
            name for name, item in around.items() if item is not None and not name.startswith("$") and name not in kept
        ]
        if lost:
            raise Unusable(f"{here} does not keep {lost[0]!r}, which stands beside it")
        return
    for prefix in (ORDER, REMOVE):
        name = key.removeprefix(prefix)
        field = fields.get(name) if fields is not None and name != key else None
        if isinstance(field, Listed) and field.merge is not None and (prefix == ORDER or field.merge == ""):
            _check_order(value, field, around.get(name) if prefix == ORDER else None, here)
            return
    raise Unusable(f"{here} is no directive that could stand here")


def _check_order(value: Any, field: Listed, beside: Any, path: str) -> None:
    """Check an order: names only, each once, and those of the list beside it in the same order."""
    order = _plain_list(value, path) if not field.merge else value
    if not isinstance(order, list):
        raise Unusable(f"{path} must be a list, not {_named(order)}")
    names = []
    for index, item in enumerate(order):
        name = _map(item, f"{path}[{index}]").get(field.merge) if field.merge else item
        if name is None or name in names:
            raise Unusable(
                f"{path}[{index}] {'has no ' + field.merge if name is None and field.merge else 'is there twice'}"
            )
        names.append(name)
    if not isinstance(beside, list):
        return
    brought = [
        item.get(field.merge) if field.merge else item
        for item in beside
        if not (field.merge and isinstance(item, Mapping) and PATCH in item)
    ]
    if brought != [name for name in names if name in brought]:
        raise Unusable(f"{path} must name what the list beside it holds, in the same order")


def _plain_list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list) or not all(isinstance(item, str | int) for item in value):
        raise Unusable(f"{path} must be a list of plain values")
    return value


def _check_scalar(value: Any, kind: str, path: str) -> None:
    if kind == "any":
        return
    types, wanted = _SCALARS[kind]
    fits = isinstance(value, types) and (kind == "boolean" or not isinstance(value, bool))
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        fits = True
    if not fits:
        hint = ": write it in quotes" if kind == "string" and isinstance(value, bool | int | float) else ""
        raise Unusable(f"{path} must be {wanted}, not {_named(value)}{hint}")


def _named(value: Any) -> str:
    if value is None:
        return "null"
    return "map" if isinstance(value, Mapping) else type(value).__name__
