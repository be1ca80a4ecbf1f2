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
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, Queue
from threading import Event
from typing import Any

import httpx

from tests.support.cluster import client_of

from ..dev import running
from ..measure import Figure
from .plane import Plane, plane

CHILDREN = 1000
FIRST_LINES = 15
ENDS_AFTER = 0.5
ENDERS = 4
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


def _parent(kubeconfig: Path, count: int, namespace: str, script: list[Future[None]]) -> dict[str, Any]:
    environ = {**os.environ, "KUBECONFIG": str(kubeconfig), "PENSTOCK_LOGGING_LEVEL": "ERROR"}
    command = [sys.executable, "-c", PARENT, str(count), namespace]
    with (
        tempfile.TemporaryFile() as said,
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, env=environ, stdout=said, stderr=errors) as process,
    ):
        try:
            # A script that has come to grief ends no more children: say so, and do not wait for them.
            while process.poll() is None and not any(part.done() for part in script):
                time.sleep(0.1)
        finally:
            if process.poll() is None:
                process.kill()
        for part in script:
            if part.done():
                part.result()
        errors.seek(0)
        assert process.wait() == 0, errors.read()[-2000:].decode()
        said.seek(0)
        found: dict[str, Any] = json.load(said)
    return found


@contextmanager
def _ending(on: Plane, namespace: str) -> Iterator[tuple[dict[int, float], list[Future[None]]]]:
    """End each run half a second after it was seen; when, by its parameter n, and the script's parts."""
    path, ended, stop = f"/apis/penstock.dev/v1alpha1/namespaces/{namespace}/flowruns", dict[int, float](), Event()
    due: Queue[tuple[float, str, int]] = Queue()

    def end(client: httpx.Client, name: str, n: int) -> None:
        now = datetime.now(UTC).isoformat()
        state = {"type": "Completed", "name": "Completed", "message": "ended by script", "time": now, "since": now}
        status = {"status": {"state": state, "completionTime": now}}
        answer = client.patch(f"{path}/{name}/status", json=status, headers={"Content-Type": MERGE})
        answer.raise_for_status()
        ended[n] = time.time()

    def see() -> None:
        version, seen = "", set[str]()
        with on.cluster.client() as client:
            while not stop.is_set():
                query = {"watch": "true", "timeoutSeconds": "1", **({"resourceVersion": version} if version else {})}
                with client.stream("GET", path, params=query) as lines:
                    lines.raise_for_status()
                    for line in lines.iter_lines():
                        event = json.loads(line)
                        body = event["object"]
                        if event["type"] == "ERROR":
                            version = ""
                            break
                        name, version = body["metadata"]["name"], body["metadata"]["resourceVersion"]
                        if name not in seen:
                            seen.add(name)
                            due.put(
                                (time.monotonic() + ENDS_AFTER, name, body["spec"].get("parameters", {}).get("n", 0))
                            )

    def close() -> None:
        with on.cluster.client() as client:
            while not stop.is_set():
                try:
                    at, name, n = due.get(timeout=0.1)
                except Empty:
                    continue
                time.sleep(max(0.0, at - time.monotonic()))
                end(client, name, n)

    with ThreadPoolExecutor(ENDERS + 1) as pool:
        try:
            yield ended, [pool.submit(see), *(pool.submit(close) for _ in range(ENDERS))]
        finally:
            stop.set()


def _many() -> tuple[tuple[float, ...], float, float]:
    """Seconds from each child's end to its wait's return; of the whole; and that the script took for its part."""
    with plane() as on:
        namespace = on.namespace("children", _flow())
        with _ending(on, namespace) as (ended, script):
            told = _parent(on.server.kubeconfig, CHILDREN, namespace, script)
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
