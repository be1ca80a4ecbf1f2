"""Validates a value against a structural schema, in a real server's words.

Types, enums, bounds, patterns, formats, required fields, duplicates in lists of type `set` and `map`, and the
all/any/one/not branches. CEL rules come afterwards (`rules`). Pure.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from typing import TYPE_CHECKING, Any

from .status import FieldError, duplicate, invalid_type, invalid_value, required, unsupported

if TYPE_CHECKING:
    from .schema import Schema

_DURATION = re.compile(r"^([-+]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+$|^0$")
_UUID = re.compile(r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


def type_name(value: Any) -> str:
    """Return the JSON type as the server names it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _has_type(value: Any, wanted: str) -> bool:
    if wanted == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type_name(value) == wanted


def validate(value: Any, schema: Schema, path: str, errors: list[FieldError]) -> None:
    """Append what is wrong with a value to `errors`; `path` is its place (`spec.steps[0]`), "" at the root."""
    if value is None:
        if schema.nullable or schema.free:
            return
        if schema.type or schema.int_or_string:
            errors.append(invalid_type(path, "null", schema.type or "integer,string"))
        return
    if schema.int_or_string and not (isinstance(value, str) or _has_type(value, "integer")):
        errors.append(invalid_type(path, type_name(value), "integer,string"))
        return
    if schema.type and not schema.int_or_string and not _has_type(value, schema.type):
        if schema.type == "integer" and isinstance(value, float) and schema.format:
            errors.append(_checked_format(schema, path))
            errors.append(invalid_type(path, "float64", schema.format))
        else:
            if schema.type == "integer" and isinstance(value, float):
                errors.append(_checked_format(schema, path))
            errors.append(invalid_type(path, type_name(value), schema.type))
        return
    document = schema.document
    if "enum" in document and value not in document["enum"]:
        errors.append(unsupported(path, value, document["enum"]))
    if isinstance(value, str):
        _string(value, schema, path, errors)
    elif isinstance(value, dict):
        _object(value, schema, path, errors)
    elif isinstance(value, list):
        _array(value, schema, path, errors)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _number(value, schema, path, errors)
    for word, branches in schema.branches:
        _branches(value, word, branches, path, errors)


def _checked_format(schema: Schema, path: str) -> FieldError:
    wanted = f"with format {schema.format}" if schema.format else "(default format)"
    text = f'Invalid value: "": Checked value must be of type {schema.type} {wanted} in {path}'
    return FieldError("FieldValueInvalid", "", text)


def _string(value: str, schema: Schema, path: str, errors: list[FieldError]) -> None:
    document = schema.document
    if "maxLength" in document and len(value) > document["maxLength"]:
        limit = document["maxLength"]
        errors.append(FieldError("FieldValueTooLong", path, f"Too long: may not be more than {limit} bytes"))
    elif "minLength" in document and len(value) < document["minLength"]:
        errors.append(
            invalid_value(path, value, f"{path} in body should be at least {document['minLength']} chars long")
        )
    elif schema.pattern is not None and not schema.pattern.search(value):
        errors.append(invalid_value(path, value, f"{path} in body should match '{document['pattern']}'"))
    if schema.format and not _format_holds(schema.format, value):
        errors.append(invalid_type(path, value, schema.format))


def _format_holds(name: str, value: str) -> bool:
    if name == "date-time":
        if not _TIME.fullmatch(value):
            return False
        return _parses(lambda: dt.datetime.fromisoformat(value[:19].upper()))
    if name == "date":
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value)) and _parses(lambda: dt.date.fromisoformat(value))
    if name == "duration":
        return bool(_DURATION.match(value))
    if name in ("ipv4", "ipv6"):
        kind = ipaddress.IPv4Address if name == "ipv4" else ipaddress.IPv6Address
        return _parses(lambda: kind(value))
    if name == "cidr":
        return _parses(lambda: ipaddress.ip_network(value, strict=False))
    if name in ("uuid", "uuid4"):
        return bool(_UUID.match(value))
    return True  # an unknown format is no constraint


def _parses(parse: Any) -> bool:
    try:
        parse()
    except ValueError:
        return False
    return True


