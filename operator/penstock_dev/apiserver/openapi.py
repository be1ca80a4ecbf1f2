"""OpenAPI v3: the index and one document per group and version, made from the kinds that are served.

kubectl reads them before every apply and create (does the server validate fields?), for explain, and for the merge keys of
built-in lists. Pure, over the registry.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .builtin import Builtin
    from .kinds import Registry, Resource

_PREFIX = "#/components/schemas/"
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def paths(registry: Registry) -> dict[str, list[Resource]]:
    """Return the documents' names (`api/v1`, `apis/<group>/<version>`) and their kinds."""
    out: dict[str, list[Resource]] = {}
    for resource in registry:
        name = f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"
        out.setdefault(name, []).append(resource)
    return out


def index(registry: Registry) -> dict[str, Any]:
    """Return `/openapi/v3`."""
    out = {}
    for name, resources in paths(registry).items():
        digest = hashlib.sha256(json.dumps([_fingerprint(r) for r in resources]).encode()).hexdigest()[:32].upper()
        out[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"}
    return {"paths": out}


def _fingerprint(resource: Resource) -> Any:
    return [resource.plural, resource.schema.document if resource.custom else "builtin"]


def document(resources: list[Resource], builtin: Builtin) -> dict[str, Any]:
    """Return the OpenAPI document of one group and version."""
    schemas: dict[str, Any] = {}
    for resource in resources:
        if resource.custom:
            name = custom_name(resource)
            own = dict(resource.schema.document)
            properties = {
                **own.get("properties", {}),
                "metadata": {"allOf": [{"$ref": _PREFIX + META}], "description": "Standard object's metadata."},
            }
            schemas[name] = {**own, "properties": properties}
            _add(META, schemas, builtin)
        else:
            name = builtin.kinds[f"{resource.api_version}/{resource.kind}"]
            _add(name, schemas, builtin)
        schemas[name] = {
            **schemas[name],
            "x-kubernetes-group-version-kind": [_gvk(resource)],
        }
    return {
        "openapi": "3.0.0",
        "info": {"title": "Penstock's development control plane", "version": "v1"},
        "paths": {path: item for resource in resources for path, item in _paths(resource, builtin).items()},
        "components": {"schemas": schemas},
    }


def custom_name(resource: Resource) -> str:
    """Return the schema name of a custom kind: the group's labels reversed, version, kind."""
    return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])


def _gvk(resource: Resource) -> dict[str, str]:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _add(name: str, schemas: dict[str, Any], builtin: Builtin) -> None:
    if name in schemas:
        return
    schemas[name] = {}
    schemas[name] = _rewritten(builtin.documents[name], schemas, builtin)


def _rewritten(value: Any, schemas: dict[str, Any], builtin: Builtin) -> Any:
    if isinstance(value, list):
        return [_rewritten(item, schemas, builtin) for item in value]
    if not isinstance(value, dict):
        return value
    out = {key: _rewritten(item, schemas, builtin) for key, item in value.items() if key != "$ref"}
    reference = value.get("$ref")
    if isinstance(reference, str):
        _add(reference, schemas, builtin)
        out["allOf"] = [{"$ref": _PREFIX + reference}]
        if len(out) == 1:
            return {"$ref": _PREFIX + reference}
    elif reference is not None:  # a property that is named $ref (JSONSchemaProps)
        out["$ref"] = _rewritten(reference, schemas, builtin)
    return out


def _paths(resource: Resource, builtin: Builtin) -> Mapping[str, Any]:
    base = f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"
    collection = (
        f"{base}/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else f"{base}/{resource.plural}"
    )
    name = custom_name(resource) if resource.custom else builtin.kinds[f"{resource.api_version}/{resource.kind}"]
    body = {"content": {"application/json": {"schema": {"$ref": _PREFIX + name}}}}

    def operation(action: str, *parameters: str) -> dict[str, Any]:
        return {
            "responses": {"200": {"description": "OK", **body}},
            "parameters": [{"name": p, "in": "query", "schema": {"type": "string"}} for p in parameters],
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": _gvk(resource),
        }

    write = ("dryRun", "fieldManager", "fieldValidation")
    item = {
        "get": operation("get"),
        "put": {**operation("put", *write), "requestBody": body},
        "patch": operation("patch", *write, "force"),
        "delete": operation("delete", "dryRun", "gracePeriodSeconds", "propagationPolicy"),
    }
    out = {
        collection: {"get": operation("list"), "post": {**operation("post", *write), "requestBody": body}},
        f"{collection}/{{name}}": item,
    }
    if resource.has_status:
        out[f"{collection}/{{name}}/status"] = {key: item[key] for key in ("get", "put", "patch")}
    return out
