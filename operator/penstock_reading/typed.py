"""Values from a command line, made what a JSON Schema says they are: `5` is a number where it says so, a text where it says text.

Where a schema allows a text and something else, the text counts as the other where it is JSON of it: `null` for an optional text is null.
Where it says nothing, a text stays a text. Pure; a schema's own references are followed, none is fetched.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["BadValueError", "Fields", "types_of", "value_of"]

_DEEPEST = 32
_KINDS: dict[str, type | tuple[type, ...]] = {
    "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict, "null": type(None),
}  # fmt: skip
_EXAMPLES = {
    "integer": "5", "number": "2.5", "boolean": "true or false", "null": "null", "array": '["a", "b"]', "object": '{"key": "value"}',
}  # fmt: skip


class BadValueError(ValueError):
    """A text is nothing that the schema allows; the message says what would be."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of an object that a schema describes.

    Attributes:
        schema: the whole schema, which references lead into.
    """

    schema: Mapping[str, Any]

    @property
    def known(self) -> dict[str, Any]:
        """Each field's schema, by its name."""
        found: dict[str, Any] = {}
        for part in _parts(self.schema, self.schema):
            properties = part.get("properties")
            if isinstance(properties, dict):
                found.update(properties)
        return found

    @property
    def required(self) -> list[str]:
        """The fields that must be there."""
        listed = self.schema.get("required")
        return [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []

    @property
    def open(self) -> bool:
        """Whether fields that it does not name are meant to be given: it says so, or it names none at all."""
        more = self.schema.get("additionalProperties")
        return bool(more) or bool(self.schema.get("patternProperties")) or not self.known

    def value(self, name: str, text: str) -> Any:
        """Return what a field's text means.

        Raises:
            BadValueError: nothing that the field may be.
        """
        return value_of(self.known.get(name, True), text, self.schema)

    def types(self, name: str) -> str:
        """Return in words what a field may be."""
        return " or ".join(types_of(self.known.get(name, True), self.schema)) or "any JSON"


def value_of(schema: Any, text: str, root: Mapping[str, Any]) -> Any:
    """Return what a text means where a schema stands.

    Args:
        schema: the schema of the value.
        text: as it was typed.
        root: the whole schema, which `$ref` leads into.

    Raises:
        BadValueError: the schema allows no text, and the text is no JSON of what it allows.
    """
    types = types_of(schema, root)
    parsed = _json(text)
    choices = list(_choices(schema, root))
    if text in choices:
        return text
    if parsed in [(choice,) for choice in choices]:
        return parsed[0]
    for kind in types:
        if kind != "string" and parsed and _is(parsed[0], kind):
            return int(parsed[0]) if kind == "integer" else parsed[0]
    if not types or "string" in types:
        return text
    if "boolean" in types and text.lower() in ("true", "false"):
        return text.lower() == "true"  # as Python writes it
    examples = ", or ".join(_EXAMPLES[kind] for kind in types if kind in _EXAMPLES)
    raise BadValueError(f"{text!r} is no {' and no '.join(types)} (like {examples})")


def types_of(schema: Any, root: Mapping[str, Any]) -> list[str]:
    """Return the JSON types that a schema names, in its order; empty: it names none."""
    found: list[str] = []
    for part in _parts(schema, root):
        named = part.get("type")
        found += [named] if isinstance(named, str) else [each for each in named or [] if isinstance(each, str)]
    return list(dict.fromkeys(found))


def _choices(schema: Any, root: Mapping[str, Any]) -> Iterator[Any]:
    for part in _parts(schema, root):
        if isinstance(part.get("enum"), list):
            yield from part["enum"]
        if "const" in part:
            yield part["const"]


def _parts(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and those that it refers to, or is one, all or any of."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return
    yield schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        yield from _parts(_referred(reference, root), root, depth + 1)
    for word in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(word) or []:
            yield from _parts(each, root, depth + 1)


def _referred(reference: str, root: Mapping[str, Any]) -> Any:
    if not reference.startswith("#"):
        return None
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or name not in found:
            return None
        found = found[name]
    return found


def _json(text: str) -> tuple[Any] | tuple[()]:
    """Return what a text is as JSON; nothing if it is none. NaN and the like are none."""
    try:
        return (json.loads(text, parse_constant=_no_constant),)
    except (ValueError, RecursionError):
        return ()


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    known = _KINDS.get(kind)
    return known is not None and isinstance(value, known)
