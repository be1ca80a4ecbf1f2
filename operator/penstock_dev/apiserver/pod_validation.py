"""What is wrong with a pod, in a real server's words, for the fields that Penstock and kubectl's users touch. Pure."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from .names import LABEL_WORDS, label, subdomain
from .status import FieldError, duplicate, forbidden_field, invalid_value, required, unsupported

if TYPE_CHECKING:
    from .store import Object

_ENV_NAME = re.compile(r"[ -<>-~]+")
_MAX_INT32 = 2**31 - 1
_UPDATE_WORDS = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_VOLUME_META = {"name"}


def validate_pod(pod: Object) -> list[FieldError]:
    """Return what is wrong with a new pod."""
    spec = pod.get("spec") or {}
    errors: list[FieldError] = []
    volumes = _volumes(spec.get("volumes") or [], errors)
    if not spec.get("containers"):
        errors.append(required("spec.containers"))
    names: set[str] = set()
    for group in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(group) or []):
            _container(container, f"spec.{group}[{i}]", names, volumes, errors)
    if spec.get("restartPolicy") not in ("Always", "OnFailure", "Never"):
        errors.append(unsupported("spec.restartPolicy", spec.get("restartPolicy"), ("Always", "OnFailure", "Never")))
    if spec.get("dnsPolicy") not in ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"):
        known = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
        errors.append(unsupported("spec.dnsPolicy", spec.get("dnsPolicy"), known))
    if spec.get("activeDeadlineSeconds") is not None:
        _deadline(spec["activeDeadlineSeconds"], errors)
    errors.extend(
        invalid_value(f"spec.{field}", spec[field], why)
        for field in ("nodeName", "serviceAccountName")
        if spec.get(field) and (why := subdomain(spec[field]))
    )
    _tolerations(spec.get("tolerations") or [], errors)
    return errors


def _deadline(value: Any, errors: list[FieldError]) -> None:
    if not 1 <= value <= _MAX_INT32:
        errors.append(
            invalid_value("spec.activeDeadlineSeconds", value, f"must be between 1 and {_MAX_INT32}, inclusive")
        )


def _volumes(volumes: list[Any], errors: list[FieldError]) -> set[str]:
    names: set[str] = set()
    for i, volume in enumerate(volumes):
        place = f"spec.volumes[{i}]"
        name = volume.get("name", "")
        if not name:
            errors.append(required(f"{place}.name"))
        elif why := label(name):
            errors.append(invalid_value(f"{place}.name", name, why))
        elif name in names:
            errors.append(duplicate(f"{place}.name", name))
        sources = [key for key in volume if key not in _VOLUME_META]
        if len(sources) > 1:
            errors.append(forbidden_field(f"{place}.{sources[1]}", "may not specify more than 1 volume type"))
        if "configMap" in volume and not volume["configMap"].get("name"):
            errors.append(required(f"{place}.configMap.name"))
        if "secret" in volume and not volume["secret"].get("secretName"):
            errors.append(required(f"{place}.secret.secretName"))
        names.add(name)
    return names


def _container(container: Any, place: str, names: set[str], volumes: set[str], errors: list[FieldError]) -> None:
    name = container.get("name", "")
    if not name:
        errors.append(required(f"{place}.name"))
    elif why := label(name):
        errors.append(invalid_value(f"{place}.name", name, why))
    elif name in names:
        errors.append(duplicate(f"{place}.name", name))
    names.add(name)
    image = container.get("image", "")
    if not image:
        errors.append(required(f"{place}.image"))
    elif image != image.strip():
        errors.append(invalid_value(f"{place}.image", image, "must not have leading or trailing whitespace"))
    if container.get("imagePullPolicy") not in ("Always", "IfNotPresent", "Never"):
        known = ("Always", "IfNotPresent", "Never")
        errors.append(unsupported(f"{place}.imagePullPolicy", container.get("imagePullPolicy"), known))
    if container.get("terminationMessagePolicy") not in ("File", "FallbackToLogsOnError"):
        policies = ("FallbackToLogsOnError", "File")
        errors.append(
            unsupported(f"{place}.terminationMessagePolicy", container.get("terminationMessagePolicy"), policies)
        )
    for i, entry in enumerate(container.get("env") or []):
        _environment(entry, f"{place}.env[{i}]", errors)
    paths: set[str] = set()
    for i, mount in enumerate(container.get("volumeMounts") or []):
        where = f"{place}.volumeMounts[{i}]"
        if not mount.get("name"):
            errors.append(required(f"{where}.name"))
        elif mount["name"] not in volumes:
            errors.append(FieldError("FieldValueNotFound", f"{where}.name", f'Not found: "{mount["name"]}"'))
        if not mount.get("mountPath"):
            errors.append(required(f"{where}.mountPath"))
        elif mount["mountPath"] in paths:
            errors.append(invalid_value(f"{where}.mountPath", mount["mountPath"], "must be unique"))
        paths.add(mount.get("mountPath", ""))


def _environment(entry: Any, place: str, errors: list[FieldError]) -> None:
    name = entry.get("name", "")
    if not name:
        errors.append(required(f"{place}.name"))
    elif not _ENV_NAME.fullmatch(name):
        why = "a valid environment variable name must consist only of printable ASCII characters other than '='"
        errors.append(invalid_value(f"{place}.name", name, why))
    source = entry.get("valueFrom")
    if source is not None:
        if entry.get("value"):
            errors.append(invalid_value(f"{place}.valueFrom", "", "may not be specified when `value` is not empty"))
        if len(source) != 1:
            why = (
                "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
            )
            if len(source) > 1:
                why = "may not have more than one field specified at a time"
            errors.append(invalid_value(f"{place}.valueFrom", "", why))


def _tolerations(tolerations: list[Any], errors: list[FieldError]) -> None:
    for i, toleration in enumerate(tolerations):
        place = f"spec.tolerations[{i}]"
        operator = toleration.get("operator", "Equal") or "Equal"
        if operator not in ("Equal", "Exists"):
            errors.append(unsupported(f"{place}.operator", operator, ("Equal", "Exists")))
        if operator == "Exists" and toleration.get("value"):
            errors.append(
                invalid_value(
                    f"{place}.operator", toleration["value"], "value must be empty when `operator` is 'Exists'"
                )
            )
        if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
            errors.append(
                invalid_value(
                    f"{place}.effect",
                    toleration.get("effect", ""),
                    "effect must be 'NoExecute' when `tolerationSeconds` is set",
                )
            )


def validate_pod_update(new: Object, old: Object) -> list[FieldError]:
    """Return what a change of a pod's spec may not do."""
    errors: list[FieldError] = []
    after, before = new.get("spec") or {}, old["spec"]
    for group in ("initContainers", "containers"):
        if len(after.get(group) or []) != len(before.get(group) or []):
            errors.append(forbidden_field(f"spec.{group}", "pod updates may not add or remove containers"))
            return errors
        for i, container in enumerate(after.get(group) or []):
            if not container.get("image"):
                errors.append(required(f"spec.{group}[{i}].image"))
    _deadline_update(after, before, errors)
    kept = {gate.get("name") for gate in before.get("schedulingGates") or []}
    for i, gate in enumerate(after.get("schedulingGates") or []):
        if gate.get("name") not in kept:
            why = f"only deletion is allowed, but found new scheduling gate '{gate.get('name', '')}'"
            errors.append(forbidden_field(f"spec.schedulingGates[{i}].name", why))
    if any(toleration not in (after.get("tolerations") or []) for toleration in before.get("tolerations") or []):
        errors.append(
            forbidden_field("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")
        )
    if errors:
        return errors
    if _unchangeable(after) != _unchangeable(before):
        changed = sorted(
            key for key in {*after, *before} if _unchangeable(after).get(key) != _unchangeable(before).get(key)
        )
        errors.append(forbidden_field("spec", _UPDATE_WORDS + "\n" + "".join(f"  changed: {key}\n" for key in changed)))
    return errors


def _deadline_update(after: dict[str, Any], before: dict[str, Any], errors: list[FieldError]) -> None:
    new, old = after.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    if new is not None:
        _deadline(new, errors)
    if new is not None and not 0 <= new <= _MAX_INT32:
        errors.append(
            invalid_value("spec.activeDeadlineSeconds", new, f"must be between 0 and {_MAX_INT32}, inclusive")
        )
    elif new is not None and old is not None and new > old:
        errors.append(invalid_value("spec.activeDeadlineSeconds", new, "must be less than or equal to previous value"))
    elif new is None and old is not None:
        errors.append(
            invalid_value("spec.activeDeadlineSeconds", None, "must not update from a positive integer to nil value")
        )


def _unchangeable(spec: dict[str, Any]) -> dict[str, Any]:
    out = copy.deepcopy(spec)
    for field in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        out.pop(field, None)
    for group in ("initContainers", "containers"):
        for container in out.get(group) or []:
            container.pop("image", None)
            container.pop("imagePullPolicy", None)
    return out


__all__ = ["LABEL_WORDS", "validate_pod", "validate_pod_update"]
