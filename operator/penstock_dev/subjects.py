"""Who the operator and the pods of flows are in the development control plane, and what they may do there.

The rules are those of `penstock_operator.runtime.rights`, from which the chart's Roles are made too: a right that is missing there is missing here.
The account is in `kube-system`, and the names begin with `system:` as those of a cluster's own parts, so that a chart which is applied beside them
meets nothing of its own. Neighbours: `apiserver.authorization` reads the Roles, `dev` starts the operator as this account.
"""

from __future__ import annotations

from typing import Any, Final

from penstock_operator.runtime.rights import engine_rules, lease_rules, operator_rules

__all__ = ["ACCOUNT", "NAMESPACE", "subjects"]

NAMESPACE: Final = "kube-system"
ACCOUNT: Final = "penstock-operator"
_GROUP: Final = "rbac.authorization.k8s.io"
_API: Final = f"{_GROUP}/v1"


def subjects() -> list[dict[str, Any]]:
    """Return the operator's ServiceAccount, the roles of operator and engine, and their bindings, in the order in which they can be made."""
    operator = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}
    engines = {"kind": "Group", "apiGroup": _GROUP, "name": "system:serviceaccounts"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": NAMESPACE}},
        *_bound("ClusterRole", "system:penstock-operator", operator_rules(), operator),
        *_bound("ClusterRole", "system:penstock-engine", engine_rules(), engines),
        *_bound("Role", "system:penstock-lease", lease_rules(), operator),
    ]


def _bound(kind: str, name: str, rules: list[dict[str, Any]], subject: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a role and its binding."""
    metadata = {"name": name, **({"namespace": NAMESPACE} if kind == "Role" else {})}
    reference = {"apiGroup": _GROUP, "kind": kind, "name": name}
    return [
        {"apiVersion": _API, "kind": kind, "metadata": metadata, "rules": rules},
        {
            "apiVersion": _API,
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": reference,
            "subjects": [subject],
        },
    ]