def _number(value: float, schema: Schema, path: str, errors: list[FieldError]) -> None:
    document = schema.document
    if "minimum" in document:
        least, strict = document["minimum"], document.get("exclusiveMinimum", False)
        if value < least or (strict and value == least):
            word = "greater than" if strict else "greater than or equal to"
            errors.append(invalid_value(path, value, f"{path} in body should be {word} {least}"))
    if "maximum" in document:
        most, strict = document["maximum"], document.get("exclusiveMaximum", False)
        if value > most or (strict and value == most):
            word = "less than" if strict else "less than or equal to"
            errors.append(invalid_value(path, value, f"{path} in body should be {word} {most}"))
    if "multipleOf" in document and value % document["multipleOf"]:
        errors.append(invalid_value(path, value, f"{path} in body should be a multiple of {document['multipleOf']}"))
    if schema.type == "integer" and schema.format in _RANGES:
        low, high = _RANGES[schema.format]
        if not low <= value <= high:
            errors.append(_checked_format(schema, path))


def _object(value: dict[str, Any], schema: Schema, path: str, errors: list[FieldError]) -> None:
    document = schema.document
    errors.extend(required(f"{path}.{name}" if path else name) for name in schema.required if name not in value)
    count = len(value)
    if "maxProperties" in document and count > document["maxProperties"]:
        limit = document["maxProperties"]
        errors.append(FieldError("FieldValueTooMany", path, f"Too many: {count}: must have at most {_items(limit)}"))
    if "minProperties" in document and count < document["minProperties"]:
        errors.append(
            invalid_value(path, value, f"{path} in body should have at least {document['minProperties']} properties")
        )
    for name, item in value.items():
        below = schema.child(name)
        if below is not None:
            validate(item, below, f"{path}.{name}" if path else name, errors)


def _items(limit: int) -> str:
    return f"{limit} item" + ("" if limit == 1 else "s")


def _array(value: list[Any], schema: Schema, path: str, errors: list[FieldError]) -> None:
    document = schema.document
    if "maxItems" in document and len(value) > document["maxItems"]:
        text = f"Too many: {len(value)}: must have at most {_items(document['maxItems'])}"
        errors.append(FieldError("FieldValueTooMany", path, text))
    if "minItems" in document and len(value) < document["minItems"]:
        errors.append(
            invalid_value(path, len(value), f"{path} in body should have at least {_items(document['minItems'])}")
        )
    if schema.items is not None:
        for i, item in enumerate(value):
            validate(item, schema.items, f"{path}[{i}]", errors)
    if schema.list_type in ("set", "map"):
        _duplicates(value, schema, path, errors)


def _duplicates(value: list[Any], schema: Schema, path: str, errors: list[FieldError]) -> None:
    seen: list[Any] = []
    for i, item in enumerate(value):
        shown: Any = item
        if schema.list_type == "map":
            if not isinstance(item, dict):
                errors.append(invalid_value(f"{path}[{i}]", item, "must be an object for an array of list-type map"))
                continue
            shown = {key: item.get(key) for key in sorted(schema.map_keys) if key in item}
        if shown in seen:
            errors.append(duplicate(f"{path}[{i}]", shown))
        else:
            seen.append(shown)


def _branches(value: Any, word: str, branches: tuple[Schema, ...], path: str, errors: list[FieldError]) -> None:
    outcomes: list[list[FieldError]] = []
    for branch in branches:
        found: list[FieldError] = []
        validate(value, branch, path, found)
        outcomes.append(found)
    holding = sum(not found for found in outcomes)
    if word == "allOf":
        for found in outcomes:
            errors.extend(found)
    elif word == "anyOf" and holding == 0:
        errors.append(invalid_value(path, value, f"{path} in body must validate at least one schema (anyOf)"))
        errors.extend(outcomes[0])
    elif word == "oneOf" and holding != 1:
        many = "Found none valid" if holding == 0 else f"Found {holding} valid alternatives"
        errors.append(
            invalid_value(path, value, f"{path} in body must validate one and only one schema (oneOf). {many}")
        )
    elif word == "not" and holding:
        errors.append(invalid_value(path, value, f"{path} in body must not validate the schema (not)"))
