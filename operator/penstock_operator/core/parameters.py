"""The check of the effective parameters against the flow's JSON Schema, before a pod exists. No reference is ever fetched."""

from __future__ import annotations

from typing import Any

import referencing
import referencing.exceptions
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError, best_match

from .faults import Unusable

# Unquoted keys that YAML 1.1, which kubectl reads, takes for truth values, and writes as these.
_READ_AS = {"true": ("y", "yes", "on"), "false": ("n", "no", "off")}


def bad_parameter(
    schema: dict[str, Any] | None, parameters: dict[str, Any], formats: FormatChecker | None = None
) -> str | None:
    """Return what is wrong with the parameters, led by the path of the bad value, or None.

    Args:
        schema: `parametersSchema`, JSON Schema 2020-12; None allows everything.
        parameters: the effective parameters.
        formats: how texts of a `format` (dates, addresses) look; None: any text will do.

    Raises:
        Unusable: the schema itself is none, refers to something outside itself, or recurses without end.
    """
    if schema is None:
        return None
    try:
        Draft202012Validator.check_schema(schema)
        # An empty registry: a `$ref` to an address would otherwise be fetched, from wherever the operator stands.
        validator = Draft202012Validator(schema, registry=referencing.Registry(), format_checker=formats)
        error = best_match(validator.iter_errors(parameters))
    except SchemaError as e:
        raise Unusable(f"{_path('parametersSchema', e)}: {_line(e.message)}") from None
    except referencing.exceptions.Unresolvable as e:
        raise Unusable(f"parametersSchema: the reference {e.ref!r} leads nowhere (none is fetched)") from None
    except RecursionError:
        raise Unusable("parametersSchema refers to itself without end") from None
    if error is None:
        return None
    return f"{_path('parameters', error)}: {_line(error.message)}{_misread(schema, parameters)}"


def _misread(schema: dict[str, Any], parameters: dict[str, Any]) -> str:
    """What is to be said where YAML has read the name of a parameter as true or false: nobody sees it in the file."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return ""
    for found, words in _READ_AS.items():
        meant = next((name for name in properties if str(name).lower() in words), None)
        if meant is not None and found in parameters and found not in properties:
            return f"; YAML reads the key {meant} as {found}: write '{meant}'"
    return ""


def _path(root: str, error: SchemaError | ValidationError) -> str:
    """Write a path as a person would: parameters.rows[3].id."""
    return root + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path)


def _line(message: str) -> str:
    """One line, and no more of a long value than its beginning."""
    text = " ".join(message.split())
    return text if len(text) <= 400 else f"{text[:300]} … {text[-80:]}"
