"""The server's own controllers, where the comparison with a real one says too little: order, graces, what stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.dev.apiserver.rows import MERGE, pod, widget
from tests.support.apiserver import Client, Embedded
from tests.support.world import until

NS = "/api/v1/namespaces/default"
WIDGETS = "/apis/example.dev/v1/namespaces/default/widgets"


def made(client: Client, path: str, body: Any) -> dict[str, Any]:
    answer = client.call("POST", path, body)
    assert answer.code == 201, answer.body
    return answer.body


def gone(client: Client, path: str) -> Callable[[], bool]:
    return lambda: client.call("GET", path).code == 404


def owned(name: str, *owners: dict[str, Any], blocking: bool = True) -> dict[str, Any]:
    references = [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": blocking,
        }
        for owner in owners
    ]
    return {"metadata": {"name": name, "ownerReferences": references}}


def test_foreground_waits_for_a_blocking_dependent(client: Client) -> None:
    owner = made(client, WIDGETS, widget("fg"))
    body = owned("fg-cm", owner)
    body["metadata"]["finalizers"] = ["example.dev/hold"]
    made(client, f"{NS}/configmaps", body)
    assert client.call("DELETE", f"{WIDGETS}/fg?propagationPolicy=Foreground").code == 200
    until(
        "the dependent is deleted",
        lambda: "deletionTimestamp" in client.call("GET", f"{NS}/configmaps/fg-cm")["metadata"],
    )
    assert client.call("GET", f"{WIDGETS}/fg").code == 200
    client.call("PATCH", f"{NS}/configmaps/fg-cm", {"metadata": {"finalizers": None}}, MERGE)
    until("the owner goes after it", gone(client, f"{WIDGETS}/fg"))


def test_foreground_does_not_wait_for_one_that_does_not_block(client: Client) -> None:
    owner = made(client, WIDGETS, widget("fn"))
    body = owned("fn-cm", owner, blocking=False)
    body["metadata"]["finalizers"] = ["example.dev/hold"]
    made(client, f"{NS}/configmaps", body)
    client.call("DELETE", f"{WIDGETS}/fn?propagationPolicy=Foreground")
    until("the owner goes", gone(client, f"{WIDGETS}/fn"))
    client.call("PATCH", f"{NS}/configmaps/fn-cm", {"metadata": {"finalizers": None}}, MERGE)
    until("and the dependent", gone(client, f"{NS}/configmaps/fn-cm"))


def test_a_dependent_with_another_owner_stays(client: Client) -> None:
    one, two = made(client, WIDGETS, widget("one")), made(client, WIDGETS, widget("two"))
    made(client, f"{NS}/configmaps", owned("shared", one, two))
    client.call("DELETE", f"{WIDGETS}/one")

    def owners() -> list[str]:
        return [ref["name"] for ref in client.call("GET", f"{NS}/configmaps/shared")["metadata"]["ownerReferences"]]

    until("the reference to the first goes", lambda: owners() == ["two"])
    client.call("DELETE", f"{WIDGETS}/two")
    until("with the second it goes", gone(client, f"{NS}/configmaps/shared"))


def test_dependents_of_dependents_go(client: Client) -> None:
    owner = made(client, WIDGETS, widget("top"))
    middle = made(client, f"{NS}/configmaps", owned("middle", owner))
    made(client, f"{NS}/configmaps", owned("bottom", {**middle, "kind": "ConfigMap", "apiVersion": "v1"}))
    client.call("DELETE", f"{WIDGETS}/top")
    until("the last one goes", gone(client, f"{NS}/configmaps/bottom"))


def test_a_running_pod_gets_its_grace_when_its_owner_goes(client: Client) -> None:
    owner = made(client, WIDGETS, widget("runs"))
    body = pod("ours", nodeName="n", terminationGracePeriodSeconds=7)
    body["metadata"] |= owned("ours", owner)["metadata"]
    made(client, f"{NS}/pods", body)
    client.call("DELETE", f"{WIDGETS}/runs")
    until("the pod is deleted", lambda: "deletionTimestamp" in client.call("GET", f"{NS}/pods/ours")["metadata"])
    assert client.call("GET", f"{NS}/pods/ours")["metadata.deletionGracePeriodSeconds"] == 7
    client.call("DELETE", f"{NS}/pods/ours?gracePeriodSeconds=0")


def test_a_namespace_waits_for_its_pods(client: Client) -> None:
    made(client, "/api/v1/namespaces", {"metadata": {"name": "ending"}})
    made(client, "/api/v1/namespaces/ending/pods", pod("p", nodeName="n"))
    made(client, "/api/v1/namespaces/ending/configmaps", {"metadata": {"name": "c"}})
    assert client.call("DELETE", "/api/v1/namespaces/ending")["status.phase"] == "Terminating"
    refused = client.call("POST", "/api/v1/namespaces/ending/configmaps", {"metadata": {"name": "late"}})
    assert refused.code == 403
    assert refused["details.causes.0.reason"] == "NamespaceTerminating"
    until("the content goes", gone(client, "/api/v1/namespaces/ending/configmaps/c"))
    assert client.call("GET", "/api/v1/namespaces/ending/pods/p")["metadata.deletionGracePeriodSeconds"] == 30
    assert client.call("GET", "/api/v1/namespaces/ending").code == 200
    client.call("DELETE", "/api/v1/namespaces/ending/pods/p?gracePeriodSeconds=0")
    until("the namespace goes", gone(client, "/api/v1/namespaces/ending"))


@pytest.mark.parametrize("name", ["default", "kube-system"])
def test_namespaces_that_are_there(client: Client, name: str) -> None:
    assert client.call("GET", f"/api/v1/namespaces/{name}")["status.phase"] == "Active"
    assert client.call("GET", f"/api/v1/namespaces/{name}/serviceaccounts/default").code == 200


def test_the_certificate_is_in_every_namespace(server: Embedded, client: Client) -> None:
    made(client, "/api/v1/namespaces", {"metadata": {"name": "fresh"}})
    data = client.call("GET", "/api/v1/namespaces/fresh/configmaps/kube-root-ca.crt")["data"]
    assert data == {"ca.crt": server.server.ca}


def test_housekeeping_left_over_is_done_after_a_restart(tmp_path: Any) -> None:
    with Embedded(data=tmp_path) as server, server.client() as client:
        made(client, "/api/v1/namespaces", {"metadata": {"name": "half"}})
        made(client, "/api/v1/namespaces/half/pods", pod("p", nodeName="n"))
        client.call("DELETE", "/api/v1/namespaces/half")
    with Embedded(data=tmp_path) as server, server.client() as client:
        client.call("DELETE", "/api/v1/namespaces/half/pods/p?gracePeriodSeconds=0")
        until("the namespace goes", gone(client, "/api/v1/namespaces/half"))
