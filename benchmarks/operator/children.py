"""Runs that a flow starts: how soon a child's first statement runs, how soon a wait hears of its end, and a thousand of them at once.

The first is measured on `penstock dev`, where a pod is a process of this machine. The others are the client's alone, on the real API
server beside the operator: a script ends each child half a second after it has come, and the clock runs from that write's answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from tests.support.cluster import client_of

from ..dev import running
from ..measure import Figure
from .plane import Plane, plane

CHILDREN = 1000
FIRST_LINES = 15
ENDS_AFTER = 0.5
MERGE = "application/merge-patch+json"
FLOW = """
import time
from penstock import flow

@flow
def child(n: int = 0) -> float:
    return time.time()
"""
PARENT = """
import json, sys, time
from penstock import flow, task
from penstock.flow_runs import run_flow_run

@task
def child(n):
    run_flow_run("child", {"n": n}, namespace=sys.argv[2])
    return n, time.time()

@flow
def parent():
    return child.map(range(int(sys.argv[1]))).result()

began = time.time()
print(json.dumps({"began": began, "heard": parent(), "ended": time.time()}))
"""


def _flow() -> dict[str, Any]:
    spec = {"entrypoint": "child.py:child", "source": {"inline": FLOW}}
    return {"apiVersion": "penstock.dev/v1alpha1", "kind": "Flow", "metadata": {"name": "child"}, "spec": spec}


def _parent(kubeconfig: Path, count: int, namespace: str) -> dict[str, Any]:
    environ = {**os.environ, "KUBECONFIG": str(kubeconfig), "PENSTOCK_LOGGING_LEVEL": "ERROR"}
    command = [sys.executable, "-c", PARENT, str(count), namespace]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def _ending(on: Plane, namespace: str) -> Iterator[dict[int, float]]:
    """End each run half a second after it was seen; when, by its parameter n."""
    path, ended, stop = f"/apis/penstock.dev/v1alpha1/namespaces/{namespace}/flowruns", {}, threading.Event()
    seen: dict[str, tuple[float, int]] = {}

    def end(client: httpx.Client, name: str, n: int) -> None:
        now = datetime.now(UTC).isoformat()
        state = {"type": "Completed", "name": "Completed", "message": "ended by script", "time": now, "since": now}
        status = {"status": {"state": state, "completionTime": now}}
        answer = client.patch(f"{path}/{name}/status", json=status, headers={"Content-Type": MERGE})
        answer.raise_for_status()
        ended[n] = time.time()

    def work() -> None:
        with on.cluster.client() as client:
            version = ""
            while not stop.wait(0.05):
                query = {"watch": "true", "timeoutSeconds": "1", **({"resourceVersion": version} if version else {})}
                with client.stream("GET", path, params=query) as lines:
                    if lines.status_code != 200:
                        version = ""
                        continue
                    for line in lines.iter_lines():
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            version = ""
                            break
                        body = event["object"]
                        version = body["metadata"]["resourceVersion"]
                        n = (body["spec"].get("parameters") or {}).get("n", 0)
                        seen.setdefault(body["metadata"]["name"], (time.monotonic() + ENDS_AFTER, n))

    def close() -> None:
        done = set()
        with on.cluster.client() as client:
            while not stop.wait(0.005):
                for name, (due, n) in list(seen.items()):
                    if name not in done and time.monotonic() >= due:
                        done.add(name)
                        end(client, name, n)

    threads = [threading.Thread(target=each, daemon=True) for each in (work, close)]
    for thread in threads:
        thread.start()
    try:
        yield ended
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)


def _many() -> tuple[tuple[float, ...], float, float]:
    """Seconds from each child's end to its wait's return; of the whole; and that the script took for its part."""
    with plane() as on:
        namespace = on.namespace("children", _flow())
        with _ending(on, namespace) as ended:
            told = _parent(on.server.kubeconfig, CHILDREN, namespace)
    waits = tuple(max(0.0, at - ended[n]) for n, at in told["heard"])
    return waits, told["ended"] - told["began"], max(ended.values()) - told["began"]


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
    waits, whole, script = _many()
    return [
        Figure("penstock dev: create to the child's first statement", "s", None, first),
        Figure(f"{CHILDREN} children: a child's end to its wait's return", "s", None, waits),
        Figure(f"{CHILDREN} children: a child's end to its wait's return", "s", 0.3, waits, "p99"),
        Figure(f"{CHILDREN} children of a map, from the first call to the last result", "s", None, (whole,)),
        Figure(f"{CHILDREN} children: until the script had ended the last one", "s", None, (script,)),
    ]
