"""The table of requests: each row is sent to the embedded server and to a real one, in this order, and the answers are compared.

A row is a request as a client sends it. `body` may be a function of the answers so far (by row name). `until` repeats the request
until it has the wanted code (things that a cluster does in its own time). `ignore` names parts of the answer that are not compared;
`says` must be in the answer of both. Every row has its own name.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.apiserver import Answer

JSON = "application/json"
MERGE = "application/merge-patch+json"
JSONP = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

Seen = dict[str, Answer]
NS = "/api/v1/namespaces/table"
WIDGETS = "/apis/example.dev/v1/namespaces/table/widgets"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@dataclass(frozen=True)
class Row:
    name: str
    code: int
    method: str
    path: str | Callable[[Seen], str]
    body: Any = None
    media: str = JSON
    says: str = ""
    ignore: tuple[str, ...] = ()
    until: bool = False
    accept: str = ""


def widget(name: str | None, /, status: Any = None, meta: Any = None, **spec: Any) -> dict[str, Any]:
    out: dict[str, Any] = {
        "apiVersion": "example.dev/v1",
        "kind": "Widget",
        "metadata": {**({"name": name} if name else {}), **(meta or {})},
        "spec": {"size": 1, **spec},
    }
    return out | ({"status": status} if status is not None else {})


def pod(name: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "x:1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], **spec},
    }


def definition() -> dict[str, Any]:
    text = {"type": "string"}
    schema = {
        "type": "object",
        "required": ["spec"],
        "x-kubernetes-validations": [
            {"rule": "self.metadata.name.size() <= 12", "message": "the name has at most 12 characters"},
            {"rule": "!has(oldSelf.status) || has(self.status)", "message": "status may not be removed"},
        ],
        "properties": {
            "apiVersion": text,
            "kind": text,
            "metadata": {
                "type": "object",
                "properties": {
                    "name": {
                        "type": "string",
                        "x-kubernetes-validations": [{"rule": "!self.startsWith('odd')", "message": "no odd name"}],
                    }
                },
            },
            "spec": {
                "type": "object",
                "required": ["size"],
                "x-kubernetes-validations": [
                    {"rule": "!(has(self.left) && has(self.right))", "message": "left or right, not both"},
                    {
                        "rule": "has(self.fixed) == has(oldSelf.fixed) && (!has(self.fixed) || self.fixed == oldSelf.fixed)",
                        "message": "spec.fixed is immutable",
                    },
                    {"rule": "self.size < 1000 || has(self.left)"},
                ],
                "properties": {
                    "size": {"type": "integer", "format": "int32", "minimum": 0},
                    "ratio": {"type": "number", "maximum": 1, "exclusiveMaximum": True},
                    "color": {"type": "string", "enum": ["red", "green"], "default": "red"},
                    "code": {"type": "string", "pattern": "^[a-z]{2,4}$", "maxLength": 4, "minLength": 2},
                    "when": {"type": "string", "format": "date-time"},
                    "left": {"type": "string", "maxLength": 10},
                    "right": {"type": "string", "maxLength": 10},
                    "fixed": {"type": "string", "maxLength": 10},
                    "on": {"type": "boolean"},
                    "maybe": {"type": "string", "nullable": True},
                    "port": {"x-kubernetes-int-or-string": True},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    "labels": {
                        "type": "object",
                        "maxProperties": 2,
                        "additionalProperties": {"type": "string", "maxLength": 5},
                    },
                    "tags": {
                        "type": "array",
                        "maxItems": 3,
                        "x-kubernetes-list-type": "set",
                        "items": {"type": "string", "maxLength": 10},
                    },
                    "parts": {
                        "type": "array",
                        "maxItems": 5,
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["name"],
                        "items": {
                            "type": "object",
                            "required": ["name"],
                            "x-kubernetes-validations": [
                                {
                                    "rule": "!has(oldSelf.count) || self.count >= oldSelf.count",
                                    "message": "count never decreases",
                                }
                            ],
                            "properties": {
                                "name": {"type": "string", "maxLength": 10},
                                "count": {"type": "integer", "default": 1},
                            },
                        },
                    },
                    "nested": {
                        "type": "object",
                        "default": {},
                        "properties": {"deep": {"type": "integer", "default": 7}},
                    },
                },
            },
            "status": {
                "type": "object",
                "properties": {
                    "phase": {"type": "string", "maxLength": 20},
                    "since": {"type": "string", "format": "date-time"},
                    "conditions": {
                        "type": "array",
                        "maxItems": 8,
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["type"],
                        "items": {
                            "type": "object",
                            "required": ["type", "status"],
                            "properties": {"type": text, "status": {"type": "string", "enum": ["True", "False"]}},
                        },
                    },
                },
            },
        },
    }
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Since", "type": "date", "jsonPath": ".status.since"},
        {"name": "Tags", "type": "string", "jsonPath": ".spec.tags", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
        "selectableFields": [{"jsonPath": ".spec.color"}, {"jsonPath": ".status.phase"}],
        "schema": {"openAPIV3Schema": schema},
    }
    names = {
        "plural": "widgets",
        "singular": "widget",
        "kind": "Widget",
        "shortNames": ["wd"],
        "categories": ["things"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.dev"},
        "spec": {"group": "example.dev", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def without(document: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return a copy without the value at a path."""
    out = copy.deepcopy(document)
    here: Any = out
    for name in path[:-1]:
        here = here[int(name)] if isinstance(here, list) else here[name]
    del here[path[-1]]
    return out


