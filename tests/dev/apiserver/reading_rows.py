"""Lists, selectors, tables and partial metadata."""

from __future__ import annotations

from tests.dev.apiserver.rows import (
    NS,
    RBAC,
    TABLE,
    WIDGETS,
    A,
    Row,
)

READING = [
    Row("list", 200, "GET", WIDGETS),
    Row("list everywhere", 200, "GET", "/apis/example.dev/v1/widgets"),
    Row("list limited", 200, "GET", WIDGETS + "?limit=2"),
    Row("list by label", 200, "GET", WIDGETS + "?labelSelector=x%3D1"),
    Row("list by label set", 200, "GET", WIDGETS + "?labelSelector=x+in+(1,2),!y"),
    Row("list by label not", 200, "GET", WIDGETS + "?labelSelector=x!%3D1&limit=1"),
    Row("list bad label", 400, "GET", WIDGETS + "?labelSelector=a+b+c", ignore=("message",)),
    Row("list by name", 200, "GET", WIDGETS + "?fieldSelector=metadata.name%3Da"),
    Row("list by field", 200, "GET", WIDGETS + "?fieldSelector=status.phase%3DNew"),
    Row("list by two fields", 200, "GET", WIDGETS + "?fieldSelector=status.phase%3DNew,spec.color!%3Dred"),
    Row(
        "list by unknown field",
        400,
        "GET",
        WIDGETS + "?fieldSelector=spec.size%3D1",
        says="field label not supported: spec.size",
    ),
    Row("list bad field selector", 400, "GET", WIDGETS + "?fieldSelector=abc", ignore=("message",)),
    Row("list bad version", 400, "GET", WIDGETS + "?resourceVersion=abc", ignore=("message",)),
    Row("watch bad version", 500, "GET", WIDGETS + "?watch=1&resourceVersion=abc", ignore=("message", "text")),
    Row(
        "watch list without match", 422, "GET", WIDGETS + "?watch=1&sendInitialEvents=true", says="resourceVersionMatch"
    ),
    Row("table", 200, "GET", WIDGETS + "?fieldSelector=metadata.name%3Da", accept=TABLE, ignore=("cells",)),
    Row("table of one", 200, "GET", A, accept=TABLE, ignore=("cells",)),
    Row("table of pods", 200, "GET", f"{NS}/pods", accept=TABLE),
    Row("table of config maps", 200, "GET", f"{NS}/configmaps", accept=TABLE, ignore=("rows",)),
    Row("table of secrets", 200, "GET", f"{NS}/secrets", accept=TABLE),
    Row("table of accounts", 200, "GET", f"{NS}/serviceaccounts", accept=TABLE, ignore=("rows",)),
    Row("table of events", 200, "GET", f"{NS}/events", accept=TABLE),
    Row("table of leases", 200, "GET", "/apis/coordination.k8s.io/v1/namespaces/table/leases", accept=TABLE),
    Row("table of roles", 200, "GET", f"{RBAC}/namespaces/table/roles", accept=TABLE, ignore=("rows",)),
    Row("table of bindings", 200, "GET", f"{RBAC}/namespaces/table/rolebindings", accept=TABLE),
    Row(
        "table of namespaces",
        200,
        "GET",
        "/api/v1/namespaces?fieldSelector=metadata.name%3Dtable",
        accept=TABLE,
        ignore=("cells",),
    ),
    *(
        Row(f"table of {path}", 200, "GET", f"/{path}", accept=TABLE, ignore=("rows",))
        for path in (
            "api/v1/nodes",
            "apis/apps/v1/namespaces/table/deployments",
            "apis/rbac.authorization.k8s.io/v1/clusterroles",
            "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
            "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
            "apis/events.k8s.io/v1/namespaces/table/events",
        )
    ),
    Row("metadata only", 200, "GET", A, accept="application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"),
    Row(
        "metadata list",
        200,
        "GET",
        WIDGETS + "?limit=1",
        accept="application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    ),
    Row("not acceptable", 406, "GET", A, accept="text/html", ignore=("message",)),
]
