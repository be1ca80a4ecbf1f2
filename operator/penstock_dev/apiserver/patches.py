"""JSON patch, merge patch and strategic merge patch: an object and a patch in, a new object out. Pure.

Server-side apply is in `apply`. The input is never changed; refusals are `ApiError`s in the server's words.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import jsonpatch

from .status import ApiError, bad_request

if TYPE_CHECKING:
    from .schema import Schema
    from .store import Object

_OPERATIONS_LIMIT = 10_000


def merge(value: Any, patch: Any) -> Any:
    """Return `value` after a JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    out = dict(value) if isinstance(value, dict) else {}
    for key, item in patch.items():
        if item is None:
            out.pop(key, None)
        else:
            out[key] = merge(out.get(key), item)
    return out


def json_patch(obj: Object, operations: Any) -> Any:
    """Return the object after a JSON patch (RFC 6902).

    More lenient than the RFC in two ways of the library that real servers use, where the parent of the path exists: `test` of an
    absent member for null passes, `replace` of one adds it.

    Raises:
        ApiError: 422 for a failed operation, 400 for a document that is no patch, 413 for more than 10,000 operations.
    """
    if not isinstance(operations, list) or not all(isinstance(op, dict) for op in operations):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    if len(operations) > _OPERATIONS_LIMIT:
        raise ApiError(
            "RequestEntityTooLarge",
            f"The allowed maximum operations in a JSON patch is {_OPERATIONS_LIMIT}, got {len(operations)}",
        )
    value: Any = copy.deepcopy(obj)
    for operation in operations:
        if _lenient(value, operation):
            continue
        try:
            value = jsonpatch.JsonPatch([operation]).apply(value, in_place=True)
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, KeyError, TypeError, ValueError) as error:
            raise ApiError("Invalid", "the server rejected our request due to an error in our request", {}) from error
    return value


def _lenient(value: Any, operation: dict[str, Any]) -> bool:
    """Carry out an operation on an absent member, where that is allowed; tell whether it is done."""
    word, path = operation.get("op"), operation.get("path")
    if word not in ("test", "replace") or not isinstance(path, str) or "/" not in path:
        return False
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    for name in parts[:-1]:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return False
    if not isinstance(value, dict) or parts[-1] in value:
        return False
    if word == "test":
        return operation.get("value") is None
    if word == "replace":
        if "value" not in operation:
            return False
        value[parts[-1]] = copy.deepcopy(operation["value"])
    return True


def strategic(value: Any, patch: Any, schema: Schema) -> Any:
    """Return `value` after a strategic merge patch, lists merged by the schema's merge keys.

    Raises:
        ApiError: 400 for a directive that is unknown or misplaced.
    """
    if not isinstance(patch, dict):
        return patch
    patch = dict(patch)
    directive = patch.pop("$patch", None)
    if directive == "replace":
        return _without_directives(patch)
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise bad_request(f"unrecognized {directive!r} in patch: $patch may be replace, delete or merge")
    keep = patch.pop("$retainKeys", None)
    out = dict(value) if isinstance(value, dict) else {}
    if keep is not None:
        out = {key: item for key, item in out.items() if key in keep}
    orders = {
        key.removeprefix("$setElementOrder/"): patch.pop(key)
        for key in list(patch)
        if key.startswith("$setElementOrder/")
    }
    removals = {
        key.removeprefix("$deleteFromPrimitiveList/"): patch.pop(key)
        for key in list(patch)
        if key.startswith("$deleteFromPrimitiveList/")
    }
    for key, gone in removals.items():
        out[key] = [item for item in out.get(key) or [] if item not in gone]
    for key, item in patch.items():
        if item is None:
            out.pop(key, None)
            continue
        below = schema.child(key)
        if isinstance(item, list) and below is not None and "merge" in below.merge_strategy:
            out[key] = _merge_list(out.get(key) or [], item, below)
        elif isinstance(item, dict) and below is not None and not below.free:
            if "replace" in below.merge_strategy and "retainKeys" not in below.merge_strategy:
                out[key] = item
            else:
                out[key] = strategic(out.get(key), item, below)
        elif isinstance(item, dict):
            out[key] = merge(out.get(key), item)
        else:
            out[key] = item
    for key, order in orders.items():
        below = schema.child(key)
        if key in out and below is not None:
            stored = value.get(key) if isinstance(value, dict) else None
            out[key] = _ordered(out[key], order, below.merge_key, stored or [])
    return out


def _merge_list(value: list[Any], patch: list[Any], schema: Schema) -> list[Any]:
    key = schema.merge_key
    if not key:  # a list of plain values: a union
        return [*value, *(item for item in patch if item not in value)]
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if item.get("$patch") != "replace"]
    assert schema.items is not None
    before = {_name(item, key): item for item in value}
    after = dict(before)
    patched: list[Any] = []
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        name = item[key]
        if item.get("$patch") == "delete":
            after.pop(name, None)
            continue
        after[name] = strategic(before.get(name, {}), item, schema.items)
        patched.append(name)
    return _interleaved([name for name in patched if name in after], after, list(before))


def _name(item: Any, key: str) -> Any:
    return item.get(key) if key and isinstance(item, dict) else item


def _interleaved(first: list[Any], items: dict[Any, Any], order: list[Any]) -> list[Any]:
    """Put the items named by the patch in its order, and the others where the old order has them before those.

    `order` is the stored order; an item that it does not know goes before what is compared with it.
    """
    rest = [name for name in items if name not in first]
    out: list[Any] = []
    while first and rest:
        known = first[0] in order and rest[0] in order
        if known and order.index(rest[0]) < order.index(first[0]):
            out.append(items[rest.pop(0)])
        else:
            out.append(items[first.pop(0)])
    return out + [items[name] for name in [*first, *rest]]


def _ordered(value: list[Any], order: list[Any], key: str, before: list[Any]) -> list[Any]:
    """Return a list in the order that a patch asked for; items that it does not name keep their places among them."""
    items = {_name(item, key): item for item in value}
    wanted = [name for name in (_name(item, key) for item in order) if name in items]
    return _interleaved(wanted, items, [_name(item, key) for item in before])


def _without_directives(patch: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in patch.items() if not key.startswith("$")}
