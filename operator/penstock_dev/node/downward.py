"""What a pod can be told about itself: the downward API's fields as text. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .client import Json

__all__ = ["FieldError", "Host", "field", "resource"]

_KEYED = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")


class FieldError(Exception):
    """A field that the downward API does not have."""


@dataclass(frozen=True, slots=True)
class Host:
    """What pods learn about their node.

    Attributes:
        node: the node's name.
        address: its IP address; local processes share it with their pods.
        cpu: CPUs, the limit of containers that set none.
        memory: bytes of memory, likewise.
    """

    node: str
    address: str
    cpu: int
    memory: int


def _quoted(items: Mapping[str, str]) -> str:
    def quote(value: str) -> str:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    return "\n".join(f'{key}="{quote(items[key])}"' for key in sorted(items))


def field(pod: Json, host: Host, path: str) -> str:
    """Return a `fieldRef`'s value; empty when the pod has none.

    Raises:
        FieldError: there is no such field.
    """
    metadata: Mapping[str, Any] = pod["metadata"]
    spec: Mapping[str, Any] = pod["spec"]
    if match := _KEYED.match(path):
        return str((metadata.get(match[1]) or {}).get(match[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        return _quoted(metadata.get(path.partition(".")[2]) or {})
    values = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata.get("namespace", ""),
        "metadata.uid": metadata["uid"],
        "spec.nodeName": host.node,
        "spec.serviceAccountName": spec.get("serviceAccountName") or "default",
        "status.hostIP": host.address,
        "status.hostIPs": host.address,
        "status.podIP": host.address,
        "status.podIPs": host.address,
    }
    if path not in values:
        raise FieldError(f"unsupported fieldPath: {path}")
    return str(values[path])


def resource(pod: Json, host: Host, container: str, name: str, divisor: str) -> str:
    """Return a `resourceFieldRef`'s value: a limit or request of a container, the node's own where it sets none.

    Raises:
        FieldError: there is no such resource.
    """
    kind, _, what = name.partition(".")
    if kind not in ("limits", "requests") or not what:
        raise FieldError(f"unsupported resource: {name}")
    containers = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
    resources = next((c.get("resources") or {} for c in containers if c["name"] == container), {})
    found = (resources.get(kind) or {}).get(what)
    if found is None and kind == "limits":
        found = {"cpu": str(host.cpu), "memory": str(host.memory)}.get(what)
    return str(quantity.divided(str(found or "0"), divisor or "1"))
