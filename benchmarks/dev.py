"""`penstock dev`: how soon it is ready, and how soon a FlowRun that is applied to it runs and completes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tests.support.cluster import client_of

from .measure import Figure, wait_for

HELLO = """
from penstock import flow, task

@task
def greet(name: str) -> str:
    return f"Hello, {name}!"

@flow(log_prints=True)
def hello(name: str = "world") -> str:
    print("greeting")
    return greet(name)
"""


@contextmanager
def running(folder: Path) -> Iterator[tuple[float, httpx.Client]]:
    """Start `penstock dev` in a folder; yield the seconds until it said that it is ready, and a client."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "penstock_cli", "dev"]
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert child.stdout
        for line in child.stdout:
            if "KUBECONFIG=" in line:
                break
        ready = time.perf_counter() - start
        with client_of(folder / ".penstock/kubeconfig") as client:
            yield ready, client
    finally:
        child.terminate()
        child.wait(20)


SLEEPER = """
import time
from penstock import flow

@flow
def hello() -> None:
    time.sleep(600)
"""


def run(name: str, source: str = HELLO) -> dict[str, Any]:
    """A FlowRun with this source."""
    spec = {"entrypoint": "hello.py:hello", "source": {"inline": source}}
    meta = {"name": name}
    return {"apiVersion": "penstock.dev/v1alpha1", "kind": "FlowRun", "metadata": meta, "spec": {"flowSpec": spec}}


def figures(rounds: int = 7) -> list[Figure]:
    """Measure a fresh `penstock dev` each round: readiness, then one run, then one that is cancelled."""
    ready, started, completed, cancelled = [], [], [], []
    path = "/apis/penstock.dev/v1alpha1/namespaces/default/flowruns"
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (seconds, client):
            ready.append(seconds)
            name = f"hello-{number}"
            applied = time.time()
            client.post(path, json=run(name)).raise_for_status()
            last: dict[str, Any] = {}

            def done(name: str = name) -> bool:
                nonlocal last
                last = client.get(f"{path}/{name}").json().get("status", {})
                return bool(last.get("completionTime"))

            wait_for("the run has ended", done, 30)
            if last["state"]["type"] != "Completed":
                raise RuntimeError(f"hello ended otherwise: {last['state']}")
            started.append(datetime.fromisoformat(last["startTime"]).timestamp() - applied)
            completed.append(datetime.fromisoformat(last["completionTime"]).timestamp() - applied)
            cancelled.append(_cancel(client, path))
    return [
        Figure("penstock dev: start to ready", "s", 1.5, tuple(ready)),
        Figure("penstock dev: apply to Running", "s", 0.5, tuple(started)),
        Figure("penstock dev: apply to Completed, hello", "s", 1.0, tuple(completed)),
        Figure("penstock dev: cancel to Cancelled", "s", 1.0, tuple(cancelled)),
    ]


def _cancel(client: httpx.Client, path: str) -> float:
    """Run a flow that sleeps, cancel it, and return the seconds from the patch to its end."""
    client.post(path, json=run("sleeper", SLEEPER)).raise_for_status()
    last: dict[str, Any] = {}

    def look() -> dict[str, Any]:
        nonlocal last
        last = client.get(f"{path}/sleeper").json().get("status", {})
        return last

    wait_for("the run is running", lambda: (look().get("state") or {}).get("type") == "Running", 30)
    time.sleep(0.5)  # claimed; now it loads, and sleeps
    asked = time.time()
    headers = {"Content-Type": "application/merge-patch+json"}
    client.patch(
        f"{path}/sleeper", content=json.dumps({"spec": {"desiredState": "Cancelled"}}), headers=headers
    ).raise_for_status()
    wait_for("the run has ended", lambda: bool(look().get("completionTime")), 30)
    return datetime.fromisoformat(last["completionTime"]).timestamp() - asked
