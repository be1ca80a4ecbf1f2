"""The rows of people: who may look, who may edit Flows and FlowRuns, who has ConfigMaps only, who administers the namespace."""

from __future__ import annotations

from tests.security.rows import (
    CODE,
    ODD,
    OPERATORS,
    POD,
    PRIVATE,
    ROLE,
    TOKEN,
    Row,
    ask,
    change,
    create,
    forbidden,
    get,
    own_code,
    report,
    run_of,
    state,
)
from tests.security.stage import OURS, SECRET_ENV, TEMPLATE, THEIRS, flow, path
from tests.support.world import RBAC

VIEWER = [
    Row("view-reads-runs", "viewer", get("viewer", OURS, "flowruns", "r")),
    forbidden("view-starts-no-run", "viewer", create("viewer", run_of())),
    forbidden("view-cancels-no-run", "viewer", change("viewer", "flowruns", "r", desiredState="Cancelled")),
    Row("view-writes-no-status", "viewer", state("viewer"), OPERATORS),
    forbidden("view-reads-no-secret", "viewer", get("viewer", OURS, "secrets", "db")),
]

EDITOR = [
    Row("edit-runs-a-flow-with-parameters", "editor", create("editor", run_of("secretive", parameters={"day": 1}))),
    Row(
        "edit-bounds-a-run",
        "editor",
        create("editor", run_of("secretive", runPolicy={"activeDeadlineSeconds": 60}, priority=1)),
    ),
    Row(
        "edit-asks-for-amounts",
        "editor",
        create("editor", run_of(resources={"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}})),
    ),
    Row("edit-runs-own-code", "editor", create("editor", own_code(source=CODE, env=[{"name": "A", "value": "1"}]))),
    Row("edit-runs-an-allowed-image", "editor", create("editor", own_code(image="registry.example/team/etl:1"))),
    Row("edit-suspends-a-flow", "editor", change("editor", "flows", "secretive", suspend=True, parameters={"a": 1})),
    Row("edit-cancels-a-run", "editor", change("editor", "flowruns", "r", desiredState="Cancelled")),
    Row("edit-answers-a-pause", "editor", change("editor", "flowruns", "r", inputs={"approve": True})),
    Row(
        "edit-changes-parameters-of-a-run",
        "editor",
        change("editor", "flowruns", "waiting", parameters={"day": "y"}),
        "spec.parameters is immutable",
    ),
    Row(
        "edit-changes-context-of-a-run",
        "editor",
        change("editor", "flowruns", "waiting", context={"a": 1}),
        "spec.context is immutable",
    ),
    Row(
        "edit-changes-template-of-a-run",
        "editor",
        change("editor", "flowruns", "waiting", template=TEMPLATE),
        "spec.template is immutable",
    ),
    Row(
        "edit-changes-env-of-a-run",
        "editor",
        change("editor", "flowruns", "waiting", env=SECRET_ENV),
        "spec.env is immutable",
    ),
    Row(
        "edit-changes-resources-of-a-run",
        "editor",
        change("editor", "flowruns", "waiting", resources={"claims": [{"name": "gpu"}]}),
        "spec.resources is immutable",
    ),
    Row(
        "edit-changes-image-of-a-run",
        "editor",
        change("editor", "flowruns", "waiting", image="registry.example/x"),
        "spec.image is immutable",
    ),
    Row(
        "edit-changes-code-of-a-run",
        "editor",
        change("editor", "flowruns", "own", flowSpec={"entrypoint": "a.py:f", "env": SECRET_ENV}),
        "spec.flowSpec is immutable",
    ),
    Row(
        "edit-changes-deadline-of-a-run",
        "editor",
        change("editor", "flowruns", "waiting", runPolicy={"gracePeriodSeconds": 0}),
        "of spec.runPolicy only retention may change",
    ),
    Row(
        "edit-moves-a-running-run",
        "editor",
        change("editor", "flowruns", "r", scheduledTime="2030-01-01T00:00:00Z"),
        "spec.scheduledTime may change only while the run is Scheduled",
    ),
    Row("edit-template-of-a-run", "editor", create("editor", run_of(template=TEMPLATE)), "spec.template, and env"),
    Row(
        "edit-template-of-own-code",
        "editor",
        create("editor", own_code(source=CODE, template=TEMPLATE)),
        "spec.template, and env",
    ),
    Row("edit-template-of-a-flow", "editor", create("editor", flow("x", template=TEMPLATE)), "spec.template, and env"),
    Row(
        "edit-secret-by-env",
        "editor",
        create("editor", own_code(source=CODE, env=SECRET_ENV)),
        "spec.template, and env",
    ),
    Row(
        "edit-secret-by-env-of-a-flow", "editor", create("editor", flow("x", env=SECRET_ENV)), "spec.template, and env"
    ),
    Row(
        "edit-gives-a-flow-a-secret",
        "editor",
        change("editor", "flows", "plain", env=SECRET_ENV),
        "spec.template, and env",
    ),
    Row(
        "edit-code-of-a-flow-with-secrets",
        "editor",
        change("editor", "flows", "secretive", source=CODE),
        "spec.template, and env",
    ),
    Row(
        "edit-entrypoint-of-a-flow-with-secrets",
        "editor",
        change("editor", "flows", "secretive", entrypoint="a.py:g"),
        "spec.template, and env",
    ),
    Row(
        "edit-image-of-a-flow-with-a-template",
        "editor",
        change("editor", "flows", "templated", image="registry.example/x"),
        "spec.template, and env",
    ),
    Row(
        "edit-results-of-a-flow-with-a-template",
        "editor",
        change("editor", "flows", "templated", results={"storage": "s3://elsewhere"}),
        "spec.template, and env",
    ),
    Row(
        "edit-schema-of-a-flow-with-a-template",
        "editor",
        change("editor", "flows", "templated", parametersSchema={"type": "object"}),
        "spec.template, and env",
    ),
    Row(
        "edit-takes-the-template-and-keeps-the-name",
        "editor",
        change("editor", "flows", "templated", template=None, source=CODE),
        "what a Flow with a template",
    ),
    Row(
        "edit-image-over-a-flow",
        "editor",
        create("editor", run_of("secretive", image="registry.example/x")),
        "with spec.flowRef, spec.image",
    ),
    Row(
        "edit-env-over-a-flow",
        "editor",
        create("editor", run_of("secretive", env=[{"name": "PYTHONSTARTUP", "value": "/dev/null"}])),
        "with spec.flowRef, spec.env",
    ),
    Row(
        "edit-claims-over-a-flow",
        "editor",
        create("editor", run_of("templated", resources={"claims": [{"name": "gpu"}]})),
        "with spec.flowRef, spec.resources",
    ),
    Row(
        "edit-configmap-as-source-of-a-run",
        "editor",
        create("editor", own_code(source=PRIVATE)),
        "source.configMap is only",
    ),
    Row(
        "edit-configmap-as-source-of-a-flow",
        "editor",
        create("editor", flow("x", source=PRIVATE)),
        "source.configMap is only",
    ),
    Row(
        "edit-code-around-a-configmap",
        "editor",
        change("editor", "flows", "sourced", entrypoint="a.py:g"),
        "source.configMap is only",
    ),
    Row(
        "edit-other-image",
        "editor",
        create("editor", own_code(image="other.example/x")),
        "restrict.images",
        says="other.example/x",
    ),
    Row(
        "edit-other-image-of-a-flow",
        "editor",
        change("editor", "flows", "plain", image="registry.example.org/x"),
        "restrict.images",
        says="registry.example.org/x",
    ),
    Row(
        "edit-flow-of-another-namespace",
        "editor",
        create("editor", run_of("../../../team-b/flows/x")),
        "crd/FlowRun.spec.flowRef.name",
    ),
    Row(
        "edit-flow-with-a-query",
        "editor",
        create("editor", run_of("plain?watch=true")),
        "crd/FlowRun.spec.flowRef.name",
    ),
    Row(
        "edit-results-of-another-namespace",
        "editor",
        create("editor", run_of(rerunOf={"name": "../x"})),
        "crd/FlowRun.spec.rerunOf.name",
    ),
    Row(
        "edit-controller-with-a-query",
        "editor",
        create("editor", run_of(managedBy="a?b")),
        "crd/FlowRun.spec.managedBy",
    ),
    Row("edit-writes-a-state", "editor", state("editor"), OPERATORS),
    Row("edit-writes-a-report", "editor", report("editor", "r"), OPERATORS),
    forbidden("edit-reads-no-configmap", "editor", get("editor", OURS, "configmaps", "private")),
    forbidden("edit-reads-no-secret", "editor", get("editor", OURS, "secrets", "db")),
    forbidden("edit-makes-no-pod", "editor", ask("editor", "POST", path(OURS, "pods"), POD)),
    forbidden("edit-elsewhere", "editor", lambda stage: stage.create("editor", own_code(source=CODE), THEIRS)),
]

LIBRARIAN = [
    Row(
        "configmaps-plants-a-revision",
        "librarian",
        ask(
            "librarian",
            "POST",
            path(OURS, "configmaps"),
            {"metadata": {"name": "plain-0123456789"}, "data": {"flow.json": "{}"}},
        ),
    ),
    forbidden("configmaps-starts-no-run", "librarian", create("librarian", own_code(source=CODE))),
    forbidden("configmaps-makes-no-flow", "librarian", create("librarian", flow("x"))),
    forbidden("configmaps-makes-no-pod", "librarian", ask("librarian", "POST", path(OURS, "pods"), POD)),
]

ADMIN = [
    Row("admin-uses-templates", "admin", create("admin", run_of("secretive", template=TEMPLATE, env=SECRET_ENV))),
    Row("admin-sources-a-configmap", "admin", create("admin", flow("x", source=PRIVATE))),
    Row("admin-mints-a-token", "admin", ask("admin", "POST", path(OURS, "serviceaccounts", "runner", "token"), TOKEN)),
    Row("admin-makes-a-pod", "admin", ask("admin", "POST", path(OURS, "pods"), POD)),
    Row(
        "admin-other-image",
        "admin",
        create("admin", run_of(template={"spec": {"initContainers": [{"name": "a", "image": "other.example/a"}]}})),
        "restrict.images",
        says="other.example/a",
    ),
    Row(
        "admin-other-sidecar",
        "admin",
        create(
            "admin",
            flow(
                "x", template={"spec": {"containers": [{"name": "engine"}, {"name": "a", "image": "other.example/b"}]}}
            ),
        ),
        "restrict.images",
        says="other.example/b",
    ),
    Row(
        "admin-other-image-volume",
        "admin",
        create(
            "admin",
            own_code(template={"spec": {"volumes": [{"name": "v", "image": {"reference": "other.example/c"}}]}}),
        ),
        "restrict.images",
        says="other.example/c",
    ),
    Row(
        "admin-secret-of-another-name",
        "admin",
        create("admin", own_code(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": ODD, "key": "a"}}}])),
        "crd/FlowRun.spec.flowSpec.env[].valueFrom.secretKeyRef.name",
    ),
    Row(
        "admin-configmap-of-another-name",
        "admin",
        create("admin", own_code(source={"configMap": {"name": ODD}})),
        "crd/FlowRun.spec.flowSpec.source.configMap.name",
    ),
    Row(
        "admin-source-of-another-namespace",
        "admin",
        create("admin", flow("x", source={"configMap": {"name": ODD}})),
        "crd/Flow.spec.source.configMap.name",
    ),
    Row(
        "admin-source-with-a-fragment",
        "admin",
        create("admin", flow("x", source={"configMap": {"name": "private#x"}})),
        "crd/Flow.spec.source.configMap.name",
    ),
    Row(
        "admin-group-of-another-name",
        "admin",
        create("admin", flow("x", concurrencyGroups=["a/b"])),
        "crd/Flow.spec.concurrencyGroups[]",
    ),
    Row("admin-writes-a-state", "admin", state("admin"), OPERATORS),
    Row(
        "admin-makes-itself-operator",
        "admin",
        ask("admin", "POST", f"{RBAC}/namespaces/{OURS}/roles", ROLE),
        "rbac/admin",
        403,
        "attempting to grant",
    ),
    forbidden("admin-elsewhere", "admin", get("admin", THEIRS, "configmaps", "private")),
]

PEOPLE = (*VIEWER, *EDITOR, *LIBRARIAN, *ADMIN)
