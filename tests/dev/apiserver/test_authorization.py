"""RBAC in the embedded server: what Roles and bindings give, and that operator and engine have there what the table of rights gives them."""

from __future__ import annotations

from typing import Any

import pytest

from penstock_dev.apiserver.authorization import Authorizer
from penstock_dev.apiserver.store import Store
from penstock_dev.apiserver.tokens import User
from penstock_dev.subjects import ACCOUNT, NAMESPACE, subjects
from penstock_operator.api.admission import policies
from penstock_operator.api.constants import LEASE_NAME
from penstock_operator.api.crd import crds
from penstock_operator.runtime import rights
from tests.support.apiserver import Client, Embedded

Json = dict[str, Any]
GROUP = "rbac.authorization.k8s.io"
BUCKETS = {
    "Role": "roles",
    "ClusterRole": "clusterroles",
    "RoleBinding": "rolebindings",
    "ClusterRoleBinding": "clusterrolebindings",
}
OPERATOR = User(f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}", ("system:serviceaccounts", "system:authenticated"))
ENGINE = User("system:serviceaccount:team:default", ("system:serviceaccounts", "system:authenticated"))


def put(store: Store, *documents: Json) -> None:
    for document in documents:
        if document["kind"] in BUCKETS:
            store.put(f"{BUCKETS[document['kind']]}.{GROUP}", document)


def role(*rules: Json, kind: str = "ClusterRole", name: str = "r", namespace: str = "") -> Json:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"kind": kind, "metadata": metadata, "rules": list(rules)}


def bound(subject: Json, *, to: str = "ClusterRole", name: str = "r", namespace: str = "") -> Json:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    return {"kind": kind, "metadata": metadata, "roleRef": {"kind": to, "name": name}, "subjects": [subject]}


def rule(verb: str, resource: str, group: str = "", *names: str) -> Json:
    made: Json = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
    return {**made, "resourceNames": list(names)} if names else made


TEAM: Json = {"kind": "ServiceAccount", "name": "default", "namespace": "team"}


@pytest.mark.parametrize(
    ("given", "asked", "answer"),
    [
        # A ClusterRole by a ClusterRoleBinding counts everywhere, by a RoleBinding in its namespace.
        ([role(rule("get", "pods")), bound(TEAM)], ("get", "", "pods", "x", "p"), True),
        ([role(rule("get", "pods")), bound(TEAM)], ("get", "", "pods", "", ""), True),
        ([role(rule("get", "pods")), bound(TEAM, namespace="x")], ("get", "", "pods", "x", "p"), True),
        ([role(rule("get", "pods")), bound(TEAM, namespace="x")], ("get", "", "pods", "y", "p"), False),
        ([role(rule("get", "pods")), bound(TEAM, namespace="x")], ("get", "", "pods", "", ""), False),
        # A Role is of its namespace.
        ([role(rule("get", "pods"), kind="Role", namespace="x"), bound(TEAM, to="Role", namespace="x")], ("get", "", "pods", "x", ""), True),
        ([role(rule("get", "pods"), kind="Role", namespace="y"), bound(TEAM, to="Role", namespace="x")], ("get", "", "pods", "x", ""), False),
        # A binding to nothing gives nothing.
        ([bound(TEAM)], ("get", "", "pods", "x", ""), False),
        # Verb, group, resource and subresource are what they are.
        ([role(rule("get", "pods")), bound(TEAM)], ("list", "", "pods", "x", ""), False),
        ([role(rule("get", "pods")), bound(TEAM)], ("get", "apps", "pods", "x", ""), False),
        ([role(rule("get", "pods")), bound(TEAM)], ("get", "", "pods/log", "x", ""), False),
        ([role(rule("get", "pods/log")), bound(TEAM)], ("get", "", "pods", "x", ""), False),
        # Stars.
        ([role(rule("*", "pods")), bound(TEAM)], ("delete", "", "pods", "x", ""), True),
        ([role(rule("get", "*", "*")), bound(TEAM)], ("get", "apps", "deployments/status", "x", ""), True),
        ([role(rule("get", "*/status", "*")), bound(TEAM)], ("get", "apps", "deployments/status", "x", ""), True),
        ([role(rule("get", "*/status", "*")), bound(TEAM)], ("get", "apps", "deployments", "x", ""), False),
        # Names; and a rule without them is wider, whatever its place.
        ([role(rule("get", "pods", "", "a", "b")), bound(TEAM)], ("get", "", "pods", "x", "b"), True),
        ([role(rule("get", "pods", "", "a", "b")), bound(TEAM)], ("get", "", "pods", "x", "c"), False),
        ([role(rule("get", "pods", "", "a")), bound(TEAM)], ("get", "", "pods", "x", ""), False),
        ([role(rule("get", "pods", "", "a"), rule("get", "pods", "", "b")), bound(TEAM)], ("get", "", "pods", "x", "a"), True),
        ([role(rule("get", "pods"), rule("get", "pods", "", "b")), bound(TEAM)], ("get", "", "pods", "x", "a"), True),
        ([role(rule("get", "pods", "", "b"), rule("get", "pods")), bound(TEAM)], ("get", "", "pods", "x", "a"), True),
        # Subjects.
        ([role(rule("get", "pods")), bound({**TEAM, "namespace": "other"})], ("get", "", "pods", "x", ""), False),
        ([role(rule("get", "pods")), bound({"kind": "Group", "name": "system:serviceaccounts"})], ("get", "", "pods", "x", ""), True),
        ([role(rule("get", "pods")), bound({"kind": "Group", "name": "system:serviceaccounts:b"})], ("get", "", "pods", "x", ""), False),
        ([role(rule("get", "pods")), bound({"kind": "User", "name": ENGINE.name})], ("get", "", "pods", "x", ""), True),
        ([role(rule("get", "pods")), bound({"kind": "User", "name": "system:serviceaccounts"})], ("get", "", "pods", "x", ""), False),
    ],
)  # fmt: skip
def test_what_a_binding_gives(given: list[Json], asked: tuple[str, str, str, str, str], answer: bool) -> None:
    store = Store()
    authorizer = Authorizer(store)
    assert not authorizer.allows(ENGINE, *asked), "before"
    put(store, *given)
    assert authorizer.allows(ENGINE, *asked) is answer
    for document in given:
        store.remove(f"{BUCKETS[document['kind']]}.{GROUP}", document)
    assert not authorizer.allows(ENGINE, *asked), "after"


