"""A release of the chart on a real API server, whose pods are processes: what a Deployment does, seen with operators of this and of an older source.

The controllers of the server make pods of the Deployment; this plays their kubelet. A pod of the operator becomes a process with the pod's own
arguments and a token of its ServiceAccount, is Ready when its `/readyz` says so, and gets SIGTERM when it is deleted. The pod of `helm test` runs the
chart's script. Which source a pod runs is told by its image's tag. Neighbours: `played` plays the pods of runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.cluster import NAMESPACE, die_with_parent
from tests.support.operatorprocess import OperatorProcess
from tests.support.played_engine import NODE
from tests.support.realserver import RealServer
from tests.support.world import MERGE

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
Json = dict[str, Any]


class Gone(Exception):  # noqa: N818 - no error: it happens to every pod
    """What was there at the last look is not there any more."""


@dataclass
class Release:
    """The chart's namespace, from `start` to `stop`.

    Attributes:
        server: the API server, with its controllers.
        helm_program: the helm to use.
        sources: where an image's tag has its Python from; others have that of this checkout.
        operators: every operator that was started, by its pod's name.
        failure: what went wrong in the player.
    """

    server: RealServer
    helm_program: str
    sources: dict[str, Path] = field(default_factory=dict)
    operators: dict[str, OperatorProcess] = field(default_factory=dict)
    failure: str = ""
    _running: dict[str, OperatorProcess] = field(default_factory=dict)
    _tests: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> Release:
        """Play from now on."""
        with self.server.client(self.server.admin_token) as client:
            # The garbage collector of pods takes those away whose node does not exist.
            _send(client, "POST", "/api/v1/nodes", {"metadata": {"name": NODE}, "spec": {}})
        self._thread = threading.Thread(target=self._play, name="played-kubelet", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the player and every process."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(20)
        for one in self._running.values():
            one.kill()

    def helm(self, *arguments: str, ok: bool = True) -> str:
        """Run helm in the release's namespace; returns both of its streams."""
        command = [self.helm_program, "--kubeconfig", str(self.server.kubeconfig), "-n", NAMESPACE, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        said = done.stdout + done.stderr
        assert not self.failure, self.failure
        assert not ok or done.returncode == 0, f"helm {' '.join(arguments)}: {said}\n{self.logs()}"
        return said

    def logs(self) -> str:
        """The ends of the operators' logs."""
        return "\n".join(f"--- {name}\n{one.text()[-1500:]}" for name, one in self.operators.items())

    def _play(self) -> None:
        try:
            with self.server.client(self.server.admin_token) as client:
                while not self._stop.wait(0.1):  # between two looks at the pods
                    for pod in _send(client, "GET", PODS)["items"]:
                        with suppress(Gone):
                            self._look(client, pod)
        except Exception as error:  # noqa: BLE001 - told by the next call of helm
            self.failure = f"the played kubelet ended: {error!r}"

    def _look(self, client: httpx.Client, pod: Json) -> None:
        meta = pod["metadata"]
        name, component = meta["name"], meta["labels"].get("app.kubernetes.io/component")
        if "deletionTimestamp" in meta:
            self._end(client, pod)
        elif component == "operator":
            self._operator(client, pod)
        elif meta.get("annotations", {}).get("helm.sh/hook") == "test" and name not in self._tests:
            self._tests[name] = self._test(client, pod)
        elif name in self._tests and (code := self._tests[name].poll()) is not None:
            phase = "Failed" if code else "Succeeded"
            if pod["status"].get("phase") != phase:
                _send(client, "PATCH", f"{PODS}/{name}/status", {"status": {"phase": phase}}, MERGE)

    def _operator(self, client: httpx.Client, pod: Json) -> None:
        name, (container,) = pod["metadata"]["name"], pod["spec"]["containers"]
        if name not in self._running:
            self._running[name] = self.operators[name] = self._launch(client, pod, container)
        ready = self._running[name].ask("/readyz")[0] == 200
        if ready and pod["status"].get("phase") != "Running":
            conditions = [{"type": kind, "status": "True"} for kind in ("ContainersReady", "Ready")]
            status = {"phase": "Running", "conditions": [*pod["status"].get("conditions", []), *conditions]}
            _send(client, "PATCH", f"{PODS}/{name}/status", {"status": status}, MERGE)

    def _launch(self, client: httpx.Client, pod: Json, container: Json) -> OperatorProcess:
        name = pod["metadata"]["name"]
        token = _bind(client, pod)
        kubeconfig = self.server.write_kubeconfig(f"{name}.kubeconfig", token, NAMESPACE)
        arguments = [a.replace("$$(", "$(") for a in container["args"] if not a.startswith("--health-port=")]
        env = {"POD_NAME": name, "POD_NAMESPACE": NAMESPACE}
        source = self.sources.get(container["image"].rpartition(":")[2])
        if source is not None:
            env["PYTHONPATH"] = f"{source / 'operator'}:{source / 'engine'}"
        return OperatorProcess(kubeconfig, self.server.folder, tuple(arguments), env)

    def _test(self, client: httpx.Client, pod: Json) -> subprocess.Popen[str]:
        (container,) = pod["spec"]["containers"]
        mount = self.server.folder / pod["metadata"]["name"]
        mount.mkdir(exist_ok=True)
        (mount / "token").write_text(_bind(client, pod))
        (mount / "ca.crt").write_text(self.server.ca.read_text())
        script = container["args"][0].replace(ACCOUNT, f"{mount}/")
        env = {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self.server.port),
            "TEST_NAMESPACE": pod["metadata"]["namespace"],
        }
        command = [sys.executable, *container["command"][1:], script]
        return subprocess.Popen(command, env={**os.environ, **env}, text=True, preexec_fn=die_with_parent)

    def _end(self, client: httpx.Client, pod: Json) -> None:
        name = pod["metadata"]["name"]
        one = self._running.pop(name, None)
        if one is not None:
            one.stop()
        _send(client, "DELETE", f"{PODS}/{name}", {"gracePeriodSeconds": 0})


def _bind(client: httpx.Client, pod: Json) -> str:
    """Put a pod on the node; return a token of its ServiceAccount, as the kubelet mounts it."""
    meta, account = pod["metadata"], pod["spec"]["serviceAccountName"]
    target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": meta["name"]}, "target": target}
    _send(client, "POST", f"{PODS}/{meta['name']}/binding", binding)
    bound = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"boundObjectRef": bound}}
    path = f"/api/v1/namespaces/{meta['namespace']}/serviceaccounts/{account}/token"
    return str(_send(client, "POST", path, request)["status"]["token"])


def _send(client: httpx.Client, method: str, path: str, body: Any = None, kind: str = "application/json") -> Json:
    answer = client.request(method, path, json=body, headers={"Content-Type": kind})
    if answer.status_code == 404:
        raise Gone(path)
    assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
    return dict(answer.json())
