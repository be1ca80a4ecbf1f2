"""The verbs on objects: create, get, list, update, patch, delete, as a real server orders their checks.

No HTTP, no time of its own, no waiting: each call reads and writes the store at once, so a request is atomic. Callers: the HTTP
room for clients, `controllers` for the server's own housekeeping. A write goes: decode (strict or pruned) → what may not change is
put back → defaults → validation (metadata, schema, kind, CEL) → policies → store.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import managed, metadata, patches
from .apply import apply
from .decoding import How, decode
from .deletion import DeleteOptions, after_delete, check_preconditions, may_go, timestamp
from .kinds import Env, Registry, Resource
from .paging import Page, paged
from .ratcheting import newly_wrong
from .rules import ABSENT, check_rules, has_rules
from .schema import with_defaults
from .status import (
    ApiError,
    FieldError,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    invalid_value,
    not_found,
    required,
)
from .validation import validate

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from .selectors import Predicate
    from .store import Object, Store

    Admit = Callable[[Resource, str, Object, Object | None], None]

# Wrong in these ways, a value is not shown to CEL rules.
_BLOCKING = frozenset(
    ("FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid")
)
_UNCHECKED = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"
_NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # as the real generator: no vowels, no words
PATCH_TYPES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


@dataclass(slots=True)
class WriteOptions:
    """The query parameters of a write."""

    dry_run: bool = False
    validation: str = "Warn"  # Strict, Warn, Ignore
    manager: str = "unknown"
    force: bool = False
    user: str = ""
    warnings: list[str] = field(default_factory=list)  # receives what goes into Warning headers
    admit: Admit | None = None  # refuses what a policy denies, after validation


class Verbs:
    """Carries out verbs on the store.

    Args:
        store: the objects.
        registry: the kinds (for namespaces).
        clock: seconds since the epoch.
        random: for names and UIDs.
    """

    def __init__(self, store: Store, registry: Registry, clock: Callable[[], float], random: random.Random) -> None:
        self.store = store
        self.registry = registry
        self.clock = clock
        self._random = random

    def env(self, user: str = "") -> Env:
        """Return what strategies see of the world now."""
        seconds = self.clock()
        return Env(self.store, timestamp(seconds), seconds, self.random_name, user)

    def random_name(self, length: int) -> str:
        """Return a random suffix for names."""
        return "".join(self._random.choices(_NAME_LETTERS, k=length))

    # --- reading

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Return an object as stored. Raises 404."""
        found = self.store.get(resource.storage, namespace, name)
        if found is None:
            raise not_found(resource.group, resource.plural, name)
        return found

    def page(
        self, resource: Resource, namespace: str, matches: Predicate | None, limit: int = 0, token: str = ""
    ) -> Page:
        """Return the objects of a kind, a page of them when `limit` is given."""
        items = self.store.objects(resource.storage, namespace)
        if matches is not None:
            items = [obj for obj in items if matches(obj)]
        return paged(items, limit, token)

    # --- writing

    def create(
        self,
        resource: Resource,
        namespace: str,
        body: Any,
        options: WriteOptions,
        own: Callable[[Object], Object] | None = None,
    ) -> Object:
        """Create an object; `own` writes down its ownership, where it is not that of an update."""
        metadata.check_type(body, resource)
        env = self.env(options.user)
        new = decode(resource, body, "body", options.validation, options.warnings)
        if (new.get("metadata") or {}).get("resourceVersion"):
            raise ApiError("", "resourceVersion should not be set on objects to be created", code=500)
        new = metadata.for_create(new, resource, namespace, env, self._uid())
        if resource.namespaced:
            self._check_namespace(resource, namespace, new["metadata"].get("name", ""))
        if resource.custom and resource.has_status:
            new.pop("status", None)
        resource.strategy.admit(new, env)
        new = resource.strategy.create(with_defaults(new, resource.schema), env)
        self._validate(resource, new, None, "", options)
        taken = self.store.get(resource.storage, namespace, new["metadata"]["name"])
        if taken is not None:
            raise already_exists(resource.group, resource.plural, new["metadata"]["name"])
        new = own(new) if own else managed.after_update(new, None, resource, "", options.manager, env.now)
        if options.dry_run:
            return new
        return self.store.put(resource.storage, new)

    def update(
        self, resource: Resource, namespace: str, name: str, subresource: str, body: Any, options: WriteOptions
    ) -> Object:
        """Replace an object (PUT)."""
        metadata.check_type(body, resource)
        old = self.get(resource, namespace, name)
        metadata.check_identity(body, old, resource, name)
        version = (body.get("metadata") or {}).get("resourceVersion")
        if not version and not resource.strategy.unconditional_update:
            error = FieldError(
                "FieldValueInvalid", "metadata.resourceVersion", "Invalid value: 0: must be specified for an update"
            )
            raise invalid(resource.group, resource.plural, name, [error])
        uid = (body.get("metadata") or {}).get("uid")
        if uid and uid != old["metadata"]["uid"]:
            key = "/".join(filter(None, ("/registry", resource.group, resource.plural, namespace, name)))
            why = (
                f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
                f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}"
            )
            raise conflict(resource.group, resource.plural, name, why)
        return self._write(resource, old, body, subresource, options, "body")

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        subresource: str,
        media_type: str,
        body: Any,
        options: WriteOptions,
    ) -> tuple[Object, bool]:
        """Patch an object; an apply patch may create it. Returns the object and whether it is new."""
        old = self.store.get(resource.storage, namespace, name)
        if media_type == "application/apply-patch+yaml":
            return self._apply(resource, namespace, name, subresource, body, old, options)
        if old is None:
            raise not_found(resource.group, resource.plural, name)
        outer = resource.outbound(old) if resource.outbound else old
        if media_type == "application/json-patch+json":
            new = patches.json_patch(outer, body)
        elif media_type == "application/merge-patch+json":
            if not isinstance(body, dict):
                raise bad_request("error decoding patch: the merge patch is no object")
            new = patches.merge(outer, body)
        else:
            new = patches.strategic(outer, body, resource.schema)
        if not isinstance(new, dict):
            raise bad_request("the patched document is no object")
        metadata.check_type(new, resource)
        metadata.check_identity(new, old, resource, name)
        return self._write(resource, old, new, subresource, options, "patch"), False

    def _apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        subresource: str,
        body: Any,
        old: Object | None,
        options: WriteOptions,
    ) -> tuple[Object, bool]:
        metadata.check_type(body, resource)
        if not body.get("apiVersion") or not body.get("kind"):
            raise bad_request(
                "invalid object type: /, Kind=" if not body.get("kind") else "apiVersion must be set in an apply patch"
            )
        if (body.get("metadata") or {}).get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        if (body.get("metadata") or {}).get("name") not in (None, name):
            raise bad_request(
                f"the name of the object ({body['metadata']['name']}) does not match the name on the URL ({name})"
            )
        config = decode(resource, body, "apply", options.validation, options.warnings)
        config = {**config, "metadata": {**config.get("metadata", {}), "name": name}}
        if not subresource and resource.has_status:
            config.pop("status", None)
        now = self.env().now

        def own(new: Object) -> Object:
            return managed.after_apply(new, old, config, resource, subresource, options.manager, now)

        if old is None:
            if subresource:
                raise not_found(resource.group, resource.plural, name)
            return self.create(resource, namespace, config, options, own), True
        new = apply(old, config, resource, subresource, options.manager, force=options.force)
        return self._write(resource, old, new, subresource, options, "patch", own), False

    def _write(
        self,
        resource: Resource,
        old: Object,
        body: Object,
        subresource: str,
        options: WriteOptions,
        how: How,
        own: Callable[[Object], Object] | None = None,
    ) -> Object:
        name = old["metadata"]["name"]
        env = self.env(options.user)
        given = (body.get("metadata") or {}).get("resourceVersion")
        if given and given != old["metadata"]["resourceVersion"]:
            raise conflict(resource.group, resource.plural, name)
        decoded = decode(resource, body, how, options.validation, options.warnings)
        uid = decoded.get("metadata", {}).get("uid")
        if uid and uid != old["metadata"]["uid"]:
            raise invalid(
                resource.group, resource.kind, name, [invalid_value("metadata.uid", uid, "field is immutable")]
            )
        new = metadata.for_update(decoded, old, resource)
        new = _fenced(resource, new, old, subresource)
        new = resource.strategy.update(with_defaults(new, resource.schema), old, subresource, env)
        self._validate(resource, new, old, subresource, options)
        new = self._count_generation(resource, new, old)
        new = own(new) if own else managed.after_update(new, old, resource, subresource, options.manager, env.now)
        if new == old:
            return old
        if options.dry_run:
            return new
        if may_go(new, resource):
            return self.store.remove(resource.storage, new)
        return self.store.put(resource.storage, new)

    def delete(self, resource: Resource, namespace: str, name: str, options: DeleteOptions) -> tuple[Object, bool]:
        """Delete an object. Returns its last form and whether it is gone (else finalizers or its grace keep it)."""
        old = self.get(resource, namespace, name)
        check_preconditions(old, resource, options)
        resource.strategy.admit_delete(old)
        new, leaves = after_delete(old, resource, options, self.clock())
        if options.dry_run or (new == old and not leaves):
            return new, leaves
        return (self.store.remove if leaves else self.store.put)(resource.storage, new), leaves

    def bind(self, resource: Resource, namespace: str, name: str, body: Any) -> Object:
        """Give a pod its node (`pods/binding`), as a scheduler does: once."""
        pod = self.get(resource, namespace, name)
        node = ((body or {}).get("target") or {}).get("name", "") if isinstance(body, dict) else ""
        if not node:
            errors = [FieldError("FieldValueRequired", "target.name", "Required value")]
            raise invalid("", "Binding", name, errors)
        if pod["metadata"].get("deletionTimestamp"):
            raise conflict("", "pods/binding", name, f"pod {name} is being deleted, cannot be assigned to a host")
        if pod["spec"].get("nodeName"):
            why = f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"'
            raise conflict("", "pods/binding", name, why)
        status = pod.get("status") or {}
        conditions = [c for c in status.get("conditions") or () if c.get("type") != "PodScheduled"]
        conditions.append(
            {
                "type": "PodScheduled",
                "status": "True",
                "lastProbeTime": None,
                "lastTransitionTime": timestamp(self.clock()),
            }
        )
        new = {**pod, "spec": {**pod["spec"], "nodeName": node}, "status": {**status, "conditions": conditions}}
        return self.store.put(resource.storage, new)

    # --- parts of a write

    def _uid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _check_namespace(self, resource: Resource, namespace: str, name: str) -> None:
        found = self.store.get("namespaces.", "", namespace)
        if found is None:
            raise not_found("", "namespaces", namespace)
        if found["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
            raise forbidden(resource.group, resource.plural, name, why, [cause])

    def _validate(
        self, resource: Resource, new: Object, old: Object | None, subresource: str, options: WriteOptions
    ) -> None:
        warnings = options.warnings
        errors = metadata.validate(new, old, resource)
        if resource.custom or resource.strategy.checks_schema:
            found = [required(name) for name in resource.schema.required if name not in new]
            # a built-in kind always has its spec, be it empty
            judged = new if resource.custom or "spec" not in resource.schema.properties else {"spec": {}, **new}
            for name, value in judged.items():
                below = resource.schema.properties.get(name)
                if name not in ("metadata", "apiVersion", "kind") and below is not None:
                    validate(value, below, name, found)
            errors += found if old is None else newly_wrong(found, new, old)
        errors += resource.strategy.validate(new, old, subresource)
        if resource.custom:
            if any(error.reason in _BLOCKING for error in errors):
                if has_rules(resource.schema):
                    errors.append(FieldError("FieldValueInvalid", "", f"Invalid value: null: {_UNCHECKED}"))
            else:
                check_rules(new, ABSENT if old is None else old, resource.schema, "", errors, warnings)
        if errors:
            group = "" if resource.inbound else resource.group  # a kind with two faces is judged in its stored one
            raise invalid(group, resource.kind, new["metadata"].get("name", ""), errors)
        warnings.extend(metadata.warnings(new, resource))
        if options.admit is not None:
            options.admit(resource, subresource, new, old)

    def _count_generation(self, resource: Resource, new: Object, old: Object) -> Object:
        if not resource.strategy.counts_generations:
            return new
        ignored = {"metadata", "status"} if resource.has_status else {"metadata"}
        if all(new.get(key) == old.get(key) for key in {*new, *old} - ignored):
            return new
        generation = old["metadata"].get("generation", 0) + 1
        return {**new, "metadata": {**new["metadata"], "generation": generation}}


def _fenced(resource: Resource, new: Object, old: Object, subresource: str) -> Object:
    """Keep a write to its side of the fence between status and the rest."""
    if subresource == "status":
        if resource.custom:
            kept = dict(old)
            kept.pop("status", None)
            if "status" in new:
                kept["status"] = new["status"]
            kept["metadata"] = {**old["metadata"]}
            if "managedFields" in new["metadata"]:
                kept["metadata"]["managedFields"] = new["metadata"]["managedFields"]
            return kept
        meta = {**new["metadata"]}
        meta.pop("ownerReferences", None)
        if "ownerReferences" in old["metadata"]:
            meta["ownerReferences"] = old["metadata"]["ownerReferences"]
        return {**new, "metadata": meta, **({"spec": old["spec"]} if "spec" in old else {})}
    if resource.has_status:
        out = {key: value for key, value in new.items() if key != "status"}
        if "status" in old:
            out["status"] = old["status"]
        return out
    return new


__all__ = ["PATCH_TYPES", "DeleteOptions", "Page", "Verbs", "WriteOptions", "timestamp"]
