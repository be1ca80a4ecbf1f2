"""CustomResourceDefinitions as objects: what is filled in and what is refused, in a real server's words.

Bounds: no conversion webhooks; CEL functions that the CEL library lacks are refused by name when the definition is written, not when
an object is. The kinds that a definition serves are made in `crds`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .kinds import Env, Strategy
from .rules import compile_rules
from .schema import Schema
from .status import FieldError, forbidden_field, invalid_value, out_of_bounds, required, unsupported
from .validation import validate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .store import Object

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED = (
    "$ref",
    "definitions",
    "dependencies",
    "deprecated",
    "discriminator",
    "id",
    "patternProperties",
    "readOnly",
    "writeOnly",
    "xml",
)


class DefinitionStrategy(Strategy):
    """CustomResourceDefinitions."""

    counts_generations = True
    returns_deleted = True
    checks_schema = True

    def create(self, obj: Object, env: Env) -> Object:
        """Fill in names, conversion and the conditions that say it is served."""
        spec = dict(obj.get("spec") or {})
        names = dict(spec.get("names") or {})
        if names.get("kind"):
            names.setdefault("singular", names["kind"].lower())
            names.setdefault("listKind", names["kind"] + "List")
        spec["names"] = names
        spec.setdefault("conversion", {"strategy": "None"})
        spec["versions"] = list(spec.get("versions") or ())
        stored = [v["name"] for v in spec["versions"] if v.get("storage")]
        status = {
            "conditions": [
                _condition("NamesAccepted", "NoConflicts", "no conflicts found", env.now),
                _condition("Established", "InitialNamesAccepted", "the initial names have been accepted", env.now),
            ],
            "acceptedNames": names,
            "storedVersions": stored,
        }
        return {**obj, "spec": spec, "status": status}

    def held(self, obj: Object) -> bool:
        """The first DELETE never takes it away: its objects go first."""
        return "deletionTimestamp" not in obj["metadata"]

    def deleting(self, obj: Object) -> Object:
        """It stays, with a finalizer, until its objects are gone."""
        meta = obj["metadata"]
        return {**obj, "metadata": {**meta, "finalizers": [*(meta.get("finalizers") or ()), CLEANUP]}}

    def update(self, new: Object, old: Object, subresource: str, env: Env) -> Object:
        """As on creation, with the stored versions kept."""
        if subresource:
            return new
        filled = self.create(new, env)
        before = old.get("status") or {}
        versions = [*before.get("storedVersions", ())]
        versions += [v for v in filled["status"]["storedVersions"] if v not in versions]
        status = {**before, "acceptedNames": filled["spec"]["names"], "storedVersions": versions}
        return {**filled, "status": status}

    def validate(self, new: Object, old: Object | None, subresource: str) -> list[FieldError]:
        """Check names, versions and schemas."""
        if subresource:
            return []
        spec = new["spec"]
        if (spec.get("conversion") or {}).get("strategy", "None") != "None":
            raise out_of_bounds("a conversion webhook")
        names = spec["names"]
        errors = [required(f"spec.names.{field}") for field in ("plural", "kind") if not names.get(field)]
        if not spec.get("group"):
            errors.append(required("spec.group"))
        wanted = f"{names.get('plural', '')}.{spec.get('group', '')}"
        if new["metadata"].get("name") != wanted:
            errors.append(
                invalid_value("metadata.name", new["metadata"].get("name"), 'must be spec.names.plural+"."+spec.group')
            )
        if spec.get("scope") not in ("Cluster", "Namespaced"):
            errors.append(unsupported("spec.scope", spec.get("scope", ""), ("Cluster", "Namespaced")))
        versions = spec["versions"]
        if sum(bool(v.get("storage")) for v in versions) != 1:
            errors.append(
                invalid_value("spec.versions", versions, "must have exactly one version marked as storage version")
            )
        for i, version in enumerate(versions):
            errors.extend(_version(version, f"spec.versions[{i}]", alone=len(versions) == 1))
        if old is not None:
            errors.extend(
                invalid_value(f"spec.{field}", spec.get(field), "field is immutable")
                for field in ("group", "scope")
                if old["spec"].get(field) != spec.get(field)
            )
        return errors


def _condition(kind: str, reason: str, message: str, now: str) -> dict[str, Any]:
    return {"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message}


def _version(version: dict[str, Any], place: str, *, alone: bool) -> Iterator[FieldError]:
    document = (version.get("schema") or {}).get("openAPIV3Schema")
    if document is None:
        yield required(f"{place}.schema.openAPIV3Schema", "schemas are required")
        return
    root = "spec.validation.openAPIV3Schema" if alone else f"{place}.schema.openAPIV3Schema"
    if document.get("type") != "object":
        yield invalid_value(f"{root}.type", document.get("type", ""), "must be object at the root")
    wrong = list(_structure(document, root))
    yield from wrong
    if wrong:
        return
    schema = Schema(document)
    for field, why in compile_rules(schema):
        yield FieldError("FieldValueInvalid", root + field, f"Invalid value: {why}")
    for i, selectable in enumerate(version.get("selectableFields") or ()):
        yield from _selectable(selectable.get("jsonPath", ""), schema, f"{place}.selectableFields[{i}].jsonPath")


def _selectable(path: str, schema: Schema, place: str) -> Iterator[FieldError]:
    here: Schema | None = schema
    for name in path.removeprefix(".").split("."):
        here = here.child(name) if here is not None else None
    if here is None:
        yield invalid_value(place, path, "does not refer to a valid field")
    elif here.type not in ("string", "boolean", "integer"):
        yield invalid_value(
            place,
            path,
            "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.",
        )


def _structure(document: dict[str, Any], place: str) -> Iterator[FieldError]:
    """Yield why a schema is not structural."""
    for word in _UNSUPPORTED:
        if word in document:
            yield forbidden_field(f"{place}.{word}", f"{word} is not supported")
    kind = document.get("type", "")
    flexible = document.get("x-kubernetes-int-or-string") or document.get("x-kubernetes-preserve-unknown-fields")
    if not kind and not flexible:
        yield required(f"{place}.type", "must not be empty for specified object fields")
    if kind and kind not in _TYPES:
        yield unsupported(f"{place}.type", kind, _TYPES)
    if document.get("uniqueItems"):
        yield forbidden_field(
            f"{place}.uniqueItems", "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        )
    if document.get("additionalProperties") is False:
        yield forbidden_field(f"{place}.additionalProperties", "additionalProperties cannot be set to false")
    if "properties" in document and "additionalProperties" in document:
        yield forbidden_field(
            f"{place}.additionalProperties", "additionalProperties and properties are mutual exclusive"
        )
    if kind == "array" and "items" not in document:
        yield required(f"{place}.items", "must be specified")
    if document.get("x-kubernetes-list-type") == "map" and not document.get("x-kubernetes-list-map-keys"):
        yield required(f"{place}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map")
    for name, below in (document.get("properties") or {}).items():
        yield from _structure(below, f"{place}.properties[{name}]")
    if isinstance(document.get("items"), dict):
        yield from _structure(document["items"], f"{place}.items")
    if isinstance(document.get("additionalProperties"), dict):
        yield from _structure(document["additionalProperties"], f"{place}.additionalProperties")
    if "default" in document and (kind or flexible):
        found: list[FieldError] = []
        validate(document["default"], Schema(document), f"{place}.default", found)
        yield from found
