"""What the operator's merge of templates has to know of a PodSpec, made from the API server's own OpenAPI document.

The embedded server's `builtin_schemas.json` is that document, cut to names and types (a test makes it again from a real server and compares).
Of it only the types below PodSpec are kept: which field is a map, a list or a scalar, and by which keys a list is merged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parent / "apiserver/builtin_schemas.json"

_CORE = "io.k8s.api.core.v1."
_ROOT = f"{_CORE}PodSpec"
# Types that are written as a string or a number, whatever their document says.
_EITHER = ("Quantity", "IntOrString")


def pod_spec(types: Mapping[str, Any]) -> dict[str, Any]:
    """Return the types below PodSpec, by their short names.

    Args:
        types: the types of an OpenAPI v3 document by their full names, references as plain names.

    Returns:
        Of each type its fields: a scalar's JSON type, `{"of": type}`, `{"map": field}`, or
        `{"list": field, "merge": key, "keys": [key, …], "defaults": {key: value}}`; `merge` absent: the list is replaced, "": a set of values.
    """
    found: dict[str, Any] = {}
    pending = [_ROOT]
    while pending:
        name = pending.pop()
        short = name.rpartition(".")[2]
        if short not in found:
            properties = types[name].get("properties", {})
            found[short] = {field: _field(schema, types, pending) for field, schema in sorted(properties.items())}
    return dict(sorted(found.items()))


def of_schemas() -> str:
    """Return the file's text from the committed document."""
    return rendered(pod_spec(json.loads(SCHEMAS.read_text())["types"]))


def rendered(found: Mapping[str, Any]) -> str:
    """Return the file's text: a type a line, so that a change reads well."""
    lines = (f"{json.dumps(name)}: {json.dumps(fields, separators=(',', ':'))}" for name, fields in found.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _field(schema: Mapping[str, Any], types: Mapping[str, Any], pending: list[str]) -> Any:
    if "$ref" in schema:
        name = schema["$ref"]
        short = name.rpartition(".")[2]
        if short in _EITHER:
            return "either"
        if "properties" not in types[name]:
            return types[name].get("type", "any")
        pending.append(name)
        return {"of": short}
    kind = schema.get("type")
    if kind == "object":
        below = schema.get("additionalProperties")
        return {"map": _field(below, types, pending) if isinstance(below, Mapping) else "any"}
    if kind != "array":
        return kind or "any"
    items = schema["items"]
    listed: dict[str, Any] = {"list": _field(items, types, pending)}
    if "merge" in schema.get("x-kubernetes-patch-strategy", "").split(","):
        listed["merge"] = schema.get("x-kubernetes-patch-merge-key", "")
        listed["keys"] = schema.get("x-kubernetes-list-map-keys", [listed["merge"]])
        properties = types[items["$ref"]]["properties"] if "$ref" in items else {}
        defaults = {key: properties[key]["default"] for key in listed["keys"] if "default" in properties.get(key, {})}
        if defaults:
            listed["defaults"] = defaults
    return listed
