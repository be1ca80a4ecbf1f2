"""The rows of programs: the engines' tokens, of every kind, other ServiceAccounts, and the operator's own."""

from __future__ import annotations

from tests.security.rows import (
    CODE,
    OPERATORS,
    POD,
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
    state,
)
from tests.security.stage import OURS, path
from tests.support.world import RBAC

ENGINES = [
    Row("engine-reports", "engine", report("engine", "r")),
    Row(
        "engine-writes-a-state",
        "engine",
        report("engine", "r", where="state", value={"type": "Completed", "name": "Completed"}),
        "a run's pod may change status.report only",
    ),
    Row(
        "engine-raises-the-attempt",
        "engine",
        report("engine", "r", where="attempt.number", value=2),
        "a run's pod may change status.report only",
    ),
    Row(
        "engine-writes-a-result",
        "engine",
        report("engine", "r", where="result", value={"json": "1"}),
        "a run's pod may change status.report only",
    ),
    Row(
        "engine-of-another-run",
        "other-runs-engine",
        report("other-runs-engine", "r"),
        "this pod is not the current attempt",
    ),
    Row(
        "engine-of-an-old-attempt",
        "old-attempts-engine",
        report("old-attempts-engine", "later"),
        "this pod is not the current attempt",
    ),
    Row(
        "engine-of-a-pod-that-was-replaced",
        "namesake",
        report("namesake", "twin"),
        "this pod is not the current attempt",
    ),
    Row(
        "engine-of-another-namespace",
        "other-namespaces-engine",
        report("other-namespaces-engine", "fresh"),
        "a pod of another namespace",
    ),
    Row("engine-without-a-pod", "unbound", report("unbound", "waiting"), OPERATORS),
    Row("stranger-reports", "stranger", report("stranger", "waiting"), OPERATORS),
    forbidden("engine-reads-its-run", "engine", get("engine", OURS, "flowruns", "r")),
    forbidden("engine-changes-its-spec", "engine", change("engine", "flowruns", "r", priority=9)),
    forbidden("engine-starts-a-run", "engine", create("engine", own_code(source=CODE))),
    forbidden("engine-reads-a-secret", "engine", get("engine", OURS, "secrets", "db")),
    forbidden("engine-reads-a-configmap", "engine", get("engine", OURS, "configmaps", "private")),
    forbidden("engine-sees-pods", "engine", get("engine", OURS, "pods")),
    forbidden("stranger-reads-a-run", "stranger", get("stranger", OURS, "flowruns", "r")),
]

OPERATOR = [
    Row("operator-writes-a-state", "operator", state("operator")),
    Row("operator-makes-a-pod", "operator", ask("operator", "POST", path(OURS, "pods"), POD)),
    forbidden("operator-reads-a-secret", "operator", get("operator", OURS, "secrets", "db")),
    forbidden("operator-execs", "operator", ask("operator", "POST", path(OURS, "pods", "r-aaaaa-1", "exec"))),
    forbidden("operator-reads-logs", "operator", get("operator", OURS, "pods", "r-aaaaa-1", "log")),
    forbidden("operator-changes-a-flow", "operator", change("operator", "flows", "plain", suspend=True)),
    forbidden(
        "operator-changes-a-configmap",
        "operator",
        lambda stage: stage.change("operator", "configmaps", "private", {"data": {}}),
    ),
    forbidden(
        "operator-mints-a-token",
        "operator",
        ask("operator", "POST", path(OURS, "serviceaccounts", "runner", "token"), TOKEN),
    ),
    forbidden("operator-grants", "operator", ask("operator", "POST", f"{RBAC}/namespaces/{OURS}/roles", ROLE)),
]

PROGRAMS = (*ENGINES, *OPERATOR)
