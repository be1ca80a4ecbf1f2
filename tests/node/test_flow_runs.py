"""Runs that a flow starts, and results that last, on a real kubelet: cancelled, killed and retried, with logs followed through a retry.

All runs are applied at once; each story then looks at its own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from penstock.clusterruns.connection import Connection, used
from penstock.flow_runs import create_flow_run, get_result, wait_for_flow_run
from penstock.kube.access import find
from penstock_operator.runtime.rights import starter_rules
from tests.node.conftest import NodeCluster
from tests.node.test_fates import pod_of
from tests.support.cluster import Space
from tests.support.flows import flow, run
from tests.support.world import until

pytestmark = pytest.mark.timeout(300)
RBAC = "rbac.authorization.k8s.io"
ACCOUNT = "starts-runs"
FOLDER = "/tmp/kept-results"
CHILD = """
    import time
    from penstock import flow

    @flow(log_prints=True)
    def main(n: int = 0, seconds: float = 300):
        print(f"child {n}")
        time.sleep(seconds)
        return n
"""
PARENT = """
    from penstock import flow, task
    from penstock.flow_runs import run_flow_run

    @task
    def child(n, seconds):
        return run_flow_run("child", {"n": n, "seconds": seconds}, raise_final_state=True).result()

    @flow
    def main(count: int, seconds: float = 300):
        return sum(child.map(range(count), seconds=seconds).result())
"""
TWICE = """
    import os
    from penstock import flow, runtime

    @flow(log_prints=True)
    def main():
        print(f"attempt {runtime.flow_run.attempt}")
        if runtime.flow_run.attempt == 1:
            os._exit(3)
        return "whole"
"""
# Returns what was done more than once: each body notes that it began.
HUNDRED = """
    import time
    from penstock import flow, task
    from penstock.runtime import flow_run

    CALLS = "/results/calls"

    @task
    def step(n):
        with open(CALLS, "a") as calls:
            calls.write(f"{n}\\n")
        if n == 60 and flow_run.attempt == 1:
            print("at the sixtieth", flush=True)
            time.sleep(600)
        return n

    @flow
    def main():
        total = sum(step(n) for n in range(1, 101))
        calls = open(CALLS).read().split()
        return [total, sorted({n for n in calls if calls.count(n) > 1})]
"""


def rights(space: Space) -> list[dict[str, Any]]:
    """An account that may start runs, as the chart makes one."""
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": ACCOUNT}, "rules": starter_rules()}
    binding = {
        "apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": {"name": ACCOUNT},
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": ACCOUNT},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": space.name}],
    }  # fmt: skip
    return [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}, role, binding]


def claimed(space: Space) -> list[dict[str, Any]]:
    """A volume of the node's and the claim on it: the two find each other by name, for nothing provides volumes here."""
    size = {"storage": "1Gi"}
    common = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    volume = {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"results-{space.name}"},
        "spec": {
            **common, "capacity": size, "hostPath": {"path": FOLDER}, "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"name": "results", "namespace": space.name},
        },
    }  # fmt: skip
    claim = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "results"},
        "spec": {**common, "resources": {"requests": size}, "volumeName": f"results-{space.name}"},
    }  # fmt: skip
    return [volume, claim]


@pytest.fixture(scope="module")
def begun(node: NodeCluster, space: Space) -> Iterator[Space]:
    """Everything applied; this process asks the same API server."""
    # The volume is a folder of the node's, and of nobody's: a hostPath is given to no group.
    node.script("node", "exec", "sh", "-c", f"mkdir -p {FOLDER} && chmod 777 {FOLDER}")
    account = {"template": {"spec": {"serviceAccountName": ACCOUNT}}}
    mounted = {
        "volumes": [{"name": "results", "persistentVolumeClaim": {"claimName": "results"}}],
        "containers": [{"name": "engine", "volumeMounts": [{"name": "results", "mountPath": "/results"}]}],
    }
    hundred = run("hundred", HUNDRED)
    hundred["spec"]["flowSpec"] |= {
        "results": {"storage": "file:///results/store", "persist": True},
        "template": {"spec": mounted},
    }
    space.apply(
        *rights(space),
        *claimed(space),
        flow("child", CHILD),
        flow("parent", PARENT, **account),
        flow("twice", TWICE, runPolicy={"retries": {"application": 1}, "backoff": {"initialSeconds": 0}}),
        hundred,
        run("kills", ref="parent", parameters={"count": 5, "seconds": 20}),
        run("cancels", ref="parent", parameters={"count": 20}),
    )
    made = Connection(find({"KUBECONFIG": str(space.cluster.kubeconfig)}))
    with used(made):
        yield space
    made.close()


