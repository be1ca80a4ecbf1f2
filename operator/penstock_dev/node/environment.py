"""A container's environment variables, as a kubelet works them out, and what stands in for the image's own."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import downward
from .mounts import expand
from .sources import Missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .client import Json
    from .downward import Host
    from .mounts import PathMap
    from .sources import Bundle, Sources

__all__ = ["base", "engine_paths", "resolve"]

_NAME = re.compile(r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")
# Of the developer's environment a container sees only this: what a base image would set as well.
_PASSED_ON = ("LANG", "LC_ALL", "TZ")


def base(server: str, scratch: str) -> dict[str, str]:
    """Return what an image and a kubelet give to every container.

    Args:
        server: the API server's base URL.
        scratch: the container's own folder for temporary files.
    """
    address = urlsplit(server)
    path = [str(Path(sys.executable).parent), *os.environ.get("PATH", os.defpath).split(os.pathsep)]
    return {
        **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        "PATH": os.pathsep.join(dict.fromkeys(path)),
        "HOME": scratch,
        "TMPDIR": scratch,
        # What flows print shows at once, as the usual Python images have it.
        "PYTHONUNBUFFERED": "1",
        "KUBERNETES_SERVICE_HOST": address.hostname or "",
        "KUBERNETES_SERVICE_PORT": str(address.port or (443 if address.scheme == "https" else 80)),
    }


def engine_paths(server: str, paths: PathMap, termination_log: str, *, tls: bool) -> dict[str, str]:
    """Return where the engine finds what in a container has a fixed path (each of these variables is one of its settings)."""
    found = {
        "PENSTOCK_INTENT_FILE": paths.host("/run/penstock/podinfo/intent"),
        "PENSTOCK_SOURCE_DIR": paths.host("/run/penstock/flow"),
        "PENSTOCK_TOKEN_FILE": paths.host("/var/run/secrets/kubernetes.io/serviceaccount/token"),
        "PENSTOCK_CA_FILE": paths.host("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt") if tls else None,
        "PENSTOCK_TERMINATION_LOG": termination_log,
        "PENSTOCK_RUN_DIR": paths.host("/run/penstock/scratch"),
        "PENSTOCK_API_SERVER": server,
    }
    return {name: value for name, value in found.items() if value is not None}


async def resolve(pod: Json, container: Json, sources: Sources, host: Host, given: Mapping[str, str]) -> dict[str, str]:
    """Return `envFrom` and `env` of a container, over what is given already.

    Raises:
        Missing: a ConfigMap, Secret or key that is not optional does not exist; the message is the kubelet's.
    """
    namespace = pod["metadata"]["namespace"]
    variables = dict(given)
    fetched: dict[tuple[str, str], Bundle | None] = {}

    async def bundle(kind: str, name: str, *, optional: bool) -> Bundle | None:
        if (kind, name) not in fetched:
            read = sources.config_map if kind == "configmap" else sources.secret
            try:
                fetched[kind, name] = await read(namespace, name)
            except Missing:
                if not optional:
                    raise
                fetched[kind, name] = None
        return fetched[kind, name]

    for entry in container.get("envFrom") or []:
        kind, reference = _reference(entry, "configMapRef", "secretRef")
        found = await bundle(kind, reference["name"], optional=bool(reference.get("optional")))
        for key, value in (found.data if found else {}).items():
            name = entry.get("prefix", "") + key
            if _NAME.match(name):
                variables[name] = value.decode(errors="replace")

    for entry in container.get("env") or []:
        source = entry.get("valueFrom")
        if not source:
            variables[entry["name"]] = expand(entry.get("value") or "", variables)
        elif "fieldRef" in source:
            variables[entry["name"]] = downward.field(pod, host, source["fieldRef"]["fieldPath"])
        elif "resourceFieldRef" in source:
            wanted = source["resourceFieldRef"]
            owner = wanted.get("containerName") or container["name"]
            variables[entry["name"]] = downward.resource(
                pod, host, owner, wanted["resource"], str(wanted.get("divisor") or "1")
            )
        else:
            kind, reference = _reference(source, "configMapKeyRef", "secretKeyRef")
            optional = bool(reference.get("optional"))
            found = await bundle(kind, reference["name"], optional=optional)
            if found is not None and reference["key"] in found.data:
                variables[entry["name"]] = found.data[reference["key"]].decode(errors="replace")
            elif not optional:
                shown = "ConfigMap" if kind == "configmap" else "Secret"
                raise Missing(f"couldn't find key {reference['key']} in {shown} {namespace}/{reference['name']}")
    return variables


def _reference(entry: Mapping[str, Any], config_map: str, secret: str) -> tuple[str, Mapping[str, Any]]:
    if config_map in entry:
        return "configmap", entry[config_map]
    if secret in entry:
        return "secret", entry[secret]
    raise Missing(
        f"penstock dev cannot read a variable from {', '.join(key for key in entry if key != 'prefix') or 'nothing'}"
    )
