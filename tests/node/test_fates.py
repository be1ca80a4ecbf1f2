"""What a real kubelet does to a run, told as a person would want it. All runs are applied at once; each row then looks at its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.node.conftest import STOPPED_BY, NodeCluster
from tests.support.cluster import Space
from tests.support.flows import run
from tests.support.world import until

pytestmark = pytest.mark.timeout(600)
# All rows start at once and wait for each other: patience begins with a run's own first statement. A kubelet measures a pod's volumes
# each one to two minutes (volumeStatsAggPeriod with its jitter), so a full /tmp may be seen two minutes later.
START, PATIENCE = 300, 240
Action = Callable[[NodeCluster, Space, str], None]
ONCE: dict[str, Any] = {"retries": {"infrastructure": 0, "neverStarted": 0}}

BODY = """
    import os, subprocess, sys, time
    from penstock import flow
    from penstock.runtime import flow_run

    @flow
    def main():
        print("begins", flush=True)
{body}
"""
SLEEPS = "time.sleep(600)"
# The first attempt waits for its fate, the second one ends well.
SECOND = "flow_run.attempt == 1 and time.sleep(600)\nreturn flow_run.attempt"
# Holds the interpreter's lock in a call that no signal ends: nothing of the engine runs any more.
HUNG = """
import ctypes, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
open("/tmp/hung", "w")
ctypes.PyDLL(None).sleep(600)
"""
PROBE = {"periodSeconds": 2, "timeoutSeconds": 20, "failureThreshold": 1}
# An hour is never over by itself while all rows start at once; the row shortens it when the flow is where it should be.
LONG: dict[str, Any] = {"template": {"spec": {"activeDeadlineSeconds": 3600}}, "runPolicy": ONCE}
HOG = "x = []\nwhile True: x.append(bytearray(2**20))"


@dataclass(frozen=True)
class Fate:
    """One row: a run, what is done to it, and what its status must say."""

    id: str
    body: str
    state: str  # type/name
    says: str = ""  # a pattern in state.message
    first: str = ""  # reason of the first, lost attempt
    budget: str = ""
    act: Action | None = None
    spec: dict[str, Any] = field(default_factory=dict)


def engine(**container: Any) -> dict[str, Any]:
    """A template that changes the engine's container."""
    return {"template": {"spec": {"containers": [{"name": "engine", **container}]}}}


def limits(**values: str) -> dict[str, Any]:
    return {"resources": {"limits": values}}


def pod_of(space: Space, name: str, attempt: int = 1) -> dict[str, Any]:
    return next(p for p in space.pods(name) if p["metadata"]["labels"]["penstock.dev/attempt"] == str(attempt))


def running(space: Space, name: str) -> str:
    """Wait until the body has begun; return the pod's name."""
    space.wait_type(name, "Running", seconds=START)
    until(f"{name}'s body has begun", lambda: "begins" in space.log(name), 60)
    return str(pod_of(space, name)["metadata"]["name"])


def evict(_: NodeCluster, space: Space, name: str) -> None:
    pod = running(space, name)
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": space.name}}
    with space.cluster.client() as client:
        client.post(f"/api/v1/namespaces/{space.name}/pods/{pod}/eviction", json=body).raise_for_status()


def force_delete(_: NodeCluster, space: Space, name: str) -> None:
    space.kubectl("delete", "pod", running(space, name), "--force", "--grace-period=0")


def delete(_: NodeCluster, space: Space, name: str) -> None:
    space.kubectl("delete", "pod", running(space, name), "--wait=false")


def cancel(_: NodeCluster, space: Space, name: str) -> None:
    running(space, name)
    space.kubectl("patch", "fr", name, "--type=merge", "-p", '{"spec":{"desiredState":"Cancelled"}}')


def shorten(space: Space, pod: str) -> None:
    """A pod's own deadline may be lowered while it runs; the kubelet counts from the pod's start, which is longer ago."""
    space.kubectl("patch", "pod", pod, "--type=merge", "-p", '{"spec":{"activeDeadlineSeconds":1}}')


def pass_deadline(_: NodeCluster, space: Space, name: str) -> None:
    shorten(space, running(space, name))


