"""Object metadata: what the server fills in, what may not change, what is refused. Pure, but for the names it is given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .names import label, label_value, qualified_name
from .status import FieldError, bad_request, forbidden_field, invalid, invalid_value, required

if TYPE_CHECKING:
    from .kinds import Env, Resource
    from .store import Object

ANNOTATIONS_LIMIT = 256 * 1024
_SERVER_OWNED = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "generation",
)


def for_create(obj: Object, resource: Resource, namespace: str, env: Env, uid: str) -> Object:
    """Return the object with metadata as a new one has it.

    Raises:
        ApiError: the namespace of the body is another one than the path's; neither name nor generateName.
    """
    meta = {
        key: value for key, value in obj.get("metadata", {}).items() if key not in (*_SERVER_OWNED, "resourceVersion")
    }
    meta = {key: value for key, value in meta.items() if value is not None}
    if resource.namespaced:
        if meta.get("namespace") not in (None, "", namespace):
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        meta["namespace"] = namespace
    elif meta.pop("namespace", ""):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"][:58] + env.random_name(5)
    meta["uid"] = uid
    meta["creationTimestamp"] = env.now
    if resource.strategy.counts_generations:
        meta["generation"] = 1
    return {"apiVersion": resource.api_version, "kind": resource.kind, **_body(obj), "metadata": meta}


def _body(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}


def for_update(new: Object, old: Object, resource: Resource) -> Object:
    """Return the new object with the server's own metadata put back."""
    before = old["metadata"]
    meta = {
        key: value for key, value in new.get("metadata", {}).items() if key not in _SERVER_OWNED and value is not None
    }
    for key in (*_SERVER_OWNED, "resourceVersion", "namespace", "name"):
        if key in before:
            meta[key] = before[key]
    return {"apiVersion": resource.api_version, "kind": resource.kind, **_body(new), "metadata": meta}


def validate(obj: Object, old: Object | None, resource: Resource) -> list[FieldError]:
    """Return what is wrong with the metadata."""
    meta = obj["metadata"]
    errors: list[FieldError] = []
    name = meta.get("name")
    if old is None:
        if not name:
            errors.append(required("metadata.name", "name or generateName is required"))
        elif why := resource.strategy.name_error(name):
            errors.append(invalid_value("metadata.name", name, why))
        if "namespace" in meta and (why := label(meta["namespace"])):
            errors.append(invalid_value("metadata.namespace", meta["namespace"], why))
    for key, value in (meta.get("labels") or {}).items():
        if why := qualified_name(key):
            errors.append(invalid_value("metadata.labels", key, why))
        if why := label_value(value):
            errors.append(invalid_value("metadata.labels", value, why))
    annotations = meta.get("annotations") or {}
    errors.extend(
        invalid_value("metadata.annotations", key, why) for key in annotations if (why := qualified_name(key.lower()))
    )
    if sum(len(k.encode()) + len(str(v).encode()) for k, v in annotations.items()) > ANNOTATIONS_LIMIT:
        errors.append(
            FieldError(
                "FieldValueTooLong", "metadata.annotations", f"Too long: may not be more than {ANNOTATIONS_LIMIT} bytes"
            )
        )
    errors.extend(_owners(meta.get("ownerReferences") or []))
    errors.extend(_finalizers(meta, old, resource))
    return errors


def _owners(references: list[dict[str, Any]]) -> list[FieldError]:
    errors = []
    controllers = []
    for reference in references:
        for key in ("apiVersion", "kind", "name", "uid"):
            if not reference.get(key):
                words = "version must not be empty" if key == "apiVersion" else "must not be empty"
                errors.append(invalid_value(f"metadata.ownerReferences.{key}", reference.get(key, ""), words))
        if reference.get("controller"):
            controllers.append(f"{reference.get('kind')}/{reference.get('name')}")
    if len(controllers) > 1:
        words = 'Only one reference can have Controller set to true. Found "true" in references for ' + " and ".join(
            controllers[:2]
        )
        order = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
        shown = [{key: reference[key] for key in order if key in reference} for reference in references]
        errors.append(invalid_value("metadata.ownerReferences", shown, words))
    return errors


def _finalizers(meta: dict[str, Any], old: Object | None, resource: Resource) -> list[FieldError]:
    errors = []
    finalizers = meta.get("finalizers") or []
    for finalizer in finalizers:
        if why := qualified_name(finalizer):
            errors.append(invalid_value("metadata.finalizers", finalizer, why))
        elif (
            not resource.custom
            and "/" not in finalizer
            and finalizer not in ("orphan", "foregroundDeletion", "kubernetes")
        ):
            text = "name is neither a standard finalizer name nor is it fully qualified"
            errors.append(invalid_value("metadata.finalizers", finalizer, text))
    if old is not None and old["metadata"].get("deletionTimestamp"):
        added = [f for f in finalizers if f not in (old["metadata"].get("finalizers") or [])]
        if added:
            shown = ", ".join(f'"{f}"' for f in added)
            text = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{shown}}}"
            errors.append(forbidden_field("metadata.finalizers", text))
    return errors


def warnings(obj: Object, resource: Resource) -> list[str]:
    """Return what is allowed and unwise."""
    return [
        f'metadata.finalizers: "{finalizer}": prefer a domain-qualified finalizer name to avoid accidental conflicts with other '
        "finalizer writers"
        for finalizer in obj["metadata"].get("finalizers") or ()
        if resource.custom and "/" not in finalizer and finalizer not in ("orphan", "foregroundDeletion", "kubernetes")
    ]


def check_identity(new: Object, old: Object, resource: Resource, name: str) -> None:
    """Refuse a body that names another object than the path.

    Raises:
        ApiError: 400 for another name or namespace.
    """
    meta = new.get("metadata") or {}
    if not meta.get("name"):
        raise bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if meta["name"] != name:
        raise bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")
    if resource.namespaced and meta.get("namespace") not in (None, "", old["metadata"].get("namespace")):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def check_type(obj: Any, resource: Resource) -> None:
    """Refuse a body of another kind.

    Raises:
        ApiError: 400.
    """
    if not isinstance(obj, dict):
        raise bad_request("the body of the request is no object")
    version, kind = obj.get("apiVersion"), obj.get("kind")
    if resource.custom and not (version and kind):
        missing, text = ("Kind" if not kind else "apiVersion"), json.dumps(obj)
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): Object '{missing}' is missing in "
            f"'{text}' ({text})"
        )
    if version not in (None, "", resource.api_version):
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )
    if kind not in (None, "", resource.kind):
        if resource.custom:
            name = (obj.get("metadata") or {}).get("name", "")
            raise invalid(resource.group, str(kind), name, [invalid_value("kind", kind, f"must be {resource.kind}")])
        raise bad_request(
            f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}: converting (v1.{kind}) to '
            f"(core.{resource.kind}): unknown conversion"
        )
    if not isinstance(obj.get("metadata") or {}, dict):
        raise bad_request("the object's metadata is no object")
