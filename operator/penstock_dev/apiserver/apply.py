"""Server-side apply: merges an applied configuration into the stored object under field ownership.

What the manager applied before and left out now goes, unless somebody else owns it too; a field that another manager owns with
another value is a conflict, refused unless forced. Bounds: ownership is tracked in one version of a kind. Pure; ownership after
the merge is `managed.after_apply`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .managed import Path, decode, entries, item_key, leaves
from .schema import FREE, Schema
from .status import ApiError

if TYPE_CHECKING:
    from .kinds import Resource
    from .store import Object


def apply(old: Object, config: Object, resource: Resource, subresource: str, manager: str, *, force: bool) -> Object:
    """Return the stored object with an applied configuration merged in.

    Args:
        old: the stored object.
        config: what was applied; only its fields count.
        resource: the kind.
        subresource: "" or "status".
        manager: who applies.
        force: take conflicting fields over.

    Raises:
        ApiError: 409 with one cause for each conflicting field.
    """
    wanted = leaves(config, resource.schema)
    live = leaves(old, resource.schema)
    mine: set[Path] = set()
    others: set[Path] = set()
    conflicts: list[tuple[dict[str, Any], Path]] = []
    for entry in entries(old):
        paths = decode(entry.get("fieldsV1") or {})
        if (entry["manager"], entry.get("operation"), entry.get("subresource", "")) == (manager, "Apply", subresource):
            mine = paths
            continue
        others |= paths
        conflicts.extend(
            (entry, path) for path in sorted(paths & wanted.keys()) if path in live and live[path] != wanted[path]
        )
    if conflicts and not force:
        raise _conflict(conflicts, resource.api_version)
    merged: Object = _merged(
        old, {key: value for key, value in config.items() if key not in ("apiVersion", "kind")}, resource.schema
    )
    gone = mine - wanted.keys() - others
    applied: Object = _without(merged, resource.schema, _tree(gone))
    return applied


def _conflict(conflicts: list[tuple[dict[str, Any], Path]], version: str) -> ApiError:
    causes = []
    groups: dict[str, list[str]] = {}
    for entry, path in conflicts:
        who = f'"{entry["manager"]}"'
        if entry.get("subresource"):
            who += f' with subresource "{entry["subresource"]}"'
        if entry["apiVersion"] != version or entry.get("operation") == "Update":
            who += f" using {entry['apiVersion']}"
        if entry.get("operation") == "Update" and entry.get("time"):
            who += f" at {entry['time']}"
        shown = _shown(path)
        causes.append({"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": shown})
        groups.setdefault(who, []).append(shown)
    parts = []
    for who, fields in groups.items():
        parts.append(
            f"conflict with {who}: {fields[0]}"
            if len(fields) == 1
            else f"conflicts with {who}:\n- " + "\n- ".join(fields)
        )
    count = len(conflicts)
    text = f"Apply failed with {count} conflict{'' if count == 1 else 's'}: " + "\n".join(parts)
    return ApiError("Conflict", text, {"causes": causes})


def _shown(path: Path) -> str:
    out = ""
    for element in path:
        kind, _, rest = element.partition(":")
        if kind == "f":
            out += f".{rest}"
        elif kind == "k":
            out += "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(rest).items()) + "]"
        else:
            out += f"[={rest}]"
    return out


def _merged(live: Any, config: Any, schema: Schema) -> Any:
    if isinstance(config, dict) and isinstance(live, dict) and schema.map_type != "atomic":
        out = dict(live)
        for name, value in config.items():
            out[name] = _merged(live[name], value, schema.child(name) or FREE) if name in live else value
        return out
    if isinstance(config, list) and isinstance(live, list):
        if schema.list_type == "map" and schema.items is not None:
            by_key = {item_key(item, schema): item for item in config}
            out_list = []
            for item in live:
                applied = by_key.pop(item_key(item, schema), None)
                out_list.append(item if applied is None else _merged(item, applied, schema.items))
            return out_list + list(by_key.values())
        if schema.list_type == "set":
            return live + [item for item in config if item not in live]
    return config


def _tree(paths: set[Path]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path in paths:
        here = root
        for element in path:
            here = here.setdefault(element, {})
        here[""] = {}  # the path itself goes
    return root


def _without(value: Any, schema: Schema, tree: dict[str, Any]) -> Any:
    """Return the value without the paths of `tree`; a container that this empties goes as well."""
    if not tree:
        return value
    if isinstance(value, dict):
        out = {}
        for name, item in value.items():
            below = tree.get(f"f:{name}")
            if below is None:
                out[name] = item
                continue
            if set(below) == {""}:
                continue
            left = _without(item, schema.child(name) or FREE, below)
            if left or left == item:
                out[name] = left
        return out
    if isinstance(value, list):
        kept = []
        for item in value:
            element = (
                item_key(item, schema) if schema.list_type == "map" else "v:" + json.dumps(item, separators=(",", ":"))
            )
            below = tree.get(element)
            if below is None:
                kept.append(item)
            elif "" in below:
                continue
            elif schema.items is not None:
                kept.append(_without(item, schema.items, below))
        return kept
    return value