def children(space: Space, parent: str) -> list[dict[str, Any]]:
    uid = space.run(parent)["metadata"]["uid"]
    text = space.kubectl("get", "fr", "-l", f"penstock.dev/parent-run-uid={uid}", "-o", "json")
    return list(json.loads(text)["items"])


def kinds(found: list[dict[str, Any]]) -> list[str]:
    return [((each.get("status") or {}).get("state") or {}).get("type", "") for each in found]


def test_a_killed_parent_finds_its_children(begun: Space) -> None:
    """Its pod is deleted while they run: the next attempt starts none anew, and none of them notices."""
    begun.wait("kills", lambda _: len(children(begun, "kills")) == 5, "all are there", 90)
    before = {each["metadata"]["uid"] for each in children(begun, "kills")}
    begun.kubectl("delete", "pod", str(pod_of(begun, "kills")["metadata"]["name"]), "--wait=false")
    status = begun.finish("kills", 120)
    assert (status["state"]["type"], status["result"]["json"]) == ("Completed", "10"), status["state"]
    assert status["attempt"]["number"] == 2
    found = children(begun, "kills")
    assert {each["metadata"]["uid"] for each in found} == before
    assert {each["status"]["attempt"]["number"] for each in found} == {1}


def test_a_cancelled_parent_ends_twenty_children(begun: Space) -> None:
    """Those whose pods run, and those that have none yet."""
    begun.wait("cancels", lambda _: len(children(begun, "cancels")) == 20, "twenty are there", 90)
    until("some run", lambda: kinds(children(begun, "cancels")).count("Running") >= 3, 90)
    begun.kubectl("patch", "fr", "cancels", "--type=merge", "-p", '{"spec":{"desiredState":"Cancelled"}}')
    assert begun.finish("cancels", 60)["state"]["type"] == "Cancelled"
    until("all have ended", lambda: set(kinds(children(begun, "cancels"))) == {"Cancelled"}, 90)
    for each in children(begun, "cancels"):
        assert each["status"]["state"]["message"].startswith("cancelled with its parent, the run cancels")


def test_lines_through_a_retry(begun: Space, caplog: pytest.LogCaptureFixture) -> None:
    """Both pods' logs by way of the kubelet, in order, with a line between that says why there is a second one."""
    caplog.set_level(logging.INFO, "penstock.runs")
    view = create_flow_run("twice", namespace=begun.name)
    ended = wait_for_flow_run(view, stream_states=True, stream_logs=True, timeout=120)
    assert ended.state.is_completed(), ended.state
    told = [record.getMessage().removeprefix(f"{view.name} | ") for record in caplog.records]
    between = next(n for n, line in enumerate(told) if line.startswith("attempt 1 ended (") and "exit code 3" in line)
    assert told.index("attempt 1") < between < told.index("attempt 2")
    assert get_result(ended) == "whole"


def test_a_hundred_tasks_killed_at_the_sixtieth_go_on_from_a_claim(begun: Space) -> None:
    """The next pod mounts the same volume: only the task that was running is done again."""
    until(
        "it is at the sixtieth", lambda: bool(begun.pods("hundred")) and "at the sixtieth" in begun.log("hundred"), 90
    )
    begun.kubectl("delete", "pod", str(pod_of(begun, "hundred")["metadata"]["name"]), "--wait=false")
    status = begun.finish("hundred", 120)
    assert (status["state"]["type"], status["result"]["json"]) == ("Completed", '[5050, ["60"]]'), status
    progress = status["report"]["progress"]
    assert (progress["total"], progress["cached"]) == (100, 59)
    assert status["result"]["location"].startswith("file:///results/store/")
