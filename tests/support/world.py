"""A namespace on an API server, its actors and their tokens: one request by one actor, the answer as (code, body).

Used by the cases of CRDs and admission policies, which ask who may write what.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    code: int
    body: dict[str, Any]

    @property
    def text(self) -> str:
        return json.dumps(self.body)


@dataclass
class World:
    """An API server seen by several actors, in a namespace of its own."""

    client: httpx.Client
    admin: str
    namespace: str = field(default_factory=lambda: f"cases-{os.getpid()}-{next(_numbers)}")

    @property
    def runs(self) -> str:
        return f"/apis/penstock.dev/v1alpha1/namespaces/{self.namespace}/flowruns"

    @property
    def flows(self) -> str:
        return f"/apis/penstock.dev/v1alpha1/namespaces/{self.namespace}/flows"

    def call(self, method: str, path: str, body: Any = None, token: str = "", kind: str = "application/json") -> Answer:
        headers = {"Authorization": f"Bearer {token or self.admin}", "Content-Type": kind}
        content = json.dumps(body) if body is not None else None
        reply = self.client.request(method, path, content=content, headers=headers)
        return Answer(reply.status_code, reply.json() if reply.content else {})

    def merge(self, name: str, body: Any, subresource: str = "", token: str = "") -> Answer:
        return self.call("PATCH", f"{self.runs}/{name}{subresource}", body, token, MERGE)

    def json_patch(self, name: str, operations: Any, token: str = "") -> Answer:
        return self.call("PATCH", f"{self.runs}/{name}/status", operations, token, JSON_PATCH)

    def make(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST as the administrator; anything but success is an error of the test itself."""
        answer = self.call("POST", path, body)
        assert answer.code in (200, 201), answer.text
        return answer.body

    def apply(self, documents: Iterable[dict[str, Any]]) -> None:
        """Server-side apply of cluster-scoped definitions."""
        for document in documents:
            group, kind = document["apiVersion"], document["kind"]
            plural = kind.lower()[:-1] + "ies" if kind.endswith("y") else kind.lower() + "s"
            path = f"/apis/{group}/{plural}/{document['metadata']['name']}?fieldManager=tests&force=true"
            answer = self.call("PATCH", path, document, kind="application/apply-patch+yaml")
            assert answer.code in (200, 201), answer.text

    def account(self, name: str, rules: list[dict[str, Any]] | None = None) -> str:
        """Make a ServiceAccount, with a Role if rules are given, and return a token that is bound to no pod."""
        self.make(f"/api/v1/namespaces/{self.namespace}/serviceaccounts", {"metadata": {"name": name}})
        if rules:
            subject = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
            self.role(name, rules, subject)
        return self.token(name)

    def role(self, name: str, rules: list[dict[str, Any]], subject: dict[str, Any]) -> None:
        """Make a Role and bind it."""
        base = f"{RBAC}/namespaces/{self.namespace}"
        self.make(f"{base}/roles", {"metadata": {"name": name}, "rules": rules})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        self.make(f"{base}/rolebindings", {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]})

    def token(self, account: str, pod: tuple[str, str] | None = None) -> str:
        """Return a token of the account, bound to a pod (name, uid) if one is given."""
        spec: dict[str, Any] = {"expirationSeconds": 3600}
        if pod:
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod[0], "uid": pod[1]}
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return str(self.make(path, body)["status"]["token"])

    def pod(self, name: str, account: str) -> tuple[str, str]:
        """Make a pod that no node runs; return its name and uid."""
        spec = {"serviceAccountName": account, "nodeName": "nowhere", "containers": [{"name": "engine", "image": "x"}]}
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        return name, str(self.make(path, {"metadata": {"name": name}, "spec": spec})["metadata"]["uid"])


# How long a test waits for what surely comes: long, for a busy machine may be ten times as slow; below the limit of a test.
PATIENCE = 100.0


def until(what: str, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Ask again until the condition holds; fail with `what` after so many seconds."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(pause)  # between two looks at something that tells nobody when it changes
        pause = min(pause * 1.5, 0.25)


def once(bell: threading.Event, act: Callable[[], Any], seconds: float) -> threading.Thread:
    """Act in another thread as soon as it rings; fail there when it has not after so many seconds."""

    def wait() -> None:
        assert bell.wait(seconds)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread
