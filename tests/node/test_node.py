"""What befalls the whole node: drained, tainted, its kubelet restarted. One after the other, after the fates of single pods."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.node.conftest import NodeCluster
from tests.node.test_fates import BODY, SECOND, pod_of, running
from tests.support.cluster import Space
from tests.support.flows import run
from tests.support.world import until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def name(node: NodeCluster) -> str:
    return node.kubectl("get", "nodes", "-o", "name").split("/")[1].split()[0]


def begin(space: Space, run_name: str, body: str) -> None:
    lines = "\n".join("        " + line for line in body.splitlines())
    made: dict[str, Any] = run(run_name, BODY.format(body=lines))
    made["spec"]["template"] = {"spec": {"containers": [{"name": "engine", "imagePullPolicy": "IfNotPresent"}]}}
    space.apply(made)
    running(space, run_name)


def lost_once(space: Space, run_name: str, *reasons: str) -> None:
    """The first attempt was lost to infrastructure, the second one completed."""
    status = space.finish(run_name, 120)
    assert status["state"]["type"] == "Completed", status["state"]
    (first,) = status["attempts"]
    assert first["reason"] in reasons
    assert first["budget"] == "infrastructure"


@contextmanager
def closed(node: NodeCluster, space: Space, name: str) -> Iterator[None]:
    """While the node takes no pods, which the scheduler is told later than of pods: one that was made 0.4 s after a cordon was bound all the same."""
    container = {"name": "probe", "image": "probe", "imagePullPolicy": "Never"}
    numbers = itertools.count()

    def refused() -> bool:
        probe = f"probe-{next(numbers)}"
        made = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": probe},
            "spec": {"containers": [container], "restartPolicy": "Never", "automountServiceAccountToken": False},
        }
        space.apply(made)
        seen: list[str] = []

        def decided() -> bool:
            pod = space.get("pod", probe) or {}
            conditions = (pod.get("status") or {}).get("conditions") or ()
            seen[:] = [c["status"] for c in conditions if c["type"] == "PodScheduled"]
            return bool(seen)

        until("the scheduler has looked at a pod", decided, 30)
        space.kubectl("delete", "pod", probe, "--wait=false")
        return seen == ["False"]

    node.kubectl("cordon", name)
    try:
        until("the scheduler knows that the node takes no pods", refused, 30)
        yield
    finally:
        node.kubectl("uncordon", name)


def test_drain(node: NodeCluster, space: Space, name: str) -> None:
    """kubectl drain: the pod is evicted; the next attempt waits until the node is back."""
    begin(space, "drained", SECOND)
    with closed(node, space, name):
        selector = "--pod-selector=penstock.dev/flow-run=drained"
        node.kubectl(
            "drain",
            name,
            "--force",
            "--delete-emptydir-data",
            "--ignore-daemonsets",
            selector,
            "--timeout=60s",
            seconds=90,
        )
        status = space.wait("drained", lambda s: s["state"]["name"] == "Unschedulable", "the node takes no pod", 60)
        assert "unschedulable" in status["state"]["message"].lower()
    lost_once(space, "drained", "Evicted")


def test_taint(node: NodeCluster, space: Space, name: str) -> None:
    """A NoExecute taint ends the pod."""
    begin(space, "tainted", SECOND)
    with closed(node, space, name):
        node.kubectl("taint", "node", name, "tests.penstock.dev/out=now:NoExecute")
        try:
            space.wait("tainted", lambda s: s["attempt"]["number"] == 2, "the attempt was judged", 60)
        finally:
            node.kubectl("taint", "node", name, "tests.penstock.dev/out-")
    lost_once(space, "tainted", "NodeTainted")


def test_kubelet_restart(node: NodeCluster, space: Space, name: str) -> None:
    """The run goes on as if nothing had been."""
    begin(space, "undisturbed", "time.sleep(8)\nreturn 'whole'")
    node.script("node", "restart", "kubelet")
    status = space.finish("undisturbed", 120)
    assert (status["state"]["type"], status["attempt"]["number"]) == ("Completed", 1)
    assert pod_of(space, "undisturbed")
