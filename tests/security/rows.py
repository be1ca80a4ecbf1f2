"""A row of the table in docs/security.md: one harmless request by one actor, and the answer that it must get.

A row that must be refused names the rule that refuses it. Neighbours: `people` and `programs` hold the rows, `mutations` takes each rule
out in turn: then its rows must turn red.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.security.stage import DRY, Stage, flow_run, path
from tests.support.world import Answer

Ask = Callable[[Stage], Answer]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        id: as the document names it.
        actor: who asks.
        ask: what for.
        rule: what refuses it; empty: it is allowed.
        code: the HTTP status of the refusal.
        says: words of the answer.
    """

    id: str
    actor: str
    ask: Ask
    rule: str = ""
    code: int = 422
    says: str = ""

    def holds(self, stage: Stage) -> str:
        """Ask, and return what is wrong with the answer; empty: it is as it must be."""
        answer = self.ask(stage)
        wanted = (200, 201) if not self.rule else (self.code,)
        # A validation is named by the beginning of its message: that one refuses, not whichever else would.
        says = self.says or ("" if "/" in self.rule else self.rule)
        if answer.code in wanted and says in answer.text:
            return ""
        return f"{self.id}: wanted {'/'.join(map(str, wanted))} {says!r}, got {answer.code} {answer.text[:300]}"


def create(actor: str, body: dict[str, Any]) -> Ask:
    return lambda stage: stage.create(actor, body)


def change(actor: str, plural: str, name: str, **spec: Any) -> Ask:
    return lambda stage: stage.change(actor, plural, name, {"spec": spec})


def get(actor: str, *where: str) -> Ask:
    return lambda stage: stage.ask(actor, "GET", path(*where))


def report(actor: str, run: str, **more: Any) -> Ask:
    return lambda stage: stage.report(actor, run, **more)


def ask(actor: str, method: str, where: str, body: Any = None) -> Ask:
    return lambda stage: stage.ask(actor, method, where + DRY, body)


def state(actor: str, run: str = "r") -> Ask:
    done = {"status": {"state": {"type": "Completed", "name": "Completed"}}}
    return lambda stage: stage.change(actor, "flowruns", run, done, "status")


def forbidden(id_: str, actor: str, ask: Ask) -> Row:
    return Row(id_, actor, ask, f"rbac/{actor}", 403, "cannot")


def run_of(name: str = "plain", **more: Any) -> dict[str, Any]:
    return flow_run("x", flowRef={"name": name}, **more)


def own_code(**more: Any) -> dict[str, Any]:
    return flow_run("x", flowSpec={"entrypoint": "a.py:f", **more})


# Every ServiceAccount holds the engine's right, so what stops these is the policy.
OPERATORS = "only the operator, or a run's own pod"
CODE = {"inline": "def f(): return 'harmless'"}
PRIVATE = {"configMap": {"name": "private"}}
ODD = "../../../team-b/configmaps/private"
TOKEN = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
ROLE = {
    "metadata": {"name": "x"},
    "rules": [{"apiGroups": ["penstock.dev"], "resources": ["flowruns"], "verbs": ["administer"]}],
}
POD = {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "a", "image": "registry.example/a"}]}}
