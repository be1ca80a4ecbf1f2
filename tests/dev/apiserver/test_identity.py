"""Who may come in: TLS on loopback, the administrator's token, tokens of ServiceAccounts and what ends them."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import httpx
import pytest

from penstock_dev.apiserver.certificates import make_identity
from tests.dev.apiserver.rows import pod
from tests.support.apiserver import Client, Embedded

NS = "/api/v1/namespaces/default"


def token(client: Client, account: str = "default", **spec: Any) -> str:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer = client.call("POST", f"{NS}/serviceaccounts/{account}/token", body)
    assert answer.code == 201, answer.body
    return str(answer["status.token"])


def who(server: Embedded, bearer: str) -> dict[str, Any]:
    with server.client(bearer) as client:
        answer = client.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {"kind": "SelfSubjectReview"})
    assert answer.code == 201, answer.body
    found: dict[str, Any] = answer["status.userInfo"]
    return found


def refused(server: Embedded, bearer: str) -> bool:
    with server.client(bearer) as client:
        answer = client.call("GET", f"{NS}/pods")
    if answer.code == 200:
        return False
    assert (answer.code, answer.body["reason"], answer.message) == (401, "Unauthorized", "Unauthorized")
    return True


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer no"}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer a.b.c"}]
)
def test_401_without_the_token(server: Embedded, header: dict[str, str]) -> None:
    with server.client() as client:
        del client.http.headers["Authorization"]
        answer = client.http.get(f"{NS}/pods", headers=header)
    assert answer.status_code == 401
    assert answer.json()["kind"] == "Status"


@pytest.mark.parametrize("path", ["/readyz", "/livez", "/healthz"])
def test_health_needs_no_token(server: Embedded, path: str) -> None:
    with server.client("wrong") as client:
        assert client.call("GET", path).body == {"text": "ok"}


def test_the_certificate_is_checked(server: Embedded) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{server.server.url}/readyz", trust_env=False)


def test_kubeconfig_is_complete(server: Embedded) -> None:
    config = server.server.kubeconfig()
    cluster = config["clusters"][0]["cluster"]
    assert cluster["server"] == server.server.url
    assert base64.b64decode(cluster["certificate-authority-data"]).decode() == server.server.ca
    assert config["users"][0]["user"] == {"token": server.server.token}
    assert config["contexts"][0]["context"]["namespace"] == "default"


def test_two_identities_differ() -> None:
    one, two = make_identity(time.time()), make_identity(time.time())
    assert one.certificate != two.certificate
    assert one.key != two.key


def test_account_token_names_its_account(server: Embedded, client: Client) -> None:
    bearer = token(client)
    user = who(server, bearer)
    assert user["username"] == "system:serviceaccount:default:default"
    assert user["groups"] == ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]
    claims = json.loads(base64.urlsafe_b64decode(bearer.split(".")[1] + "=="))
    assert claims["sub"] == user["username"]
    assert claims["exp"] - claims["iat"] == 3600


def test_pod_bound_token_names_the_pod_and_dies_with_it(server: Embedded, client: Client) -> None:
    made = client.call("POST", f"{NS}/pods", pod("bound"))
    bearer = token(
        client, boundObjectRef={"apiVersion": "v1", "kind": "Pod", "name": "bound", "uid": made["metadata.uid"]}
    )
    extra = who(server, bearer)["extra"]
    assert extra["authentication.kubernetes.io/pod-name"] == ["bound"]
    assert extra["authentication.kubernetes.io/pod-uid"] == [made["metadata.uid"]]
    assert client.call("DELETE", f"{NS}/pods/bound?gracePeriodSeconds=0").code == 200
    assert refused(server, bearer)
    assert client.call("POST", f"{NS}/pods", pod("bound")).code == 201
    assert refused(server, bearer), "the token of a predecessor with the same name"


def test_token_dies_with_its_account(server: Embedded, client: Client) -> None:
    assert client.call("POST", f"{NS}/serviceaccounts", {"metadata": {"name": "gone"}}).code == 201
    bearer = token(client, "gone")
    assert not refused(server, bearer)
    assert client.call("DELETE", f"{NS}/serviceaccounts/gone").code == 200
    assert refused(server, bearer)


def test_a_changed_token_is_refused(server: Embedded, client: Client) -> None:
    head, claims, signature = token(client).split(".")
    forged = base64.urlsafe_b64encode(
        base64.urlsafe_b64decode(claims + "==").replace(b"default:default", b"default:another")
    ).rstrip(b"=")
    assert refused(server, f"{head}.{forged.decode()}.{signature}")


def test_token_expires() -> None:
    now = [time.time()]
    with Embedded(clock=lambda: now[0]) as server, server.client() as client:
        bearer = token(client, expirationSeconds=600)
        assert not refused(server, bearer)
        now[0] += 601
        assert refused(server, bearer)