def pass_deadline_when_deaf(_: NodeCluster, space: Space, name: str) -> None:
    space.wait_type(name, "Running", seconds=START)
    ready = {"type": "Ready", "status": "True"}
    until(
        f"{name}'s pod hangs",
        lambda: any(ready.items() <= c.items() for c in pod_of(space, name)["status"].get("conditions", ())),
        60,
    )
    shorten(space, str(pod_of(space, name)["metadata"]["name"]))


def heal(_: NodeCluster, space: Space, name: str) -> None:
    status = space.wait(name, lambda s: s["state"]["name"] == "ConfigError", "the missing Secret is told", 90)
    assert "late-secret" in status["state"]["message"]
    space.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late-secret"}, "stringData": {"key": "v"}})


FATES = [
    Fate("completes", "return 42", "Completed/Completed"),
    Fate("raises", "raise ValueError('no rows')", "Failed/Failed", "ValueError.*no rows"),
    Fate("oom-of-the-engine", HOG, "Crashed/OOMKilled", "96Mi", spec=limits(memory="96Mi")),
    Fate(
        "oom-of-a-child",
        "subprocess.run([sys.executable, '-c', 'x = bytearray(2**29); [x.__setitem__(i, 1) for i in range(0, 2**29, 4096)]'])\nos._exit(3)",
        "Crashed/OOMKilled",
        "128Mi",
        spec=limits(memory="128Mi"),
    ),
    Fate("exit-code", "os._exit(7)", "Crashed/ExitCode", r"\b7\b"),
    Fate("exit-0", "os._exit(0)", "Crashed/NoReport", spec={"runPolicy": ONCE}),
    Fate("segfault", "import ctypes; ctypes.string_at(0)", "Crashed/Signal", "SIGSEGV"),
    Fate("evicted", SECOND, "Completed/Completed", first="Evicted", budget="infrastructure", act=evict),
    Fate("evicted-for-good", SLEEPS, "Crashed/Evicted", "through the API", act=evict, spec={"runPolicy": ONCE}),
    Fate("force-deleted", SECOND, "Completed/Completed", first="Interrupted|PodDeleted", budget="infrastructure", act=force_delete),
    *(
        # A signal that is not heard would show as PodDeleted, when the grace is over.
        Fate(
            f"stopped-by-{signal.lower().replace('+', '-')}",
            SECOND,
            "Completed/Completed",
            first="Interrupted",
            budget="infrastructure",
            act=delete,
            spec={"image": image},
        )
        for signal, image in STOPPED_BY.items()
    ),
    Fate("cancelled", SLEEPS, "Cancelled/Cancelled", act=cancel),
    Fate(
        "wrong-image",
        SLEEPS,
        "Crashed/ImagePullFailed",
        "penstock.local/none:1",
        spec={"image": "penstock.local/none:1", "runPolicy": {"imagePullGraceSeconds": 3}},
    ),
    Fate(
        "secret-comes-late",
        "return os.environ['LATE']",
        "Completed/Completed",
        act=heal,
        spec={"env": [{"name": "LATE", "valueFrom": {"secretKeyRef": {"name": "late-secret", "key": "key"}}}]},
    ),
    Fate(
        "unschedulable",
        SLEEPS,
        "Crashed/Unschedulable",
        "(?i)cpu",
        spec={"resources": {"requests": {"cpu": "100"}}, "runPolicy": {"pendingDeadlineSeconds": 20}},
    ),
    Fate("deadline", SLEEPS, "Failed/TimedOut", r"\b6\b", spec={"runPolicy": {"activeDeadlineSeconds": 6}}),
    Fate(
        "deadline-of-the-pod", SLEEPS, "Crashed/Interrupted", r"activeDeadlineSeconds \(1 s\)", act=pass_deadline, spec=LONG
    ),
    Fate(
        "deadline-of-a-deaf-pod",
        HUNG,
        "Failed/TimedOut",
        r"activeDeadlineSeconds \(1 s\)",
        act=pass_deadline_when_deaf,
        spec={
            "template": {
                "spec": {
                    **LONG["template"]["spec"],
                    **engine(readinessProbe={"exec": {"command": ["test", "-e", "/tmp/hung"]}, **PROBE})["template"]["spec"],
                }
            },
            "runPolicy": {**ONCE, "gracePeriodSeconds": 1},
        },
    ),
    Fate(
        "node-rejects",
        SLEEPS,
        "Crashed/NodeRejected",
        spec={"template": {"spec": {"nodeName": "NODE", "nodeSelector": {"no": "such"}}}, "runPolicy": ONCE},
    ),
    Fate(
        "liveness",
        HUNG,
        "Crashed/Unresponsive",
        spec={
            **engine(livenessProbe={"exec": {"command": ["sh", "-c", "! test -e /tmp/hung"]}, **PROBE}),
            "runPolicy": {**ONCE, "gracePeriodSeconds": 1},
        },
    ),
    Fate(
        "sidecar-stays",
        "return 1",
        "Completed/Completed",
        spec={"template": {"spec": {"containers": [{"name": "beside", "image": "IMAGE", "command": ["sleep", "600"]}]}}},
    ),
    Fate(
        "storage-limit",
        "open('/tmp/big', 'wb').write(b'x' * 2**26)\ntime.sleep(600)",
        "Crashed/StorageLimitExceeded",
        "local storage usage exceeds the total limit.*16Mi",
        spec={**limits(**{"ephemeral-storage": "16Mi"}), "runPolicy": {"retries": {"infrastructure": 0, "application": 0}}},
    ),
    Fate("command-not-found", SLEEPS, "Crashed/StartError", "nonesuch", spec=engine(command=["/nonesuch"])),
]  # fmt: skip


