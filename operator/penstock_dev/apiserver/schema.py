"""Structural schemas: one compiled form for custom resources and built-in kinds.

A `Schema` is compiled once from an OpenAPI v3 document (a CRD's, or a type of `builtin_schemas.json` with references) and then
walked by the rooms that prune, default, validate, merge and track ownership. Pruning and defaulting live here; validation is in
`validation`, CEL in `rules`. Values are plain JSON; functions return new containers and leave their input alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Resolver = Callable[[str], "Schema"]

_ABSENT: Any = object()


class Schema:
    """A node of a structural schema; attributes are named as in OpenAPI, `x-kubernetes-` left out."""

    __slots__ = (
        "_defaulting",
        "additional",
        "branches",
        "default",
        "document",
        "embedded",
        "format",
        "int_or_string",
        "items",
        "list_type",
        "map_keys",
        "map_type",
        "merge_key",
        "merge_strategy",
        "nullable",
        "pattern",
        "preserve",
        "properties",
        "required",
        "rules",
        "type",
    )

    def __init__(self, document: Mapping[str, Any], resolve: Resolver | None = None) -> None:
        get = document.get
        self.document = document
        self.type: str = get("type", "")
        self.format: str = get("format", "")
        self.properties: dict[str, Schema] = {name: node(sub, resolve) for name, sub in get("properties", {}).items()}
        more = get("additionalProperties")
        self.additional: Schema | None = (
            node(more, resolve) if isinstance(more, dict) else FREE if more is True else None
        )
        self.items: Schema | None = node(document["items"], resolve) if "items" in document else None
        self.required: tuple[str, ...] = tuple(get("required", ()))
        self.default: Any = get("default", _ABSENT)
        self.nullable: bool = get("nullable", False)
        self.preserve: bool = get("x-kubernetes-preserve-unknown-fields", False)
        self.int_or_string: bool = get("x-kubernetes-int-or-string", False) or self.format == "int-or-string"
        self.embedded: bool = get("x-kubernetes-embedded-resource", False)
        self.list_type: str = get("x-kubernetes-list-type", "")
        self.map_keys: tuple[str, ...] = tuple(get("x-kubernetes-list-map-keys", ()))
        self.map_type: str = get("x-kubernetes-map-type", "")
        self.merge_key: str = get("x-kubernetes-patch-merge-key", "")
        self.merge_strategy: tuple[str, ...] = tuple(filter(None, get("x-kubernetes-patch-strategy", "").split(",")))
        self.pattern: re.Pattern[str] | None = (
            re.compile(python_pattern(document["pattern"])) if get("pattern") else None
        )
        self.rules: tuple[Any, ...] = ()  # compiled CEL rules, filled in by `rules.compile_rules`
        self.branches: tuple[tuple[str, tuple[Schema, ...]], ...] = ()
        if not self.int_or_string:
            self.branches = tuple(
                (word, tuple(node(sub, resolve) for sub in _listed(document[word])))
                for word in ("allOf", "anyOf", "oneOf", "not")
                if document.get(word)
            )
        self._defaulting: bool | None = None

    @property
    def free(self) -> bool:
        """True when nothing is known of the value: it is kept and passed on whole."""
        return not self.type and not self.properties and self.additional is None and self.items is None

    def child(self, name: str) -> Schema | None:
        """Return the schema of a member of an object; None when it is unknown."""
        found = self.properties.get(name)
        return found if found is not None else self.additional

    def defaulting(self) -> bool:
        """Tell whether defaults exist below this node (recursive types: those of built-in kinds have none)."""
        if self._defaulting is None:
            self._defaulting = False
            below = [*self.properties.values(), *(s for s in (self.additional, self.items) if s is not None)]
            self._defaulting = any(sub.default is not _ABSENT or sub.defaulting() for sub in below)
        return self._defaulting


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def node(document: Mapping[str, Any], resolve: Resolver | None = None) -> Schema:
    """Compile a schema document.

    Args:
        document: OpenAPI v3 schema.
        resolve: gives the schema of a `$ref`; None where references are not allowed.
    """
    reference = document.get("$ref")
    if isinstance(reference, str) and resolve is not None:
        target = resolve(reference)
        extras = {key: value for key, value in document.items() if key != "$ref"}
        return _Reference(target, extras, resolve) if extras else target
    return Schema(document, resolve)


class _Reference(Schema):
    """A reference that adds something (a default, a merge key) to its target."""

    __slots__ = ()

    def __init__(self, target: Schema, extras: Mapping[str, Any], resolve: Resolver) -> None:
        super().__init__({**target.document, **extras}, resolve)


class Types:
    """Named types with references between them, compiled when first asked for (some refer to themselves)."""

    def __init__(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        self.documents = documents
        self._compiled: dict[str, Schema] = {}

    def __call__(self, name: str) -> Schema:
        """Return the schema of a named type."""
        found = self._compiled.get(name)
        if found is None:
            found = self._compiled[name] = Schema.__new__(Schema)  # there before it is filled: recursion ends here
            found.__init__(self.documents[name], self)  # type: ignore[misc]
        return found


# RE2's classes are ASCII, and its `\s` has no vertical tab.
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": "\\t\\n\\f\\r "}


def python_pattern(pattern: str) -> str:
    r"""Return a pattern of RE2 as Python's `re` takes it: `$` and `\z` mean the very end of the text, `\s` the same characters, in both."""
    out, escaped, in_class = [], False, False
    for char in pattern:
        if escaped:
            out.append(_escape(char, in_class=in_class))
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == "$" and not in_class:
            out.append("\\Z")
        else:
            in_class = char == "[" or (in_class and char != "]")
            out.append(char)
    return "".join(out)


