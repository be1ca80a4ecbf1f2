"""Makes `builtin_schemas.json` of the embedded API server from a real server's OpenAPI documents.

Only names and types of fields are kept (no descriptions), of the kinds that the embedded server stores. Run as a program against
the server of a kubeconfig: `python -m tests.support.apiserver_schemas URL TOKEN CA`; a test makes it again and compares.
"""

from __future__ import annotations

import json
import ssl
import sys
import urllib.request
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[2] / "operator/penstock_dev/apiserver/builtin_schemas.json"

KINDS: dict[str, tuple[str, ...]] = {
    "api/v1": (
        "Pod",
        "ConfigMap",
        "Secret",
        "ServiceAccount",
        "PersistentVolumeClaim",
        "Namespace",
        "Event",
        "Node",
        "Binding",
        "TokenRequest",
    ),
    "apis/events.k8s.io/v1": ("Event",),
    "apis/coordination.k8s.io/v1": ("Lease",),
    "apis/rbac.authorization.k8s.io/v1": ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    "apis/admissionregistration.k8s.io/v1": ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
    "apis/apps/v1": ("Deployment",),
    "apis/apiextensions.k8s.io/v1": ("CustomResourceDefinition",),
    "apis/authorization.k8s.io/v1": ("SelfSubjectAccessReview",),
}
KEPT = {
    "$ref", "type", "format", "properties", "items", "additionalProperties", "required", "default", "oneOf",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type",
    "x-kubernetes-patch-strategy", "x-kubernetes-patch-merge-key",
}  # fmt: skip


def _kept(schema: dict[str, Any]) -> dict[str, Any]:
    if "allOf" in schema:  # a reference that carries a default or a description
        schema = {**schema, **schema["allOf"][0]}
    out: dict[str, Any] = {}
    for key in sorted(KEPT & schema.keys()):
        value = schema[key]
        if key == "properties":
            value = {name: _kept(sub) for name, sub in sorted(value.items())}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            value = _kept(value)
        elif key == "$ref":
            value = value.removeprefix("#/components/schemas/")
        elif key == "default" and value in ({}, "", 0, False):  # Go's zero values say nothing
            continue
        out[key] = value
    return out


def _references(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        found = {schema["$ref"]} if isinstance(schema.get("$ref"), str) else set()
        return found.union(*(_references(value) for value in schema.values()))
    if isinstance(schema, list):
        return set().union(*(_references(value) for value in schema))
    return set()


def collect(documents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the file's content from OpenAPI v3 documents by their path in the index."""
    kinds: dict[str, str] = {}
    types: dict[str, Any] = {}
    for path, wanted in KINDS.items():
        schemas = documents[path]["components"]["schemas"]
        for name, schema in schemas.items():
            for gvk in schema.get("x-kubernetes-group-version-kind", ()):
                if gvk["kind"] in wanted:
                    kinds["/".join(filter(None, (gvk["group"], gvk["version"], gvk["kind"])))] = name
        pending = [name for key, name in kinds.items() if name in schemas]
        while pending:
            name = pending.pop()
            if name not in types:
                types[name] = _kept(schemas[name])
                pending.extend(sorted(_references(types[name])))
    return {"kinds": dict(sorted(kinds.items())), "types": dict(sorted(types.items()))}


def rendered(content: dict[str, Any]) -> str:
    """Return the file's text: a type a line, so that a change reads well."""
    lines = [f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in content["types"].items()]
    return '{"kinds": ' + json.dumps(content["kinds"]) + ',\n"types": {\n' + ",\n".join(lines) + "\n}}\n"


def fetch(url: str, token: str, ca: str) -> dict[str, Any]:
    """Return the file's content from a running server."""
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    documents = {}
    for path in KINDS:
        request = urllib.request.Request(f"{url}/openapi/v3/{path}", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, context=context) as answer:
            documents[path] = json.load(answer)
    return collect(documents)


if __name__ == "__main__":
    TARGET.write_text(rendered(fetch(*sys.argv[1:])))
