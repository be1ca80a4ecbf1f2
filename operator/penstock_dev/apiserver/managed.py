"""Field ownership: who wrote which field last (`metadata.managedFields`).

An object is flattened into *leaves*: path → value. A path is a tuple of elements as in FieldsV1: `f:name` for a member,
`k:{"name":"x"}` for an item of a keyed list (the item itself is a leaf too), `v:"x"` for an item of a set. Lists without keys and
atomic maps are one leaf. An update gives its manager the leaves that it changed and takes them from all others. Pure.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .schema import FREE, Schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .kinds import Resource
    from .store import Object

Path = tuple[str, ...]
Leaves = dict[Path, Any]
ITEM: Any = ("item",)  # the value of a list item's own leaf

_UNOWNED_META = frozenset(
    (
        "name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
        "generation", "selfLink", "managedFields",
    )
)  # fmt: skip


def leaves(obj: Object, schema: Schema) -> Leaves:
    """Return the leaves of an object; identity and what the server sets are nobody's."""
    out: Leaves = {}
    for name, value in obj.items():
        if name in ("apiVersion", "kind"):
            continue
        if name == "metadata":
            value = {key: item for key, item in value.items() if key not in _UNOWNED_META}
            if not value:
                continue
        _flatten(value, schema.child(name) or FREE, (f"f:{name}",), out)
    return out


def _flatten(value: Any, schema: Schema, path: Path, out: Leaves) -> None:
    if isinstance(value, dict) and value and schema.map_type != "atomic":
        for name, item in value.items():
            _flatten(item, schema.child(name) or FREE, (*path, f"f:{name}"), out)
    elif isinstance(value, list) and value and schema.list_type == "map":
        assert schema.items is not None
        for item in value:
            here = (*path, item_key(item, schema))
            out[here] = ITEM
            _flatten(item, schema.items, here, out)
    elif isinstance(value, list) and value and schema.list_type == "set":
        for item in value:
            out[(*path, "v:" + json.dumps(item, separators=(",", ":")))] = item
    else:
        out[path] = value


def item_key(item: Any, schema: Schema) -> str:
    """Return the path element of an item of a keyed list."""
    keys = {}
    for key in sorted(schema.map_keys):
        below = schema.items.child(key) if schema.items is not None else None
        default = below.document.get("default") if below is not None else None
        keys[key] = item.get(key, default) if isinstance(item, dict) else None
    return "k:" + json.dumps(keys, separators=(",", ":"))


def encode(paths: Iterable[Path]) -> dict[str, Any]:
    """Return FieldsV1 of a set of paths."""
    root: dict[str, Any] = {}
    for path in sorted(paths):
        here = root
        for element in path:
            here = here.setdefault(element, {})
        if path[-1].startswith("k:"):
            here.setdefault(".", {})
    return root


def decode(fields: dict[str, Any]) -> set[Path]:
    """Return the set of paths of FieldsV1."""
    out: set[Path] = set()

    def walk(here: dict[str, Any], path: Path) -> None:
        for element, below in here.items():
            if element == ".":
                out.add(path)
            elif below:
                walk(below, (*path, element))
            else:
                out.add((*path, element))

    walk(fields, ())
    return out


def entries(obj: Object) -> list[dict[str, Any]]:
    """Return the object's ownership entries; a client may reset them with `[{}]`."""
    return [entry for entry in obj["metadata"].get("managedFields") or [] if entry.get("manager")]


def _is(entry: dict[str, Any], manager: str, operation: str, subresource: str) -> bool:
    return (entry.get("manager"), entry.get("operation"), entry.get("subresource", "")) == (
        manager,
        operation,
        subresource,
    )


def _entry(
    manager: str, operation: str, subresource: str, resource: Resource, now: str, paths: Iterable[Path]
) -> dict[str, Any]:
    entry = {
        "manager": manager,
        "operation": operation,
        "apiVersion": resource.api_version,
        "time": now,
        "fieldsType": "FieldsV1",
        "fieldsV1": encode(paths),
    }
    if subresource:
        entry["subresource"] = subresource
    return entry


def _with(obj: Object, fields: list[dict[str, Any]]) -> Object:
    meta = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    if fields:
        meta["managedFields"] = fields
    return {**obj, "metadata": meta}


def after_update(
    new: Object, old: Object | None, resource: Resource, subresource: str, manager: str, now: str
) -> Object:
    """Return the new object with ownership after a create, update or patch by `manager`."""
    base = new if "managedFields" in new["metadata"] or old is None else old
    fields = entries(base) if old is not None else []
    before = leaves(old, resource.schema) if old is not None else {}
    after = leaves(new, resource.schema)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    touched = changed | (before.keys() - after.keys())
    if not touched:
        return _with(new, fields)
    out = []
    mine: set[Path] = set(changed)
    for entry in fields:
        paths = decode(entry.get("fieldsV1") or {})
        if _is(entry, manager, "Update", subresource):
            mine |= paths & after.keys()
            continue
        left = paths - touched
        if left == paths:
            out.append(entry)
        elif left:
            out.append({**entry, "fieldsV1": encode(left)})
    if mine:
        out.append(_entry(manager, "Update", subresource, resource, now, mine))
    return _with(new, out)


def after_apply(
    new: Object, old: Object | None, config: Object, resource: Resource, subresource: str, manager: str, now: str
) -> Object:
    """Return the new object with ownership after `manager` applied `config`."""
    wanted = leaves(config, resource.schema)
    after = leaves(new, resource.schema)
    before = leaves(old, resource.schema) if old is not None else {}
    taken = {path for path, value in wanted.items() if path in before and before[path] != value}
    gone = before.keys() - after.keys()
    out = []
    mine = encode(wanted.keys() & after.keys())
    for entry in entries(old) if old is not None else []:
        if _is(entry, manager, "Apply", subresource):
            if entry.get("fieldsV1") == mine:
                mine = {}
                out.append(entry)
            continue
        paths = decode(entry.get("fieldsV1") or {})
        left = paths - taken - gone
        if left == paths:
            out.append(entry)
        elif left:
            out.append({**entry, "fieldsV1": encode(left)})
    if mine:
        out.append({**_entry(manager, "Apply", subresource, resource, now, ()), "fieldsV1": mine})
    return _with(new, out)
