"""From a client's JSON to an object of a kind: types, unknown fields, nulls – and the refusals in the words of each kind of request.

A custom resource's values are judged later, by its schema; a value of a built-in kind that has another type than the field is refused
here, as Go's decoder does.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any, Literal

from .schema import Schema, prune, without_nulls
from .status import ApiError, FieldError, bad_request, invalid, quoted
from .validation import type_name

if TYPE_CHECKING:
    from .kinds import Resource
    from .store import Object

How = Literal["body", "patch", "apply"]
_GO_TYPES = {"integer": "int", "boolean": "bool", "number": "float64", "object": "struct"}


def decode(resource: Resource, body: Object, how: How, validation: str, warnings: list[str]) -> Object:
    """Return the object in the kind's stored form.

    Args:
        resource: the kind.
        body: the whole object, or the applied part of one.
        how: where it comes from; refusals differ.
        validation: `Strict`, `Warn` or `Ignore`: what happens to unknown fields (a real server's apply always refuses them).
        warnings: receives the unknown fields that are dropped with a warning.

    Raises:
        ApiError: a value of the wrong type, or unknown fields.
    """
    if resource.inbound:
        body = resource.inbound(body)
    _check_types(body, resource)
    unknown: list[str] = []
    kept: Object = without_nulls(prune(body, resource.schema, "", unknown), resource.schema)
    if unknown and how == "apply":
        meta = body.get("metadata") or {}
        where = f"{meta.get('namespace', '')}/{meta.get('name', '')}; {resource.api_version}, Kind={resource.kind}"
        text = f"failed to create typed patch object ({where}): .{unknown[0]}: field not declared in schema"
        raise ApiError("", text, code=500)
    if unknown and validation != "Ignore":
        words = [f'unknown field "{path}"' for path in unknown]
        if validation == "Strict":
            raise _strict(resource, body, how, ", ".join(words))
        warnings.extend(words)
    return kept


def _strict(resource: Resource, body: Object, how: How, words: str) -> ApiError:
    text = f"strict decoding error: {words}"
    if how == "patch":
        shown = quoted(json.dumps(body, separators=(",", ":")))
        return invalid("", "", "", [FieldError("FieldValueInvalid", "patch", f"Invalid value: {shown}: {text}")])
    return bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {text}'
    )


def _check_types(body: Object, resource: Resource) -> None:
    wrong = ""
    if "metadata" in body:
        place = "ObjectMeta" if resource.custom else "ObjectMeta.metadata"
        wrong = _wrong_type(body["metadata"], resource.schema.properties["metadata"], place)
    if not wrong and not resource.custom:
        wrong = _wrong_type(body, resource.schema, resource.kind)
    if wrong:
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {wrong}'
        )


def _wrong_type(value: Any, schema: Schema, path: str) -> str:
    """Return what Go's decoder would say of the first value of a wrong type, "" when there is none."""
    if value is None or schema.free or schema.int_or_string:
        return ""
    if isinstance(value, dict) and schema.type == "object":
        for name, item in value.items():
            below = schema.child(name)
            if below is not None:
                where = f"{path}.{name}" if name in schema.properties else path
                if wrong := _wrong_type(item, below, where):
                    return wrong
        return ""
    if isinstance(value, list) and schema.type == "array" and schema.items is not None:
        return next(filter(None, (_wrong_type(item, schema.items, path) for item in value)), "")
    if schema.type in ("", type_name(value)) or (schema.type == "number" and type_name(value) == "integer"):
        return _wrong_bytes(value) if schema.format == "byte" else ""
    shown = {"integer": "number", "boolean": "bool"}.get(type_name(value), type_name(value))
    return f"json: cannot unmarshal {shown} into Go struct field {path} of type {_go_type(schema)}"


def _go_type(schema: Schema) -> str:
    if schema.type == "array" and schema.items is not None:
        return f"[]{_go_type(schema.items)}"
    return _GO_TYPES.get(schema.type, schema.type)


def _wrong_bytes(value: str) -> str:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return "illegal base64 data at input byte 0"
    return ""
