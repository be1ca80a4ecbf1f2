"""The project's admission policies in the embedded server: the same documents as in a cluster, and the same refusals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from penstock_dev.apiserver.admission import translated
from penstock_dev.subjects import subjects
from penstock_operator.api.admission import images_policy, policies
from penstock_operator.api.crd import crds
from tests.dev.apiserver.rows import pod
from tests.support.apiserver import Client, Embedded

NS = "/api/v1/namespaces/default"
RUNS = "/apis/penstock.dev/v1alpha1/namespaces/default/flowruns"
MERGE = "application/merge-patch+json"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def guarded() -> Iterator[Embedded]:
    with Embedded(crds=crds(), policies=policies(), objects=subjects()) as server:
        yield server


def run(name: str, **spec: Any) -> Json:
    body = {"flowRef": {"name": "f"}, **spec}
    return {"apiVersion": "penstock.dev/v1alpha1", "kind": "FlowRun", "metadata": {"name": name}, "spec": body}


def token(admin: Client, name: str = "", uid: str = "") -> str:
    bound = {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}} if name else {}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": bound}
    return str(admin.call("POST", f"{NS}/serviceaccounts/default/token", body)["status.token"])


@pytest.fixture(scope="module")
def bearers(guarded: Embedded) -> dict[str, str]:
    """A run whose attempt has a pod; the tokens of that pod, of another one, and of none."""
    with guarded.client() as admin:
        assert admin.call("POST", RUNS, run("r", parameters={"day": "x"})).code == 201
        found = {"unbound": token(admin)}
        for name in ("r-aaaaa-1", "s-bbbbb-1"):
            made = admin.call("POST", f"{NS}/pods", pod(name))
            found[name] = token(admin, name, made["metadata.uid"])
        attempt = {"number": 1, "podName": "r-aaaaa-1"}
        status = {"status": {"state": {"type": "Pending", "name": "Submitting"}, "attempt": attempt}}
        assert admin.call("PATCH", f"{RUNS}/r/status", status, MERGE).code == 200
    return found


REPORT = {"status": {"report": {"attempt": 1, "instance": "i", "type": "Running"}}}
STATE = {"status": {"state": {"type": "Completed", "name": "Completed"}}}


@pytest.mark.parametrize(
    ("who", "method", "path", "body", "code", "says"),
    [
        ("r-aaaaa-1", "PATCH", f"{RUNS}/r/status", REPORT, 200, ""),
        ("r-aaaaa-1", "PATCH", f"{RUNS}/r/status", STATE, 422, "a run's pod may change status.report only"),
        ("s-bbbbb-1", "PATCH", f"{RUNS}/r/status", REPORT, 422, "this pod is not the current attempt"),
        ("unbound", "PATCH", f"{RUNS}/r/status", REPORT, 422, "only the operator, or a run's own pod"),
        ("r-aaaaa-1", "GET", f"{RUNS}/r", None, 403, 'cannot get resource "flowruns" in API group "penstock.dev"'),
        ("r-aaaaa-1", "GET", RUNS, None, 403, "cannot list"),
        ("r-aaaaa-1", "POST", RUNS, run("x"), 403, "cannot create"),
        ("r-aaaaa-1", "DELETE", f"{RUNS}/r", None, 403, "cannot delete"),
        ("r-aaaaa-1", "PATCH", f"{RUNS}/r", {"spec": {"priority": 1}}, 403, "cannot patch"),
    ],
)
def test_a_pods_token(
    guarded: Embedded, bearers: dict[str, str], who: str, method: str, path: str, body: Any, code: int, says: str
) -> None:
    """It reports of its own run, and no more."""
    with guarded.client(bearers[who]) as client:
        answer = client.call(method, path, body, MERGE if method == "PATCH" else "application/json")
    assert (answer.code, says in str(answer.body)) == (code, True), answer.body


@pytest.mark.parametrize(
    ("spec", "code", "says"),
    [
        ({"parameters": {"day": "y"}}, 422, "spec.parameters is immutable"),
        ({"parameters": None}, 422, "spec.parameters is immutable"),
        ({"env": [{"name": "A", "value": "1"}]}, 422, "spec.env is immutable"),
        ({"runPolicy": {"gracePeriodSeconds": 1}}, 422, "of spec.runPolicy only retention may change"),
        ({"scheduledTime": "2030-01-01T00:00:00Z"}, 422, "only while the run is Scheduled"),
        ({"runPolicy": {"retention": {"podSeconds": 1}}}, 200, ""),
        ({"desiredState": "Paused"}, 200, ""),
        ({"inputs": {"approve": True}}, 200, ""),
    ],
)
def test_what_changes_of_a_run(guarded: Embedded, bearers: dict[str, str], spec: Json, code: int, says: str) -> None:
    """Not even the administrator changes what was asked for; what may change still does."""
    assert bearers
    with guarded.client() as admin:
        answer = admin.call("PATCH", f"{RUNS}/r?dryRun=All", {"spec": spec}, MERGE)
    assert (answer.code, says in str(answer.body)) == (code, True), answer.body


def test_a_refusal_reads_as_in_a_cluster(guarded: Embedded, bearers: dict[str, str]) -> None:
    with guarded.client(bearers["unbound"]) as client:
        answer = client.call("PATCH", f"{RUNS}/r/status", REPORT, MERGE)
    why = (
        "ValidatingAdmissionPolicy 'flowrun-status.penstock.dev' with binding 'flowrun-status.penstock.dev' denied request:"
        " only the operator, or a run's own pod with its pod-bound token, writes flowruns/status"
    )
    assert answer.body["reason"] == "Invalid"
    assert answer.body["message"] == f'flowruns.penstock.dev "r" is forbidden: {why}'
    assert answer.body["details"]["causes"] == [{"message": why}]


def test_without_policies_nobody_is_refused(server: Embedded, client: Client) -> None:
    """A server that is given none serves any definitions, as before."""
    bearer = token(client)
    with server.client(bearer) as account:
        assert account.call("GET", f"{NS}/pods").code == 200


def test_every_expression_can_be_translated() -> None:
    """No optional syntax is left that the library would refuse, and it compiles."""
    import cel

    for document in (*policies(), *images_policy("['a']")):
        spec = document["spec"]
        for entry in (*spec.get("matchConditions", ()), *spec.get("variables", ()), *spec.get("validations", ())):
            text = translated(entry["expression"])
            assert ".?" not in text
            assert "authorizer" not in text
            cel.compile(text)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (
            "object.?spec.?image == oldObject.?spec.?image",
            "dig(object, ['spec', 'image']) == dig(oldObject, ['spec', 'image'])",
        ),
        ("object.spec.?runPolicy[?f]", "dig(object.spec, ['runPolicy', f])"),
        ("request.userInfo.?extra['a/b'].orValue([''])", "dig(request.userInfo, ['extra', 'a/b']).orValue([''])"),
        (
            "authorizer.group('').resource('pods').namespace(request.namespace).check('create').allowed()",
            "allowed('create', '', 'pods', request.namespace, '')",
        ),
        ("a.b == c['d']", "a.b == c['d']"),
    ],
)
def test_what_is_translated(expression: str, wanted: str) -> None:
    assert translated(expression) == wanted