def document(fate: Fate, node: str, image: str) -> dict[str, Any]:
    """The FlowRun of a row."""
    body = "\n".join("        " + line for line in fate.body.splitlines())
    made = run(
        fate.id,
        BODY.format(body=body),
        **json.loads(json.dumps(fate.spec).replace("NODE", node).replace("IMAGE", image)),
    )
    # no registry: what is not on the node cannot be had
    spec = made["spec"].setdefault("template", {}).setdefault("spec", {})
    containers = spec.setdefault("containers", [])
    if not any(c["name"] == "engine" for c in containers):
        containers.append({"name": "engine"})
    for container in containers:
        container.setdefault("imagePullPolicy", "IfNotPresent")
    return made


@pytest.fixture(scope="module")
def ended(node: NodeCluster, space: Space) -> dict[str, Future[dict[str, Any]]]:
    """Apply all runs, act on those that need it, and follow each to its end."""
    name = node.kubectl("get", "nodes", "-o", "name").split("/")[1].split()[0]
    from tests.node.conftest import IMAGE

    for signal, image in STOPPED_BY.items():
        node.make_image(image, IMAGE_STOPSIGNAL=signal)
    space.apply(*(document(f, name, IMAGE) for f in FATES))

    def follow(fate: Fate) -> dict[str, Any]:
        if fate.act:
            fate.act(node, space, fate.id)
        space.wait(fate.id, lambda s: s["state"]["name"] not in ("Submitting", "Starting"), f"{fate.id} begins", START)
        return space.finish(fate.id, PATIENCE)

    pool = ThreadPoolExecutor(len(FATES))
    futures = {f.id: pool.submit(follow, f) for f in FATES}
    pool.shutdown(wait=False)
    return futures


@pytest.mark.parametrize("fate", FATES, ids=lambda f: f.id)
def test_fate(space: Space, ended: dict[str, Future[dict[str, Any]]], fate: Fate) -> None:
    """State, words, attempts and budget are those of the row."""
    status = ended[fate.id].result(START + PATIENCE)
    state = status["state"]
    assert f"{state['type']}/{state['name']}".startswith(fate.state), state
    assert re.search(fate.says, state.get("message", "")), state
    if fate.first:
        (first,) = status["attempts"]
        assert re.fullmatch(fate.first, first["reason"]), first
        assert first["budget"] == fate.budget
        assert status["attempt"]["number"] == 2


def test_logs_outlive_a_cancel(space: Space, ended: dict[str, Future[dict[str, Any]]]) -> None:
    """The pod is still there, and its log is readable."""
    ended["cancelled"].result(START + PATIENCE)
    assert "begins" in space.log("cancelled")


def test_a_sidecar_that_stays_is_ended(space: Space, ended: dict[str, Future[dict[str, Any]]]) -> None:
    """The pod ends soon after the engine did, and keeps its logs."""
    ended["sidecar-stays"].result(START + PATIENCE)
    until("the pod has ended", lambda: pod_of(space, "sidecar-stays")["status"]["phase"] in ("Failed", "Succeeded"), 90)
    assert "begins" in space.kubectl("logs", pod_of(space, "sidecar-stays")["metadata"]["name"], "-c", "engine")
