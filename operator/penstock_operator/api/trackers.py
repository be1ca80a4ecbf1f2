"""Who else may own a FlowRun: the marks that tools which keep a cluster like a source leave on what they apply.

What such a tool tracks, it makes again when it is gone, and a FlowRun that is made again runs again: so retention never deletes it. One table;
when in doubt an object counts as tracked. Sources: the tools' own documents on how they find their objects again.
Neighbours: `core.retention` asks here; `metadata` says which managers have written an object's fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from .constants import GROUP, LABEL_MANAGED_BY, MANAGED_BY

# A name that ends in "/" stands for all names under it. Labels and annotations alike: tools have moved marks from one to the other.
MARKS: Final = (
    ("app.kubernetes.io/instance", "Argo CD before 3.0, by default"),
    ("argocd.argoproj.io/", "Argo CD"),
    ("kustomize.toolkit.fluxcd.io/", "Flux"),
    ("helm.toolkit.fluxcd.io/", "Flux"),
    ("fluxcd.io/", "Flux 1"),
    ("meta.helm.sh/", "Helm"),
    ("applyset.kubernetes.io/part-of", "kubectl apply --prune --applyset"),
    ("kapp.k14s.io/", "kapp"),
    ("config.k8s.io/owning-inventory", "kpt, cli-utils"),
    ("configmanagement.gke.io/", "Config Sync"),
    ("configsync.gke.io/", "Config Sync"),
    ("objectset.rio.cattle.io/", "Rancher Fleet, k3s"),
    ("fleet.cattle.io/", "Rancher Fleet"),
    ("crossplane.io/", "Crossplane"),
    ("kubernetes.crossplane.io/", "Crossplane"),
    ("pulumi.com/", "Pulumi"),
    ("skaffold.dev/", "Skaffold"),
    ("tanka.dev/", "Tanka"),
)
# What people and programs write objects with once: by hand, or by a client library. A name that ends in "-" stands for all that begin so.
DIRECT: Final = (
    "kubectl",
    "kubectl-",
    MANAGED_BY,
    f"{MANAGED_BY}-",
    # client libraries that name themselves where nobody gave a name
    "OpenAPI-Generator", "Python", "Python-urllib", "python-httpx", "python-requests", "python-urllib3", "curl", "Wget", "Go-http-client",
    "okhttp", "axios", "node-fetch", "undici", "Java", "Apache-HttpClient", "Ruby", "Mozilla", "unknown",
    # the cluster itself: owner references, the first server-side apply of what was there before
    "kube-controller-manager", "kube-apiserver", "before-first-apply",
)  # fmt: skip


def tracked_by(
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    managers: Iterable[str] = (),
    owner: tuple[str, str] | None = None,
) -> str | None:
    """Return by which mark somebody tracks an object, None if nobody does.

    Args:
        labels: of the object.
        annotations: of the object.
        managers: that have written its fields, each `NAME/Apply` or `NAME/Update`.
        owner: API version and kind of its controller.
    """
    for where, names in (("label", labels), ("annotation", annotations)):
        for name in names:
            if any(name.startswith(mark) if mark.endswith("/") else name == mark for mark, _ in MARKS):
                return f"{where} {name}"
    managed = labels.get(LABEL_MANAGED_BY)
    if managed not in (None, "", MANAGED_BY, "kubectl"):
        return f"label {LABEL_MANAGED_BY}={managed}"
    for manager in managers:
        if not _direct(manager.rpartition("/")[0]):
            return f"field manager {manager.rpartition('/')[0]}"
    if owner is not None and owner[0].partition("/")[0] != GROUP:
        return f"owner {owner[1]}"
    return None


def _direct(name: str) -> bool:
    return any(name.startswith(direct) if direct.endswith("-") else name == direct for direct in DIRECT)
