"""What other people do to the namespace of a chaos: a webhook that comes and goes, a quota that is shut and opened, a policy that puts a
label of its own over ours on each new pod, revisions deleted.

Each meddling lasts for some seconds and is undone; nothing that it refuses may end a run. A webhook of this kind refuses because nobody
answers for it (`failurePolicy: Fail`), for pods and for ConfigMaps, that is for revisions. Neighbours: `weather` says when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from .api import JSON, Api
from .history import History

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
NOBODY = "https://127.0.0.1:9/"


Objects = list[tuple[str, JSON]]  # where each is made, in order


@dataclass
class Meddler:
    """Other people.

    Attributes:
        api: straight to the API server, as an administrator.
        history: where it is noted.
    """

    api: Api
    history: History

    async def meddle(self, kind: str, seconds: float) -> None:
        """Do something of that kind, and undo it after so many seconds."""
        if kind == REVISIONS:
            await self._delete_revisions()
            return
        for path, body in self._objects(kind):
            code, answer = await self.api.send("POST", path, body)
            assert code in (201, 409), answer
        self.history.note(f"{kind} is there")
        try:
            await asyncio.sleep(seconds)
        finally:
            await asyncio.shield(self._undo(kind))
            self.history.note(f"{kind} is gone")

    async def _delete_revisions(self) -> None:
        """All of them, behind the operator's back: the Flow that they were made of is still there."""
        path = f"/api/v1/namespaces/{self.api.namespace}/configmaps?labelSelector=penstock.dev%2Fflow"
        code, answer = await self.api.send("DELETE", path)
        assert code == 200, answer
        self.history.note("revisions are deleted")

    async def undo_all(self) -> None:
        """Leave nothing behind when the faults end."""
        for kind in MADE:
            await self._undo(kind)

    async def _undo(self, kind: str) -> None:
        for path, body in reversed(self._objects(kind)):
            code, answer = await self.api.send("DELETE", f"{path}/{body['metadata']['name']}")
            assert code in (200, 404), answer

    def _objects(self, kind: str) -> Objects:
        return MADE[kind](self.api.namespace)


def _webhook(namespace: str) -> Objects:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods", "configmaps"]}
    hook = {
        "name": "away.chaos.example",
        "clientConfig": {"url": NOBODY},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    return [(f"{ADMISSION}/validatingwebhookconfigurations", {"metadata": {"name": namespace}, "webhooks": [hook]})]


def _quota(namespace: str) -> Objects:
    body = {"metadata": {"name": "closed"}, "spec": {"hard": {"pods": "0"}}}
    return [(f"/api/v1/namespaces/{namespace}/resourcequotas", body)]


def _label(namespace: str) -> Objects:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    change = 'Object{metadata: Object.metadata{labels: {"app.kubernetes.io/managed-by": "platform-team"}}}'
    policy = {
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "resourceRules": [rule],
        },
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": change}}],
    }
    named = {"metadata": {"name": namespace}}
    return [
        (f"{ADMISSION}/mutatingadmissionpolicies", {**named, "spec": policy}),
        (f"{ADMISSION}/mutatingadmissionpolicybindings", {**named, "spec": {"policyName": namespace}}),
    ]


MADE: dict[str, Callable[[str], Objects]] = {
    "a webhook that nobody answers for": _webhook,
    "a quota of no pods": _quota,
    "a label of somebody else's": _label,
}
REVISIONS = "revisions"
KINDS = (*MADE, REVISIONS)
