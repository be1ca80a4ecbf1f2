"""What the operator is worth when much stands already: its memory, and how soon it is right again after a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from ..measure import Figure, peak_mb, resident_mb, wait_for
from .kinds import PENSTOCK
from .load import Load, Moments, healthy, loaded, running
from .plane import Plane, plane
from .seed import copies, put

ACTIVE, FINISHED = 1_000, 10_000
RESTARTED = 3_000
DECIDED = 20  # of them have ended while no operator was there
WATCHED_SECONDS = 15.0
RESTARTS = 3
COMPLETED = b'"name":"Completed","since"'  # of the state: a report has no such time behind its name
RUNNING = b'"name":"Running"'


async def _begun(load: Load, run: str, pod: dict[str, Any], moments: Moments) -> None:
    await load.bind(pod)
    await running(load, run, pod, moments)


async def model_runs(on: Plane, namespace: str) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Let the operator make a run that goes on and one that has completed; return each with its pod."""
    found = {}
    for what, play, mark in (("running", _begun, RUNNING), ("completed", healthy, COMPLETED)):
        async with loaded(on.server, PENSTOCK, namespace, marks=(mark,), play=play) as load:
            name = await load.apply(f"model-{what}")
            moments = load.runs[name]
            await load.seen(moments, mark)
            await asyncio.sleep(1)  # what follows the state has been written too
            run = await load.send("GET", f"{PENSTOCK.path(namespace)}/{name}")
            pod = await load.send("GET", f"/api/v1/namespaces/{namespace}/pods/{next(iter(moments.pods))}")
            found[what] = (run, pod | {"apiVersion": "v1", "kind": "Pod"})
    return found


def memory() -> list[Figure]:
    """Idle, and with many active and many more finished runs, all with their pods; listed anew, as after a restart."""
    with plane() as on:
        namespace = on.namespace("memory", *PENSTOCK.needs)
        on.settle()
        time.sleep(5)
        idle = resident_mb(on.operator.process.pid)
        models = asyncio.run(model_runs(on, namespace))
        on.stop_operator()
        for what, count in (("running", ACTIVE), ("completed", FINISHED)):
            put(on.server.etcd_url, copies(*models[what], what, count))
        on.start_operator()
        on.settle(120)
        time.sleep(5)
        pid = on.operator.process.pid
        loaded_mb, peak = resident_mb(pid), peak_mb(pid)
    what = f"operator: memory at {ACTIVE} active + {FINISHED} finished runs, all with pods"
    return [
        Figure("operator: memory idle", "MB", 80, (idle,)),
        Figure(what, "MB", 300, (loaded_mb,)),
        Figure(f"{what}, peak", "MB", None, (peak,)),
    ]


def flips(before: Mapping[str, Any], after: Mapping[str, Any], meant: frozenset[str]) -> list[str]:
    """Return the names of what is not as it was although nothing had happened to it."""
    return sorted(
        name
        for name in before.keys() | after.keys()
        if name not in after or (name not in meant and before.get(name) != after[name])
    )


def _versions(on: Plane, path: str) -> dict[str, str]:
    with on.cluster.client() as client:
        items = client.get(path, timeout=120).raise_for_status().json()["items"]
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in items}


def restart() -> list[Figure]:
    """An operator comes to thousands of running runs, some of which have reported their end meanwhile."""
    ready, right = [], []
    over: list[str] = []
    with plane() as on:
        namespace = on.namespace("restart", *PENSTOCK.needs)
        models = asyncio.run(model_runs(on, namespace))
        on.stop_operator()
        put(on.server.etcd_url, copies(*models["running"], "run", RESTARTED))
        runs, pods = PENSTOCK.path(namespace), f"/api/v1/namespaces/{namespace}/pods"
        wait_for("the API server shows them", lambda: len(_versions(on, pods)) > RESTARTED, 60)
        for number in range(RESTARTS):
            ended = [f"run-{number * DECIDED + n:05}" for n in range(DECIDED)]
            before = _versions(on, runs), _versions(on, pods)
            seconds = asyncio.run(_restarted(on, namespace, ended))
            ready.append(seconds[0])
            right.append(seconds[1])
            time.sleep(WATCHED_SECONDS)
            on.stop_operator()
            over += ended
            # Nobody plays the pods of those that have ended: they are pushed in the end, since their engines do not leave.
            pushed = frozenset(pod for pod in before[1] if pod.rsplit("-", 2)[0] in over)
            wrong = (
                flips(before[0], _versions(on, runs), frozenset(ended)),
                flips(before[1], _versions(on, pods), pushed),
            )
            if any(wrong):
                raise AssertionError(f"changed although nothing had happened: runs {wrong[0]}, pods {wrong[1]}")
    what = f"restart with {RESTARTED} runs and pods"
    return [
        Figure(f"{what}: ready", "s", 5, tuple(ready)),
        Figure(f"{what}: {DECIDED} that had ended are Completed", "s", 5, tuple(right)),
    ]


async def _restarted(on: Plane, namespace: str, ended: list[str]) -> tuple[float, float]:
    """Let some runs report their end, start the operator, and return when it was ready, and when it had judged them."""
    async with loaded(on.server, PENSTOCK, namespace, marks=(COMPLETED,), play=_leave) as load:
        for name in ended:
            run = await load.send("GET", f"{PENSTOCK.path(namespace)}/{name}")
            labels = {"penstock.dev/attempt": "1"}
            pod = {"metadata": {"name": run["status"]["attempt"]["podName"], "labels": labels}}
            await load.outcome(name, pod, "Completed")
            load.runs[name] = Moments()
        begin = time.monotonic()
        on.cluster.start_operator()
        judging = asyncio.gather(*(load.seen(load.runs[name], COMPLETED, 60) for name in ended))
        await asyncio.to_thread(on.until_ready)
        ready = time.monotonic() - begin
        return ready, max(await judging) - begin


async def _leave(_load: Load, _run: str, _pod: dict[str, Any], _moments: Moments) -> None:
    """No pod is to appear: the check finds it."""
