"""A real API server with the chart's definitions, rights and policies; two namespaces; and the actors, each with its own kubeconfig.

What the actors ask for is a dry run, or refused: the stage stays as it was built, so that the rows may be asked in any order and again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.cluster import NAMESPACE, helm_template
from tests.support.realserver import GivenServer, RealServer
from tests.support.world import MERGE, RBAC, Answer, World, until

OURS = "team-a"
THEIRS = "team-b"
IMAGES = ("registry.example/*",)
PENSTOCK = "/apis/penstock.dev/v1alpha1"
DRY = "?dryRun=All"
_CLUSTER_SCOPED = (
    "CustomResourceDefinition",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "Namespace",
)


def path(namespace: str, plural: str, name: str = "", sub: str = "") -> str:
    """The path of an object, said here a second time on purpose."""
    base = PENSTOCK if plural in ("flows", "flowruns") else "/api/v1"
    return "/".join(filter(None, (f"{base}/namespaces/{namespace}/{plural}", name, sub)))


def flow_run(name: str, **spec: Any) -> dict[str, Any]:
    """A FlowRun."""
    return {"apiVersion": "penstock.dev/v1alpha1", "kind": "FlowRun", "metadata": {"name": name}, "spec": spec}


def flow(name: str, **spec: Any) -> dict[str, Any]:
    """A Flow."""
    spec = {"entrypoint": "a.py:f", **spec}
    return {"apiVersion": "penstock.dev/v1alpha1", "kind": "Flow", "metadata": {"name": name}, "spec": spec}


SECRET_ENV = [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]
TEMPLATE = {"spec": {"serviceAccountName": "powerful"}}


@dataclass
class Stage:
    """The stage, and who acts on it.

    Attributes:
        server: the API server.
        world: speaks as its administrator in our namespace.
        documents: what the chart renders, as it is applied.
        clients: by actor; each speaks with the token of its own kubeconfig.
    """

    server: RealServer | GivenServer
    world: World
    documents: list[dict[str, Any]]
    clients: dict[str, httpx.Client] = field(default_factory=dict)

    def ask(self, actor: str, method: str, where: str, body: Any = None, kind: str = "application/json") -> Answer:
        """Send one request as an actor."""
        content = json.dumps(body) if body is not None else None
        reply = self.clients[actor].request(method, where, content=content, headers={"Content-Type": kind})
        try:
            return Answer(reply.status_code, reply.json() if reply.content else {})
        except ValueError:
            return Answer(reply.status_code, {"message": reply.text})

    def create(self, actor: str, body: dict[str, Any], namespace: str = OURS) -> Answer:
        """Create a Flow or a FlowRun, as a dry run."""
        plural = body["kind"].lower() + "s"
        return self.ask(actor, "POST", path(namespace, plural) + DRY, body)

    def change(self, actor: str, plural: str, name: str, body: Any, sub: str = "") -> Answer:
        """Merge-patch an object, as a dry run."""
        return self.ask(actor, "PATCH", path(OURS, plural, name, sub) + DRY, body, MERGE)

    def report(self, actor: str, run: str, where: str = "report", value: Any = None) -> Answer:
        """Patch a field of a run's status, its report by default, as a dry run."""
        said = value if value is not None else {"attempt": 1, "instance": "i", "type": "Completed"}
        for name in reversed(where.split(".")):
            said = {name: said}
        return self.change(actor, "flowruns", run, {"status": said}, "status")

    # --- what is taken out by a mutation ---------------------------------------------------------------------------------------------

    def apply(self, documents: Iterable[dict[str, Any]]) -> None:
        """Apply definitions, rights and policies."""
        for document in documents:
            group, kind = document["apiVersion"], document["kind"]
            plural = kind.lower()[:-1] + "ies" if kind.endswith("y") else kind.lower() + "s"
            inside = "" if kind in _CLUSTER_SCOPED else f"/namespaces/{document['metadata']['namespace']}"
            base = f"/apis/{group}" if "/" in group else f"/api/{group}"
            where = f"{base}{inside}/{plural}/{document['metadata']['name']}?fieldManager=tests&force=true"
            answer = self.world.call("PATCH", where, document, kind="application/apply-patch+yaml")
            assert answer.code in (200, 201), answer.text

    def grant(self, actor: str) -> None:
        """Let an actor do everything."""
        subject = {"kind": "ServiceAccount", "name": self.accounts[actor][1], "namespace": self.accounts[actor][0]}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        body = {"metadata": {"name": f"all-for-{actor}"}, "roleRef": role, "subjects": [subject]}
        self.world.make(f"{RBAC}/clusterrolebindings", body)

    def revoke(self, actor: str) -> None:
        """Take that back."""
        assert self.world.call("DELETE", f"{RBAC}/clusterrolebindings/all-for-{actor}").code == 200

    accounts: dict[str, tuple[str, str]] = field(default_factory=dict)


