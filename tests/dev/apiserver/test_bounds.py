"""What a real server does and the embedded one does not: a proper Status says so, never silence or a wrong answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dev.apiserver.rows import CRDS, changed, definition, pod
from tests.support.apiserver import Client

NS = "/api/v1/namespaces/default"
OTHER = changed(definition(), "others.example.dev", "metadata", "name")
OTHER["spec"] |= {"names": {"plural": "others", "kind": "Other"}}
WEBHOOK = {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://x"}}}


@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward", "eviction", "resize", "ephemeralcontainers"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pods(client: Client, method: str, subresource: str) -> None:
    client.call("POST", f"{NS}/pods", pod("p"))
    answer = client.call(method, f"{NS}/pods/p/{subresource}")
    assert (answer.code, answer.body["kind"], answer.body["reason"]) == (501, "Status", "NotImplemented")
    assert f"pods/{subresource} is outside what the embedded development control plane offers" in answer.message


def test_conversion_webhook(client: Client) -> None:
    answer = client.call("POST", CRDS, changed(OTHER, WEBHOOK, "spec", "conversion"))
    assert answer.code == 501
    assert "a conversion webhook" in answer.message


def test_function_that_the_cel_library_lacks(client: Client) -> None:
    path = ("spec", "versions", "0", "schema", "openAPIV3Schema", "properties", "spec", "x-kubernetes-validations")
    answer = client.call("POST", CRDS, changed(OTHER, [{"rule": "self.tags.isSorted()"}], *path))
    assert answer.code == 422
    assert "does not evaluate the CEL function isSorted()" in answer.message


def test_list_of_the_past(client: Client) -> None:
    answer = client.call("GET", f"{NS}/pods?resourceVersion=1&resourceVersionMatch=Exact")
    assert answer.code == 501


def test_list_of_the_future(client: Client) -> None:
    answer = client.call("GET", f"{NS}/pods?resourceVersion=99999999")
    assert (answer.code, answer.body["reason"]) == (504, "Timeout")
    assert answer["details.retryAfterSeconds"] == 1


@pytest.mark.parametrize("media", ["application/cbor", "text/plain", "application/xml"])
def test_media_types(client: Client, media: str) -> None:
    answer = client.call("POST", f"{NS}/configmaps", "x", media)
    assert (answer.code, answer.body["reason"]) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nothing", 404), ("GET", "/api/v2", 404), ("GET", "/apis/none.dev/v1/things", 404), ("GET", "/apis/none.dev", 404),
        ("GET", f"{NS}/pods/p/x/y", 404), ("POST", "/api/v1/pods", 405), ("PUT", f"{NS}/pods", 405), ("PATCH", f"{NS}/pods", 405),
        ("DELETE", "/api/v1/namespaces", 405), ("GET", "/openapi/v4", 404), ("GET", "/openapi/v3/apis/none.dev/v1", 404),
        ("OPTIONS", f"{NS}/pods", 405),
    ],
)  # fmt: skip
def test_paths_and_methods(client: Client, method: str, path: str, code: int) -> None:
    answer = client.call(method, path)
    assert (answer.code, answer.body["kind"]) == (code, "Status")


def test_a_body_that_is_too_large(client: Client) -> None:
    answer = client.call("POST", f"{NS}/configmaps", "x" * (3 * 1024 * 1024 + 1))
    assert (answer.code, answer.body["reason"]) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize(
    "body", [[], "text", 1, None, {"metadata": []}, {"metadata": {"name": 1}}, {"metadata": {"labels": [1]}}]
)
@pytest.mark.parametrize(
    "path", [f"{NS}/configmaps", f"{NS}/pods", "/apis/example.dev/v1/namespaces/default/widgets", CRDS]
)
def test_bodies_that_are_no_objects_are_refused_not_crashed_on(client: Client, path: str, body: Any) -> None:
    answer = client.call("POST", path, body if body is not None else "null")
    assert answer.code in (400, 422), answer.body
    assert answer.body["kind"] == "Status"


@pytest.mark.parametrize(
    "media", ["application/merge-patch+json", "application/json-patch+json", "application/strategic-merge-patch+json"]
)
@pytest.mark.parametrize(
    "body", [[], [1], {}, 1, "x", {"metadata": None}, {"spec": None}, {"spec": 1}, {"metadata": {"labels": 1}}]
)
def test_patches_that_make_no_sense_are_refused_not_crashed_on(client: Client, media: str, body: Any) -> None:
    client.call("POST", f"{NS}/pods", pod("odd"))
    answer = client.call("PATCH", f"{NS}/pods/odd", body if not isinstance(body, str) else '"x"', media)
    assert answer.code < 500, answer.body


@pytest.mark.parametrize(
    "metadata",
    [
        None, 1, [], {"name": 1}, {"name": "x", "labels": [1]}, {"name": "x", "labels": {"a": 1}}, {"name": "x", "finalizers": "f"},
        {"name": "x", "annotations": {"a": 1}}, {"name": "x", "ownerReferences": [1]}, {"name": "x", "resourceVersion": 5},
        {"name": "x", "generateName": 3}, {"generateName": 3}, {"name": "x", "namespace": 3}, {"name": ["x"]},
    ],
    ids=str,
)  # fmt: skip
def test_metadata_that_is_none_is_refused_not_crashed_on(client: Client, metadata: Any) -> None:
    body = {"apiVersion": "example.dev/v1", "kind": "Widget", "metadata": metadata, "spec": {"size": 1}}
    answer = client.call("POST", "/apis/example.dev/v1/namespaces/default/widgets", body)
    assert answer.code in (400, 422), answer.body
    client.call("POST", "/apis/example.dev/v1/namespaces/default/widgets", {**body, "metadata": {"name": "odd"}})
    path = "/apis/example.dev/v1/namespaces/default/widgets/odd"
    answer = client.call("PATCH", path, {"metadata": metadata}, "application/merge-patch+json")
    assert answer.code < 500, answer.body


@pytest.mark.parametrize(
    "spec",
    [
        None,
        1,
        [],
        "x",
        {"size": 1, "parts": [1]},
        {"size": 1, "parts": {"a": 1}},
        {"size": 1, "tags": [{}, {}]},
        {"size": 1, "labels": [1]},
    ],
)
def test_specs_of_wrong_types_are_refused_not_crashed_on(client: Client, spec: Any) -> None:
    body = {"apiVersion": "example.dev/v1", "kind": "Widget", "metadata": {"name": "wrong"}, "spec": spec}
    answer = client.call("POST", "/apis/example.dev/v1/namespaces/default/widgets", body)
    assert answer.code == 422, answer.body
    path = "/apis/example.dev/v1/namespaces/default/widgets/wrong?fieldManager=x"
    answer = client.call("PATCH", path, body, "application/apply-patch+yaml")
    assert 400 <= answer.code < 500 or (answer.code == 500 and "typed patch object" in answer.message), answer.body