def changed(document: dict[str, Any], value: Any, *path: str) -> dict[str, Any]:
    """Return a copy with another value at a path."""
    out = copy.deepcopy(document)
    here: Any = out
    for name in path[:-1]:
        here = here[int(name)] if isinstance(here, list) else here[name]
    here[path[-1]] = value
    return out


def stored(row: str, **spec: Any) -> Callable[[Seen], Any]:
    """Return the object that a row answered, with some of its spec changed."""
    return lambda seen: {**seen[row].body, "spec": {**seen[row].body["spec"], **spec}}


STRICT = "?fieldValidation=Strict"


def put(row: str, **changes: Any) -> Any:
    return lambda seen: {**seen[row].body, **changes}


def no_version(row: str) -> Any:
    def body(seen: Seen) -> Any:
        found = seen[row].body
        return {**found, "metadata": {k: v for k, v in found["metadata"].items() if k != "resourceVersion"}}

    return body


A = WIDGETS + "/a"

VERSION = ("spec", "versions", "0")
SCHEMA = (*VERSION, "schema", "openAPIV3Schema")
SPEC = (*SCHEMA, "properties", "spec", "properties")

DEFINITIONS = [
    Row(
        "crd: wrong name",
        422,
        "POST",
        CRDS,
        changed(definition(), "w.example.dev", "metadata", "name"),
        says="metadata.name",
    ),
    Row(
        "crd: no schema",
        422,
        "POST",
        CRDS,
        without(definition(), *VERSION, "schema"),
        says="openAPIV3Schema",
        ignore=("message", "causes"),
    ),
    Row(
        "crd: no type",
        422,
        "POST",
        CRDS,
        without(definition(), *SPEC, "on", "type"),
        says="must not be empty for specified object fields",
    ),
    Row(
        "crd: bad scope", 422, "POST", CRDS, changed(definition(), "Planet", "spec", "scope"), says="Unsupported value"
    ),
    Row(
        "crd: two storage versions",
        422,
        "POST",
        CRDS,
        changed(definition(), False, *VERSION, "storage"),
        says="storage version",
        ignore=("message", "causes"),
    ),
    Row(
        "crd: bad rule",
        422,
        "POST",
        CRDS,
        changed(definition(), [{"rule": "self.size +"}], *SCHEMA, "properties", "spec", "x-kubernetes-validations"),
        says="x-kubernetes-validations[0].rule",
        ignore=("message", "causes"),
    ),
    Row(
        "crd: array without items",
        422,
        "POST",
        CRDS,
        without(definition(), *SPEC, "tags", "items"),
        says="items",
        ignore=("message", "causes"),
    ),
    Row(
        "crd: unknown field",
        400,
        "POST",
        CRDS + "?fieldValidation=Strict",
        changed(definition(), 1, "spec", "colour"),
        says='unknown field "spec.colour"',
    ),
    Row("crd: created", 201, "POST", CRDS, definition(), ignore=("status", "object")),
    Row(
        "crd: established",
        200,
        "GET",
        CRDS + "/widgets.example.dev",
        until=True,
        says='"NamesAccepted"',
        ignore=("status",),
    ),
    Row("crd: served", 200, "GET", WIDGETS, until=True),
    Row("crd: again", 409, "POST", CRDS, definition()),
    Row("crd: columns", 200, "GET", CRDS, accept=TABLE, ignore=("cells",)),
]
