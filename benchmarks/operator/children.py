"""Runs that a flow starts: how soon a child's first statement runs, how soon a wait hears of its end, and a thousand of them at once.

The first is measured on `penstock dev`, where a pod is a process of this machine. The others are the client's alone, on the embedded API
server in the same process: a script ends each child as soon as it has come, and the clock runs from that write's answer.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from penstock_operator.api.crd import crds
from tests.support.apiserver import Client, Embedded
from tests.support.cluster import client_of

from ..dev import running
from ..measure import Figure

CHILDREN = 1000
FIRST_LINES = 15
RUNS = "/apis/penstock.dev/v1alpha1/namespaces/default/flowruns"
MERGE = "application/merge-patch+json"
FLOW = """
import time
from penstock import flow

@flow
def child(n: int = 0) -> float:
    return time.time()
"""


def _flow() -> dict[str, Any]:
    spec = {"entrypoint": "child.py:child", "source": {"inline": FLOW}}
    return {"apiVersion": "penstock.dev/v1alpha1", "kind": "Flow", "metadata": {"name": "child"}, "spec": spec}


def _many() -> tuple[tuple[float, ...], float]:
    """Seconds from each child's end to its wait's return; and of the whole map."""
    from penstock import flow, task
    from penstock.clusterruns.connection import Connection, used
    from penstock.flow_runs import run_flow_run
    from penstock.kube.access import Access
    from penstock.kube.client import Trust
    from penstock.kube.credentials import FixedToken

    ended: dict[int, float] = {}

    def end_each(watching: Client, patching: Client) -> None:
        with watching.watch(f"{RUNS}?watch=1&timeoutSeconds=300") as events:
            for event in events:
                body = event["object"]
                n = body["spec"]["parameters"]["n"]
                if n not in ended:
                    state = {"status": {"state": {"type": "Completed", "name": "Completed"}}}
                    patching.call("PATCH", f"{RUNS}/{body['metadata']['name']}/status", state, MERGE)
                    ended[n] = time.time()
                if len(ended) == CHILDREN:
                    return

    @task
    def child(n: int) -> tuple[int, float]:
        run_flow_run("child", {"n": n})
        return n, time.time()

    @flow
    def parent() -> list[tuple[int, float]]:
        found: list[tuple[int, float]] = child.map(range(CHILDREN)).result()
        return found

    logging.getLogger("penstock").setLevel(logging.ERROR)
    with Embedded(crds=crds()) as server, server.client() as watching, server.client() as patching:
        patching.call("POST", RUNS.replace("flowruns", "flows"), _flow())
        thread = threading.Thread(target=end_each, args=(watching, patching), daemon=True)
        thread.start()
        made = Connection(
            Access(server.server.url, "default", FixedToken(server.server.token), Trust(ca_data=server.server.ca))
        )
        began = time.time()
        with used(made):
            heard = parent()
        whole = time.time() - began
        thread.join(10)
        made.close()
    return tuple(max(0.0, at - ended[n]) for n, at in heard), whole


def _first_lines() -> tuple[float, ...]:
    """Seconds from the call that starts a child to the child's first statement, on `penstock dev`."""
    from penstock.clusterruns.connection import Connection, used
    from penstock.flow_runs import run_flow_run
    from penstock.kube.access import find

    found = []
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (_, _client):
        kubeconfig = Path(folder) / ".penstock/kubeconfig"
        with client_of(kubeconfig) as client:
            client.post("/apis/penstock.dev/v1alpha1/namespaces/default/flows", json=_flow()).raise_for_status()
        with used(Connection(find({"KUBECONFIG": str(kubeconfig)}))):
            for n in range(FIRST_LINES + 1):
                began = time.time()
                at = run_flow_run("child", {"n": n}).result()
                found.append(at - began)
    return tuple(found[1:])


def children() -> list[Figure]:
    """A child's start, a wait's end, and a thousand at once."""
    first = _first_lines()
    waits, whole = _many()
    return [
        Figure("penstock dev: create to the child's first statement", "s", None, first),
        Figure(f"{CHILDREN} children: a child's end to its wait's return", "s", None, waits),
        Figure(f"{CHILDREN} children: a child's end to its wait's return", "s", 0.3, waits, "p99"),
        Figure(f"{CHILDREN} children of a map, from the first call to the last result", "s", None, (whole,)),
    ]
