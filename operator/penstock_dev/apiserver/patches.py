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

    A `test` of an absent path with the value null passes: the library that real servers use treats both alike.

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
        if operation.get("op") == "test" and operation.get("value") is None and _absent(value, operation.get("path")):
            continue
        try:
            value = jsonpatch.JsonPatch([operation]).apply(value, in_place=True)
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, KeyError, TypeError, ValueError) as error:
            raise ApiError("Invalid", "the server rejected our request due to an error in our request", {}) from error
    return value


def _absent(value: Any, path: Any) -> bool:
    if not isinstance(path, str):
        return False
    for part in path.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            if name not in value:
                return True
            value = value[name]
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return False
    return value is None


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
            out[key] = _ordered(out[key], order, below.merge_key)
    return out


def _merge_list(value: list[Any], patch: list[Any], schema: Schema) -> list[Any]:
    key = schema.merge_key
    if not key:  # a list of plain values: a union
        return [*value, *(item for item in patch if item not in value)]
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if item.get("$patch") != "replace"]
    out = list(value)
    assert schema.items is not None
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        at = next((i for i, old in enumerate(out) if old.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            if at is not None:
                del out[at]
        elif at is None:
            out.append(strategic({}, item, schema.items))
        else:
            out[at] = strategic(out[at], item, schema.items)
    return out


def _ordered(value: list[Any], order: list[Any], key: str) -> list[Any]:
    def name(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    names = [name(item) for item in order]
    listed = sorted((item for item in value if name(item) in names), key=lambda item: names.index(name(item)))
    out: list[Any] = []
    for item in value:  # those the order does not name keep their places
        out.append(item if name(item) not in names else listed.pop(0))
    return out


def _without_directives(patch: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in patch.items() if not key.startswith("$")}