@contextmanager
def staged(server: RealServer | GivenServer) -> Iterator[Stage]:
    """Start a server, build the stage on it, and end both."""
    try:
        server.start()
        with server.client() as client:
            world = World(client, server.admin_token, OURS)
            stage = Stage(server, world, _documents())
            _build(stage)
            yield stage
            for one in stage.clients.values():
                one.close()
    finally:
        server.stop()


def _documents() -> list[dict[str, Any]]:
    rendered = helm_template("--set", f"restrict.images={{{','.join(IMAGES)}}}")
    return list(yaml.safe_load_all(rendered))


def _build(stage: Stage) -> None:
    world = stage.world
    for namespace in (NAMESPACE, OURS, THEIRS):
        world.make("/api/v1/namespaces", {"metadata": {"name": namespace}})
    stage.apply(stage.documents)
    until("the CRDs are served", lambda: world.call("GET", path(OURS, "flowruns")).code == 200)
    until("the CRDs are served", lambda: world.call("GET", path(OURS, "flows")).code == 200)
    _objects(world)
    _actors(stage)
    until("the spec policy is in force", lambda: stage.create("editor", flow("probe", template=TEMPLATE)).code == 422)
    until("the images policy is in force", lambda: stage.create("admin", flow("probe", image="other/x")).code == 422)
    until("the status policy is in force", lambda: stage.report("unbound", "waiting").code == 422)
    until("the roles are aggregated", lambda: stage.ask("viewer", "GET", path(OURS, "flowruns")).code == 200)
    until("the roles are aggregated", lambda: stage.ask("admin", "GET", path(OURS, "secrets")).code == 200)


def _objects(world: World) -> None:
    for namespace in (OURS, THEIRS):
        for account in ("runner", "powerful"):
            world.make(path(namespace, "serviceaccounts"), {"metadata": {"name": account}})
        world.make(path(namespace, "secrets"), {"metadata": {"name": "db"}, "stringData": {"password": "harmless"}})
        world.make(path(namespace, "configmaps"), {"metadata": {"name": "private"}, "data": {"a.py": "def f(): ..."}})
    world.make(path(OURS, "flows"), flow("plain"))
    world.make(path(OURS, "flows"), flow("secretive", env=SECRET_ENV, source={"inline": "def f(): ..."}))
    world.make(path(OURS, "flows"), flow("templated", template=TEMPLATE))
    world.make(path(OURS, "flows"), flow("sourced", source={"configMap": {"name": "private"}}))
    world.make(path(OURS, "flowruns"), flow_run("waiting", flowRef={"name": "plain"}, parameters={"day": "x"}))
    world.make(path(OURS, "flowruns"), flow_run("own", flowSpec={"entrypoint": "a.py:f"}))
    for name in ("r", "fresh", "twin", "later"):
        world.make(path(OURS, "flowruns"), flow_run(name, flowRef={"name": "plain"}))


def _status(world: World, run: str, **attempt: Any) -> None:
    body = {"status": {"state": {"type": "Running", "name": "Running"}, "attempt": attempt}}
    answer = world.call("PATCH", path(OURS, "flowruns", run, "status"), body, kind=MERGE)
    assert answer.code == 200, answer.text


