"""Reads the few protobuf bodies that kubectl sends: `create namespace|configmap|secret|serviceaccount|token|role…`, `auth can-i`.

Only requests, only these kinds: everything else is JSON, also every answer. A message is described by its fields' numbers, which
are part of Kubernetes' API and never change. Pure.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from .status import ApiError, bad_request

MEDIA = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"

# number → (name, type); a type is str, bytes, int, bool, another message, or a list or map of one
Message = dict[int, tuple[str, Any]]
_TEXT_MAP, _BYTES_MAP = {"map": str}, {"map": bytes}

_OWNER: Message = {
    1: ("kind", str),
    3: ("name", str),
    4: ("uid", str),
    5: ("apiVersion", str),
    6: ("controller", bool),
    7: ("blockOwnerDeletion", bool),
}
_META: Message = {
    1: ("name", str), 2: ("generateName", str), 3: ("namespace", str), 5: ("uid", str), 6: ("resourceVersion", str),
    11: ("labels", _TEXT_MAP), 12: ("annotations", _TEXT_MAP), 13: ("ownerReferences", [_OWNER]), 14: ("finalizers", [str]),
}  # fmt: skip
_REFERENCE: Message = {1: ("kind", str), 2: ("apiVersion", str), 3: ("name", str), 4: ("uid", str)}
_RULE: Message = {
    1: ("verbs", [str]),
    2: ("apiGroups", [str]),
    3: ("resources", [str]),
    4: ("resourceNames", [str]),
    5: ("nonResourceURLs", [str]),
}
_SUBJECT: Message = {1: ("kind", str), 2: ("apiGroup", str), 3: ("name", str), 4: ("namespace", str)}
_ROLE_REF: Message = {1: ("apiGroup", str), 2: ("kind", str), 3: ("name", str)}
_ROLE: Message = {1: ("metadata", _META), 2: ("rules", [_RULE])}
_BINDING: Message = {1: ("metadata", _META), 2: ("subjects", [_SUBJECT]), 3: ("roleRef", _ROLE_REF)}
_ATTRIBUTES: Message = {
    1: ("namespace", str), 2: ("verb", str), 3: ("group", str), 4: ("version", str), 5: ("resource", str), 6: ("subresource", str),
    7: ("name", str),
}  # fmt: skip
_KINDS: dict[str, Message] = {
    "v1/Namespace": {1: ("metadata", _META)},
    "v1/ConfigMap": {
        1: ("metadata", _META),
        2: ("data", _TEXT_MAP),
        3: ("binaryData", _BYTES_MAP),
        4: ("immutable", bool),
    },
    "v1/Secret": {
        1: ("metadata", _META),
        2: ("data", _BYTES_MAP),
        3: ("type", str),
        4: ("stringData", _TEXT_MAP),
        5: ("immutable", bool),
    },
    "v1/ServiceAccount": {1: ("metadata", _META), 4: ("automountServiceAccountToken", bool)},
    "authentication.k8s.io/v1/TokenRequest": {
        1: ("metadata", _META),
        2: ("spec", {1: ("audiences", [str]), 3: ("boundObjectRef", _REFERENCE), 4: ("expirationSeconds", int)}),
    },
    "authentication.k8s.io/v1/SelfSubjectReview": {1: ("metadata", _META)},
    "authorization.k8s.io/v1/SelfSubjectAccessReview": {
        1: ("metadata", _META),
        2: (
            "spec",
            {
                1: ("resourceAttributes", _ATTRIBUTES),
                2: ("nonResourceAttributes", {1: ("path", str), 2: ("verb", str)}),
            },
        ),
    },
    "rbac.authorization.k8s.io/v1/Role": _ROLE,
    "rbac.authorization.k8s.io/v1/ClusterRole": _ROLE,
    "rbac.authorization.k8s.io/v1/RoleBinding": _BINDING,
    "rbac.authorization.k8s.io/v1/ClusterRoleBinding": _BINDING,
}


def read(data: bytes) -> dict[str, Any]:
    """Return the object of a protobuf body.

    Raises:
        ApiError: 415 for a kind outside these bounds, 400 for bytes that are no message.
    """
    if not data.startswith(_MAGIC):
        raise bad_request("the body of the request is no Kubernetes protobuf message")
    try:
        envelope = _message(
            data[len(_MAGIC) :], {1: ("type", {1: ("apiVersion", str), 2: ("kind", str)}), 2: ("raw", memoryview)}
        )
        about = envelope.get("type", {})
        api_version, kind = about.get("apiVersion", ""), about.get("kind", "")
        fields = _KINDS.get(f"{api_version}/{kind}")
        if fields is None:
            raise ApiError(
                "UnsupportedMediaType",
                f"the embedded development control plane does not read {kind} in {api_version} as protobuf; send JSON "
                "(kubectl apply -f, or create -f, does)",
            )
        return {"apiVersion": api_version, "kind": kind, **_message(envelope.get("raw", b""), fields)}
    except (IndexError, UnicodeDecodeError) as error:
        raise bad_request(f"the body of the request is no Kubernetes protobuf message: {error}") from error


def _message(data: bytes, fields: Message) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for number, value in _fields(data):
        if number not in fields:
            continue
        name, kind = fields[number]
        if isinstance(kind, list):
            out.setdefault(name, []).append(_value(value, kind[0]))
        elif isinstance(kind, dict) and "map" in kind:
            entry = _message(_bytes(value), {1: ("key", str), 2: ("value", kind["map"])})
            out.setdefault(name, {})[entry.get("key", "")] = entry.get("value", "")
        else:
            found = _value(value, kind)
            if found != "":  # Go writes empty text where there is none
                out[name] = found
    return out


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise IndexError("a number where a message should be")
    return value


def _value(value: int | bytes, kind: Any) -> Any:
    if kind is bool:
        return bool(value)
    if kind is int:
        return value
    if kind is str:
        return _bytes(value).decode()
    if kind is bytes:
        return base64.b64encode(_bytes(value)).decode()
    if kind is memoryview:
        return _bytes(value)
    return _message(_bytes(value), kind)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (number, value) of the wire format: varints as numbers, everything with a length as bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
        elif wire == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise IndexError("a message ends too early")
            yield number, data[at : at + size]
            at += size
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise IndexError(f"wire type {wire}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