def _escape(char: str, *, in_class: bool) -> str:
    if char in _CLASSES:
        return _CLASSES[char] if in_class else f"[{_CLASSES[char]}]"
    if char.lower() in _CLASSES and not in_class:
        return f"[^{_CLASSES[char.lower()]}]"
    return "\\Z" if char == "z" else "\\" + char


def prune(value: Any, schema: Schema, path: str, unknown: list[str]) -> Any:
    """Return the value without fields that the schema does not know.

    Args:
        value: JSON.
        schema: its schema.
        path: where it is, `spec.template`; "" at the root.
        unknown: receives the paths of what was dropped.
    """
    if isinstance(value, dict):
        if schema.free or schema.embedded:
            return value
        out = {}
        for name, item in value.items():
            below = schema.child(name)
            if below is not None:
                where = f"{path}.{name}" if path else name
                out[name] = prune(item, below, where, unknown)
            elif schema.preserve:
                out[name] = item
            else:
                unknown.append(f"{path}.{name}" if path else name)
        return out if schema.type in ("", "object") else value
    if isinstance(value, list) and schema.items is not None:
        items = schema.items
        return [prune(item, items, f"{path}[{i}]", unknown) for i, item in enumerate(value)]
    return value


def without_nulls(value: Any, schema: Schema) -> Any:
    """Return the value without the nulls that its schema does not allow: they count as absent."""
    if isinstance(value, dict) and not schema.free:
        out = {}
        for name, item in value.items():
            below = schema.child(name)
            if below is None:
                out[name] = item
            elif item is not None or below.nullable or below.free:
                out[name] = without_nulls(item, below)
        return out
    if isinstance(value, list) and schema.items is not None:
        items = schema.items
        return [without_nulls(item, items) for item in value]
    return value


def with_defaults(value: Any, schema: Schema) -> Any:
    """Return the value with the schema's defaults filled in."""
    if isinstance(value, dict):
        if not schema.defaulting():
            return value
        out = dict(value)
        for name, below in schema.properties.items():
            item = out.get(name, _ABSENT)
            if item is _ABSENT:
                if below.default is _ABSENT:
                    continue
                item = below.default
            out[name] = with_defaults(item, below)
        if schema.additional is not None:
            for name in value:
                if name not in schema.properties:
                    out[name] = with_defaults(out[name], schema.additional)
        return out
    if isinstance(value, list) and schema.items is not None and schema.items.defaulting():
        return [with_defaults(item, schema.items) for item in value]
    return value


FREE = Schema({})
