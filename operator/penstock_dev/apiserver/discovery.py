"""Discovery: which groups, versions and kinds are served, in the old form and in the aggregated one. Pure, over the registry."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .kinds import Registry, Resource

GIT_VERSION = "v1.36.3"

_SUBRESOURCE_KINDS = {
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
    "binding": ("", "v1", "Binding"),
}


def version() -> dict[str, str]:
    """Return `/version`: the Kubernetes release whose API this server follows, and its own mark."""
    return {
        "major": "1",
        "minor": "36",
        "gitVersion": f"{GIT_VERSION}+penstock-dev",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "none",
        "platform": "any",
    }


def core_versions() -> dict[str, Any]:
    """Return `/api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}],
    }


def _groups(registry: Registry) -> dict[str, dict[str, list[Resource]]]:
    groups: dict[str, dict[str, list[Resource]]] = defaultdict(lambda: defaultdict(list))
    groups[""]["v1"] = []
    for resource in registry:
        groups[resource.group][resource.version].append(resource)
    for group_name, _ in REVIEWS:
        groups[group_name]["v1"] = []
    return groups


def _group(name: str, versions: dict[str, list[Resource]]) -> dict[str, Any]:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def group_list(registry: Registry) -> dict[str, Any]:
    """Return `/apis`."""
    groups = [_group(name, versions) for name, versions in _groups(registry).items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(registry: Registry, name: str) -> dict[str, Any] | None:
    """Return `/apis/<group>`, None when there is no such group."""
    versions = _groups(registry).get(name)
    return None if not versions or not name else {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


REVIEWS: dict[tuple[str, str], dict[str, Any]] = {
    (group, kind.lower() + "s"): {
        "name": kind.lower() + "s",
        "singularName": kind.lower(),
        "namespaced": False,
        "kind": kind,
        "verbs": ["create"],
    }
    for group, kind in (
        ("authorization.k8s.io", "SelfSubjectAccessReview"),
        ("authentication.k8s.io", "SelfSubjectReview"),
    )
}


def resource_list(registry: Registry, group_name: str, version_name: str) -> dict[str, Any] | None:
    """Return `/api/v1` or `/apis/<group>/<version>`, None when there is no such version."""
    resources = _groups(registry).get(group_name, {}).get(version_name)
    if resources is None:
        return None
    listed: list[dict[str, Any]] = []
    for resource in sorted(resources, key=lambda r: r.plural):
        entry: dict[str, Any] = {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(resource.verbs),
        }
        if resource.short_names:
            entry["shortNames"] = list(resource.short_names)
        if resource.categories:
            entry["categories"] = list(resource.categories)
        listed.append(entry)
        for name, verbs in resource.subresources.items():
            below: dict[str, Any] = {
                "name": f"{resource.plural}/{name}",
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": resource.kind,
                "verbs": list(verbs),
            }
            if name in _SUBRESOURCE_KINDS:
                below["group"], below["version"], below["kind"] = _SUBRESOURCE_KINDS[name]
            listed.append(below)
    listed.extend(entry for (group, _), entry in REVIEWS.items() if group == group_name)
    name = f"{group_name}/{version_name}" if group_name else version_name
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": listed}


def aggregated(registry: Registry, *, core: bool) -> dict[str, Any]:
    """Return everything below `/api` or `/apis` in one document (`APIGroupDiscoveryList`)."""
    items = []
    for name, versions in _groups(registry).items():
        if bool(name) == core:
            continue
        shown = []
        for version_name in versions:
            listed = resource_list(registry, name, version_name)
            assert listed is not None
            shown.append(
                {
                    "version": version_name,
                    "freshness": "Current",
                    "resources": _aggregated(listed["resources"], name, version_name),
                }
            )
        items.append(
            {
                "metadata": {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None},
                "versions": shown,
            }
        )
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated(entries: list[dict[str, Any]], group_name: str, version_name: str) -> list[dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {}
    for entry in entries:
        name, _, subresource = entry["name"].partition("/")
        kind = {
            "group": entry.get("group", group_name),
            "version": entry.get("version", version_name),
            "kind": entry["kind"],
        }
        if subresource:
            below = {"subresource": subresource, "responseKind": kind, "verbs": entry["verbs"]}
            out[name].setdefault("subresources", []).append(below)
            continue
        out[name] = {
            "resource": name,
            "responseKind": kind,
            "scope": "Namespaced" if entry["namespaced"] else "Cluster",
            "singularResource": entry["singularName"],
            "verbs": entry["verbs"],
            **{key: entry[key] for key in ("shortNames", "categories") if key in entry},
        }
    return list(out.values())
