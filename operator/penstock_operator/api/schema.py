"""From a pydantic model to the structural schema that a Kubernetes API server accepts.

apiextensions allows a subset of JSON Schema: no `$ref`, no null type, no `const`, `exclusiveMinimum` as a boolean, and nothing beside
`x-kubernetes-preserve-unknown-fields` for free-form maps. What cannot be said is an error here, not a silent gap there.
Source of the rules: the API server's structural-schema validation, tried on real ones (1.30 and 1.36).
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from pydantic import BaseModel

_KEEP = frozenset(
    {
        "type", "format", "pattern", "enum", "default", "nullable", "required", "properties", "items", "additionalProperties",
        "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minimum", "maximum", "description",
        "x-kubernetes-validations", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
        "x-kubernetes-map-type",
    }
)  # fmt: skip
_DROP = frozenset({"title", "examples", "discriminator", "uniqueItems", "$defs"})


def structural(model: type[BaseModel]) -> dict[str, Any]:
    """Return the structural schema of a model.

    Args:
        model: a pydantic model, without recursion and without unions other than `X | None`.

    Raises:
        ValueError: something in the model cannot be said in a structural schema; the message has its path.
    """
    return copy.deepcopy(_structural(model))


@cache
def _structural(model: type[BaseModel]) -> dict[str, Any]:
    """Make a schema once: it takes 50 ms, and whoever asks may change what it gets."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(schema, schema.get("$defs", {}), (model.__name__,), ())


def _convert(
    node: dict[str, Any], defs: dict[str, Any], path: tuple[str, ...], inside: tuple[str, ...]
) -> dict[str, Any]:
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[1]
        if name in inside:
            raise ValueError(f"{'.'.join(path)}: recursive models have no structural schema")
        beside = {k: v for k, v in node.items() if k != "$ref"}
        return _convert({**defs[name], **_over(beside)}, defs, path, (*inside, name))
    if "allOf" in node and len(node["allOf"]) == 1:
        beside = {k: v for k, v in node.items() if k != "allOf"}
        return _convert({**node["allOf"][0], **_over(beside)}, defs, path, inside)
    if "anyOf" in node:
        choices = [c for c in node["anyOf"] if c.get("type") != "null"]
        if len(choices) != 1:
            raise ValueError(f"{'.'.join(path)}: a union of {len(choices)} types has no structural schema")
        beside = {k: v for k, v in node.items() if k not in ("anyOf", "default")}
        return _convert({**choices[0], **_over(beside)}, defs, path, inside)
    out: dict[str, Any] = {}
    for key, value in node.items():
        # Lists of custom resources are merged as a whole: a default inside one shows as a difference at every apply. The models have it.
        if key in _DROP or (key == "default" and (value is None or "[]" in path)):
            continue
        if key == "const":
            out["enum"] = [value]
        elif key == "description":
            out[key] = _text(value, node.get("default"))
        elif key == "properties":
            out[key] = {k: _convert(v, defs, (*path, k), inside) for k, v in value.items()}
        elif key == "items":
            out[key] = _convert(value, defs, (*path, "[]"), inside)
        elif key == "additionalProperties":
            if value is True:
                out["x-kubernetes-preserve-unknown-fields"] = True
            elif value:
                out[key] = _convert(value, defs, (*path, "*"), inside)
        elif key in _KEEP:
            out[key] = value
        else:
            raise ValueError(f"{'.'.join(path)}: {key!r} has no place in a structural schema")
    if out.get("x-kubernetes-preserve-unknown-fields") and "properties" not in out:
        out.pop("additionalProperties", None)
    return out


def _over(beside: dict[str, Any]) -> dict[str, Any]:
    """What stands beside a reference goes over it: a field's own text over that of its type."""
    return {k: v for k, v in beside.items() if k != "title"}


def _text(text: str, default: Any) -> str:
    """Return a description in one line, with the default that a server fills in: kubectl shows no other."""
    line = " ".join(text.split())
    if default is None or isinstance(default, dict) or "Default" in line:
        return line
    shown = str(default).lower() if isinstance(default, bool) else default
    return f"{line} Default: {shown}."
