"""Descriptions of the server, reviews, namespaces, and the end of a definition."""

from __future__ import annotations

from tests.dev.apiserver.rows import (
    CRDS,
    NS,
    Row,
)

OTHER = [
    Row("version", 200, "GET", "/version", ignore=("object",)),
    Row("groups", 200, "GET", "/apis", ignore=("object",)),
    Row("group", 200, "GET", "/apis/example.dev"),
    Row("custom kinds", 200, "GET", "/apis/example.dev/v1", ignore=("object",)),
    Row(
        "review",
        201,
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}},
        },
        ignore=("status",),
    ),
    Row(
        "namespace: bad name",
        422,
        "POST",
        "/api/v1/namespaces",
        {"metadata": {"name": "a.b"}},
        says="must not contain dots",
    ),
    Row("namespace: get", 200, "GET", NS),
    Row("namespace: deleted", 200, "DELETE", NS, says="Terminating"),
    Row("namespace: gone", 404, "GET", NS, until=True),
    Row("crd: deleted", 200, "DELETE", f"{CRDS}/widgets.example.dev", ignore=("object",)),
    Row("crd: gone", 404, "GET", f"{CRDS}/widgets.example.dev", until=True),
]