def _pod(world: World, namespace: str, name: str) -> str:
    # Of no node: a pod of a node that does not exist is collected after a minute, and its tokens with it.
    spec = {"serviceAccountName": "runner", "containers": [{"name": "engine", "image": "x"}]}
    return str(world.make(path(namespace, "pods"), {"metadata": {"name": name}, "spec": spec})["metadata"]["uid"])


def _token(world: World, namespace: str, account: str, pod: tuple[str, str] | None = None) -> str:
    spec: dict[str, Any] = {"expirationSeconds": 3600}
    if pod:
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod[0], "uid": pod[1]}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str(world.make(path(namespace, "serviceaccounts", account, "token"), body)["status"]["token"])


def _enter(stage: Stage, actor: str, namespace: str, account: str, token: str) -> None:
    """Give an actor a kubeconfig of its own, and a client that knows nothing else."""
    kubeconfig = stage.server.write_kubeconfig(f"{actor}.kubeconfig", token, namespace)
    stage.accounts[actor] = (namespace, account)
    stage.clients[actor] = stage.server.client(_token_of(kubeconfig))


def _token_of(kubeconfig: Path) -> str:
    return str(json.loads(kubeconfig.read_text())["users"][0]["user"]["token"])


def _actors(stage: Stage) -> None:
    world = stage.world
    _people(stage)
    pods = {name: _pod(world, OURS, name) for name in ("r-aaaaa-1", "fresh-bbbbb-1", "twin-ccccc-1", "later-ddddd-1")}
    theirs = _pod(world, THEIRS, "fresh-bbbbb-1")
    _status(world, "r", number=1, podName="r-aaaaa-1", podUID=pods["r-aaaaa-1"])
    _status(world, "fresh", number=1, podName="fresh-bbbbb-1")
    _status(world, "twin", number=1, podName="twin-ccccc-1", podUID="00000000-0000-4000-8000-000000000000")
    _status(world, "later", number=2, podName="later-ddddd-2")
    for actor, namespace, pod in (
        ("engine", OURS, ("r-aaaaa-1", pods["r-aaaaa-1"])),
        ("other-runs-engine", OURS, ("fresh-bbbbb-1", pods["fresh-bbbbb-1"])),
        ("namesake", OURS, ("twin-ccccc-1", pods["twin-ccccc-1"])),
        ("old-attempts-engine", OURS, ("later-ddddd-1", pods["later-ddddd-1"])),
        ("other-namespaces-engine", THEIRS, ("fresh-bbbbb-1", theirs)),
    ):
        _enter(stage, actor, namespace, "runner", _token(world, namespace, "runner", pod))
    _enter(stage, "unbound", OURS, "runner", _token(world, OURS, "runner"))
    _enter(stage, "operator", NAMESPACE, "penstock", _token(world, NAMESPACE, "penstock"))


def _people(stage: Stage) -> None:
    world = stage.world
    base = f"{RBAC}/namespaces/{OURS}"
    everything = ["get", "list", "watch", "create", "update", "patch", "delete"]
    configmaps = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": everything}]
    world.make(f"{base}/roles", {"metadata": {"name": "configmaps"}, "rules": configmaps})
    for actor, kind, role in (
        ("viewer", "ClusterRole", "view"),
        ("editor", "ClusterRole", "penstock-edit"),
        ("librarian", "Role", "configmaps"),
        ("admin", "ClusterRole", "admin"),
    ):
        world.make(path(OURS, "serviceaccounts"), {"metadata": {"name": actor}})
        subject = {"kind": "ServiceAccount", "name": actor, "namespace": OURS}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}
        world.make(f"{base}/rolebindings", {"metadata": {"name": actor}, "roleRef": reference, "subjects": [subject]})
        _enter(stage, actor, OURS, actor, _token(world, OURS, actor))
    world.make(path(THEIRS, "serviceaccounts"), {"metadata": {"name": "stranger"}})
    _enter(stage, "stranger", THEIRS, "stranger", _token(world, THEIRS, "stranger"))
