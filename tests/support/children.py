"""Parents and children for the stories: two flows of which one starts the other, the account that may, and how the children are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from penstock.clusterruns.connection import Connection, used
from penstock.kube.access import find
from penstock_operator.runtime.rights import starter_rules
from tests.support.cluster import Space

RBAC = "rbac.authorization.k8s.io"
CHILD = """
    import time
    from penstock import flow

    def tidy(flow, flow_run, state):
        print("TIDYING", flush=True)

    @flow(on_cancellation=[tidy], log_prints=True)
    def main(n: int = 0, seconds: float = 300):
        print(f"child {n}")
        time.sleep(seconds)
        return n
"""
# Of the Flow `child`.
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
# Says which attempt it is; the first one ends without a word.
TWICE = """
    import os
    from penstock import flow, runtime

    @flow(log_prints=True)
    def main(crash: bool = False):
        print(f"attempt {runtime.flow_run.attempt}")
        if crash or runtime.flow_run.attempt == 1:
            os._exit(3)
        return {"day": "2026-11-21", "big": 2**53 + 1, "share": 1.0}
"""
TWICE_POLICY = {"retries": {"application": 1}, "backoff": {"initialSeconds": 0}}
WHOLE = {"day": "2026-11-21", "big": 2**53 + 1, "share": 1}


@contextmanager
def asking(space: Space) -> Iterator[None]:
    """The functions of `penstock.flow_runs` ask that cluster inside the block, as its administrator in that namespace."""
    access = find({"KUBECONFIG": str(space.cluster.kubeconfig)})
    made = Connection(replace(access, namespace=space.name))
    with used(made):
        yield
    made.close()


def rights(space: Space, account: str) -> list[dict[str, Any]]:
    """What lets an account start runs, as the chart has it."""
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": "start-runs"}, "rules": starter_rules()}
    binding = {
        "apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": {"name": "start-runs"},
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "start-runs"},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": space.name}],
    }  # fmt: skip
    return [role, binding]


def children(space: Space, parent: str) -> list[dict[str, Any]]:
    """The FlowRuns that a run has started."""
    uid = space.run(parent)["metadata"]["uid"]
    text = space.kubectl("get", "fr", "-l", f"penstock.dev/parent-run-uid={uid}", "-o", "json")
    return list(json.loads(text)["items"])


def kinds(found: list[dict[str, Any]]) -> list[str]:
    """The types of their states, "" where none is told yet."""
    return [((each.get("status") or {}).get("state") or {}).get("type", "") for each in found]


def told_through_a_retry(lines: list[str]) -> None:
    """Check lines that were followed: those of both attempts in order, with one between that says why there is a second one."""
    between = next(n for n, line in enumerate(lines) if line.startswith("attempt 1 ended (") and "exit code 3" in line)
    assert lines.index("attempt 1") < between < lines.index("attempt 2")