def held(user: User) -> set[tuple[str, str, str]]:
    """What a user may do in a namespace, of everything that the tables name and a little more."""
    store = Store()
    put(store, *subjects())
    tables = (*rights.OPERATOR, *rights.LEASE, *rights.ENGINE)
    things = {(r.group, r.resource) for r in tables} | {("", "secrets"), ("", "pods/exec"), (GROUP, "clusterroles")}
    verbs = {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "administer"}
    authorizer = Authorizer(store)
    return {(g, r, v) for g, r in things for v in verbs if authorizer.allows(user, v, g, r, "team", "x")}


def in_table(*table: rights.Right) -> set[tuple[str, str, str]]:
    return {(right.group, right.resource, verb) for right in table for verb in right.verbs}


def test_the_operator_may_what_the_table_says() -> None:
    assert held(OPERATOR) == in_table(*rights.OPERATOR, *rights.ENGINE)
    assert held(ENGINE) == in_table(*rights.ENGINE)


def test_the_lease_is_in_its_own_namespace() -> None:
    store = Store()
    put(store, *subjects())
    authorizer = Authorizer(store)
    asked = ("update", "coordination.k8s.io", "leases")
    assert authorizer.allows(OPERATOR, *asked, NAMESPACE, LEASE_NAME)
    assert not authorizer.allows(OPERATOR, *asked, NAMESPACE, "another")
    assert not authorizer.allows(OPERATOR, *asked, "team", LEASE_NAME)


def test_a_right_that_is_missing_in_the_table_is_missing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is refused in the words of a cluster, and nothing else is."""
    fewer = tuple(r for r in rights.OPERATOR if r.resource != "configmaps")
    monkeypatch.setattr(rights, "OPERATOR", fewer)
    with Embedded(crds=crds(), policies=policies(), objects=subjects()) as server:
        token = server.server.account_token(NAMESPACE, ACCOUNT)
        with server.client(token) as operator:
            refused = operator.call("GET", "/api/v1/configmaps")
            assert operator.call("GET", "/api/v1/pods").code == 200
            assert operator.call("GET", "/api/v1/secrets").code == 403
            assert may(operator, "list", "pods") is True
            assert may(operator, "list", "configmaps") is False
        with server.client() as admin:
            assert may(admin, "list", "configmaps") is True
    assert refused.code == 403
    assert refused.body["reason"] == "Forbidden"
    assert refused.message == (
        f'configmaps is forbidden: User "{OPERATOR.name}" cannot list resource "configmaps" in API group "" at the cluster scope'
    )


def may(client: Client, verb: str, resource: str) -> Any:
    """What `kubectl auth can-i` asks."""
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    spec = {"resourceAttributes": {"verb": verb, "resource": resource}}
    answer = client.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {**kind, "spec": spec})
    return answer["status.allowed"]
