"""The rights that operator and engine need: one table, each right with its reason. The chart's Roles are generated from it.

A test records what the operator asks an API server for and compares: a request that the table does not allow fails it, and so does a right
that nothing uses. Neighbours: `client` and `source` make the requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from penstock_operator.api.constants import ADMINISTER_VERB, FLOW_PLURAL, FLOWRUN_PLURAL, GROUP, LEASE_NAME


@dataclass(frozen=True, slots=True)
class Right:
    """Verbs on a resource, and why; with names only on the objects that are called so."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str
    names: tuple[str, ...] = ()

    def to_rule(self) -> dict[str, Any]:
        """Return the PolicyRule."""
        rule: dict[str, Any] = {"apiGroups": [self.group], "resources": [self.resource], "verbs": list(self.verbs)}
        return {**rule, "resourceNames": list(self.names)} if self.names else rule


# In every namespace that the operator serves.
OPERATOR: Final = (
    Right(
        GROUP,
        FLOWRUN_PLURAL,
        ("get", "list", "watch"),
        "what users ask for; get: nothing is concluded from a cache alone",
    ),
    Right(
        GROUP,
        FLOWRUN_PLURAL,
        ("create", "delete"),
        "create: the schedules and changes of Flows; delete: their history, and retention.runSeconds",
    ),
    Right(
        GROUP,
        FLOWRUN_PLURAL,
        (ADMINISTER_VERB,),
        "no request: the admission policy flowrun-status knows the operator by it",
    ),
    Right(GROUP, f"{FLOWRUN_PLURAL}/status", ("patch",), "the state of runs"),
    Right(
        GROUP,
        FLOW_PLURAL,
        ("get", "list", "watch"),
        "what runs refer to; get: before a run ends since its Flow was deleted",
    ),
    Right(
        GROUP,
        f"{FLOW_PLURAL}/status",
        ("patch",),
        "whether runs can be made of a Flow, and what its schedules have come to",
    ),
    Right(
        "",
        "pods",
        ("get", "list", "watch", "create", "patch", "delete"),
        "one pod per attempt; patch: intent and deadline",
    ),
    Right(
        "",
        "configmaps",
        ("get", "list", "create", "delete"),
        "revisions of Flows (list, delete: the old ones), the source that a Flow names, and the limits of concurrency groups",
    ),
    Right("", "events", ("list",), "why a pod does not start or how it was ended, where only an Event tells"),
    Right("events.k8s.io", "events", ("create", "patch"), "what became of a run, for `kubectl describe`"),
)

# In the operator's own namespace, with --leader-elect.
LEASE: Final = (
    Right(
        "coordination.k8s.io",
        "leases",
        ("create",),
        "leader election; what is created has no name that RBAC could ask for",
    ),
    Right(
        "coordination.k8s.io",
        "leases",
        ("get", "update"),
        f"leader election, the Lease {LEASE_NAME} only",
        (LEASE_NAME,),
    ),
)

# In every namespace with runs, for all of its service accounts.
ENGINE: Final = (
    Right(
        GROUP,
        f"{FLOWRUN_PLURAL}/status",
        ("patch",),
        "the report; the admission policy flowrun-status allows its own only",
    ),
)


# For flows that start other runs, where an administrator opts in: in the namespace of the runs.
STARTER: Final = (
    Right(GROUP, FLOWRUN_PLURAL, ("create",), "create_flow_run: a run of its own"),
    Right(GROUP, FLOWRUN_PLURAL, ("get", "list", "watch"), "wait_for_flow_run: how runs end; list_flow_runs"),
    Right(GROUP, FLOWRUN_PLURAL, ("patch",), "cancel, rename, pause, suspend and resume other runs: their spec"),
    Right(GROUP, FLOW_PLURAL, ("get", "list"), "whether there is such a Flow, and which names are near"),
    Right("", "pods/log", ("get",), "stream_logs"),
)


def starter_rules() -> list[dict[str, Any]]:
    """Return the PolicyRules of a ServiceAccount whose flows start other runs."""
    return _rules(STARTER)


def operator_rules() -> list[dict[str, Any]]:
    """Return the PolicyRules of the operator's Role (or ClusterRole), one per resource."""
    return _rules(OPERATOR)


def lease_rules() -> list[dict[str, Any]]:
    """Return the PolicyRules for the Lease, in the operator's own namespace."""
    return _rules(LEASE)


def engine_rules() -> list[dict[str, Any]]:
    """Return the PolicyRules of the engine."""
    return _rules(ENGINE)


def _rules(rights: tuple[Right, ...]) -> list[dict[str, Any]]:
    merged: dict[tuple[str, str, tuple[str, ...]], dict[str, Any]] = {}
    for right in rights:
        rule = merged.setdefault((right.group, right.resource, right.names), {**right.to_rule(), "verbs": []})
        rule["verbs"] += [verb for verb in right.verbs if verb not in rule["verbs"]]
    return list(merged.values())
