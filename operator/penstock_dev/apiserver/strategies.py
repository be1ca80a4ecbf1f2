"""The small strategies of built-in kinds: namespaces, ConfigMaps, Secrets, ServiceAccounts, Leases, events, RBAC, Deployments."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from .kinds import Env, Strategy
from .names import NAME_PART_WORDS, label, path_segment
from .status import FieldError, forbidden_field, invalid_value, required, unsupported

if TYPE_CHECKING:
    from .store import Object

_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_WORDS = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
DATA_LIMIT = 1024 * 1024


class NamespaceStrategy(Strategy):
    """Namespaces: active at once; deletion is finished by `controllers` when the content is gone."""

    returns_deleted = True

    def name_error(self, name: str) -> str:
        """A namespace's name is a DNS label."""
        return label(name)

    def create(self, obj: Object, env: Env) -> Object:
        """Give it the finalizer of its content, its phase and its name as a label."""
        meta = obj["metadata"]
        name = meta.get("name", "")
        meta = {**meta, "labels": {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": name}}
        return {**obj, "metadata": meta, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}

    def update(self, new: Object, old: Object, subresource: str, env: Env) -> Object:
        """The spec's finalizers belong to the server."""
        return {**new, "spec": old.get("spec", {})}

    def deleting(self, obj: Object) -> Object:
        """It is Terminating until its content is gone."""
        meta = {key: value for key, value in obj["metadata"].items() if key != "deletionGracePeriodSeconds"}
        return {**obj, "metadata": meta, "status": {**(obj.get("status") or {}), "phase": "Terminating"}}

    def held(self, obj: Object) -> bool:
        """Its content goes first."""
        return bool((obj.get("spec") or {}).get("finalizers"))


class DataStrategy(Strategy):
    """ConfigMaps and Secrets: keys, size, `immutable`."""

    def __init__(self, *, secret: bool) -> None:
        self._secret = secret

    def create(self, obj: Object, env: Env) -> Object:
        """A Secret's stringData becomes data; its type is Opaque unless given."""
        if not self._secret:
            return obj
        obj = {"type": "Opaque", **obj}
        return _encoded(obj)

    def update(self, new: Object, old: Object, subresource: str, env: Env) -> Object:
        """As on creation; an absent type is the stored one."""
        return _encoded({"type": old.get("type", "Opaque"), **new}) if self._secret else new

    def validate(self, new: Object, old: Object | None, subresource: str) -> list[FieldError]:
        """Check keys, values, size, and that an immutable object stays."""
        errors = []
        size = 0
        for part in ("data", "binaryData"):
            for key, value in (new.get(part) or {}).items():
                place = f"{part}[{key}]" if self._secret or part else part
                if not _KEY.fullmatch(key) or len(key) > 253 or key in (".", ".."):
                    errors.append(invalid_value(f"{part}[{key}]", key, _KEY_WORDS))
                size += len(value) if isinstance(value, str) else 0
                if part == "binaryData" and key in (new.get("data") or {}):
                    errors.append(invalid_value(place, key, "duplicate of key present in data"))
        if size > DATA_LIMIT:
            place = "data" if self._secret else "[]"
            errors.append(FieldError("FieldValueTooLong", place, f"Too long: may not be more than {DATA_LIMIT} bytes"))
        if old is not None and old.get("immutable"):
            if not new.get("immutable"):
                errors.append(forbidden_field("immutable", "field is immutable when `immutable` is set"))
            errors.extend(
                forbidden_field(part, "field is immutable when `immutable` is set")
                for part in ("data", "binaryData")
                if (new.get(part) or {}) != (old.get(part) or {})
            )
        if self._secret and old is not None and new.get("type") != old.get("type"):
            errors.append(invalid_value("type", new.get("type"), "field is immutable"))
        return errors


def _encoded(secret: Object) -> Object:
    plain = secret.get("stringData")
    out = {key: value for key, value in secret.items() if key != "stringData"}
    if plain:
        data = dict(out.get("data") or {})
        data.update({key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()})
        out["data"] = data
    return out


class AccountStrategy(Strategy):
    """ServiceAccounts."""

    returns_deleted = True


class ClaimStrategy(Strategy):
    """PersistentVolumeClaims: the node has a folder for each that a pod names, so they are bound as soon as they are there."""

    returns_deleted = True

    def create(self, obj: Object, env: Env) -> Object:
        """Bind it, as large as it asks for."""
        spec = {"volumeMode": "Filesystem", **(obj.get("spec") or {})}
        asked = (spec.get("resources") or {}).get("requests") or {}
        status = {"phase": "Bound", "accessModes": spec.get("accessModes") or [], "capacity": asked}
        return {**obj, "spec": spec, "status": status}

    def validate(self, new: Object, old: Object | None, subresource: str) -> list[FieldError]:
        """Check what it must say, and that only its size changes."""
        spec = new.get("spec") or {}
        errors = []
        modes = spec.get("accessModes") or []
        if not modes:
            errors.append(required("spec.accessModes", "at least 1 access mode is required"))
        errors.extend(unsupported("spec.accessModes", mode, _MODES) for mode in modes if mode not in _MODES)
        if "storage" not in ((spec.get("resources") or {}).get("requests") or {}):
            errors.append(required("spec.resources[storage]"))
        if old is not None and any(
            spec.get(key) != (old.get("spec") or {}).get(key)
            for key in {*spec, *(old.get("spec") or {})} - {"resources"}
        ):
            text = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
            errors.append(forbidden_field("spec", text))
        return errors


_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")


class LeaseStrategy(Strategy):
    """Leases; a write must say which version it saw."""

    unconditional_update = False

    def validate(self, new: Object, old: Object | None, subresource: str) -> list[FieldError]:
        """Check the numbers."""
        spec = new.get("spec") or {}
        errors = []
        duration = spec.get("leaseDurationSeconds")
        if duration is not None and duration <= 0:
            errors.append(invalid_value("spec.leaseDurationSeconds", duration, "must be greater than 0"))
        transitions = spec.get("leaseTransitions")
        if transitions is not None and transitions < 0:
            errors.append(invalid_value("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
        return errors


class EventStrategy(Strategy):
    """Events, stored in the form of core v1; `new_api` says how they came in."""

    def __init__(self, *, new_api: bool) -> None:
        self._new_api = new_api

    def create(self, obj: Object, env: Env) -> Object:
        """Fill in the fields that a real server never leaves out."""
        return {**_EVENT_ALWAYS, **obj, "apiVersion": "v1"}

    def update(self, new: Object, old: Object, subresource: str, env: Env) -> Object:
        """As on creation."""
        return self.create(new, env)

    def validate(self, new: Object, old: Object | None, subresource: str) -> list[FieldError]:
        """Check what each of the two APIs requires."""
        errors: list[FieldError] = []
        involved = new.get("involvedObject") or {}
        namespace = new["metadata"].get("namespace", "")
        about = involved.get("namespace", "")
        if about and about != namespace:
            errors.append(invalid_value("involvedObject.namespace", about, "does not match event.namespace"))
        if not about and namespace not in ("default", "kube-system"):
            errors.append(invalid_value("involvedObject.namespace", about, "does not match event.namespace"))
        if self._new_api and old is None:
            if not new.get("eventTime"):
                errors.append(required("eventTime"))
                if new.get("type") not in ("Normal", "Warning"):
                    errors.append(invalid_value("type", "", f"has invalid value: {new.get('type', '')}"))
                return errors
            if not new.get("reportingComponent"):
                errors.append(required("reportingController"))
                errors.append(invalid_value("reportingController", "", "name part must be non-empty"))
                errors.append(invalid_value("reportingController", "", NAME_PART_WORDS))
            if not new.get("reportingInstance"):
                errors.append(required("reportingInstance"))
            for field, limit in (("action", 128), ("reason", 128)):
                if not new.get(field):
                    errors.append(required(field))
                elif len(new[field]) > limit:
                    errors.append(invalid_value(field, "", f"can have at most {limit} characters"))
            if new.get("type") not in ("Normal", "Warning"):
                errors.append(invalid_value("type", "", f"has invalid value: {new.get('type', '')}"))
            if len(new.get("message") or "") > 1024:
                errors.append(invalid_value("message", "", "can have at most 1024 characters"))
        return errors


_EVENT_ALWAYS: dict[str, Any] = {
    "eventTime": None,
    "firstTimestamp": None,
    "lastTimestamp": None,
    "reportingComponent": "",
    "reportingInstance": "",
    "source": {},
}
_EVENT_NAMES = {
    "note": "message",
    "regarding": "involvedObject",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_EVENT_NAMES_BACK = {core: new for new, core in _EVENT_NAMES.items()}


def event_in(obj: Object) -> Object:
    """Return an events.k8s.io/v1 Event in the stored form of core v1."""
    out: dict[str, Any] = {_EVENT_NAMES.get(key, key): value for key, value in obj.items()}
    return {**out, "apiVersion": "v1"} if "apiVersion" in out else out


def event_out(obj: Object) -> Object:
    """Return a stored Event as events.k8s.io/v1 shows it."""
    out: dict[str, Any] = {
        _EVENT_NAMES_BACK.get(key, key): value
        for key, value in obj.items()
        if not (key in ("reportingComponent", "reportingInstance") and not value)
    }
    return {**out, "apiVersion": "events.k8s.io/v1"}


class RoleStrategy(Strategy):
    """Roles and bindings of RBAC, which `authorization` reads."""

    def __init__(self, *, binding: bool) -> None:
        self._binding = binding

    def name_error(self, name: str) -> str:
        """RBAC names may be anything that fits into a path."""
        return path_segment(name)

    def create(self, obj: Object, env: Env) -> Object:
        """Subjects of kinds that RBAC knows get their API group."""
        if not self._binding or not obj.get("subjects"):
            return obj
        group = "rbac.authorization.k8s.io"
        subjects = [{"apiGroup": group, **s} if s.get("kind") in ("User", "Group") else s for s in obj["subjects"]]
        return {**obj, "subjects": subjects}

    def validate(self, new: Object, old: Object | None, subresource: str) -> list[FieldError]:
        """Check the reference of a binding and the rules' verbs."""
        errors = []
        if self._binding:
            role = new.get("roleRef") or {}
            kinds = ("Role", "ClusterRole") if new["kind"] == "RoleBinding" else ("ClusterRole",)
            if role.get("kind") not in kinds:
                errors.append(unsupported("roleRef.kind", role.get("kind", ""), kinds))
            if not role.get("name"):
                errors.append(required("roleRef.name"))
            if old is not None and old.get("roleRef") != new.get("roleRef"):
                errors.append(invalid_value("roleRef", _go_names(role), "cannot change roleRef"))
        else:
            for i, rule in enumerate(new.get("rules") or ()):
                if not rule.get("verbs"):
                    errors.append(required(f"rules[{i}].verbs", "verbs must contain at least one value"))
        return errors


def _go_names(role: dict[str, Any]) -> dict[str, Any]:
    """Return a roleRef as the server prints it: by the names of its own fields."""
    return {"APIGroup": role.get("apiGroup", ""), "Kind": role.get("kind", ""), "Name": role.get("name", "")}


class CountedStrategy(Strategy):
    """Kinds that are only stored, with generations: Deployments, admission policies."""

    counts_generations = True
    checks_schema = True


def default_objects(ca: str) -> list[tuple[str, Object]]:
    """Return what every namespace has from the start: (bucket, object); `ca` is the server's certificate."""
    return [
        ("serviceaccounts.", {"metadata": {"name": "default"}}),
        ("configmaps.", {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": ca}}),
    ]
