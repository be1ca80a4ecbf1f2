"""What a crowd costs its neighbours: many finished runs, many new ones of one namespace, and a few that are very large.

Neighbours: `seed` puts what is finished where the API server keeps it, `load` applies and plays what is new.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

from tests.support.flows import run

from ..measure import Figure, peak_mb, resident_mb, wait_for
from .kinds import FLOW, PENSTOCK
from .load import Load, loaded, seconds
from .plane import QUIET_CPU, Plane, plane
from .seed import copies, put
from .standing import model_runs

FINISHED = 20_000
RESTARTS = 3
QUIET_SECONDS = 2.0
PATIENCE = 120.0
FLOOD = 2_000
NEIGHBOURS = 3
LARGE, LARGE_ITEMS = 10, 500_000  # `[{},{},...]` of 1.5 MB


def finished() -> list[Figure]:
    """An operator comes to very many finished runs with their pods; a new run is applied the moment that it is ready."""
    rounds: list[dict[str, float]] = []
    with plane() as on:
        crowd, fresh = (on.namespace(name, *PENSTOCK.needs) for name in ("finished", "fresh"))
        completed = asyncio.run(model_runs(on, crowd))["completed"]
        on.stop_operator()
        put(on.server.etcd_url, copies(*completed, "completed", FINISHED))
        on.settle()
        for _ in range(RESTARTS):
            rounds.append(asyncio.run(_restarted(on, fresh)))
            on.stop_operator()
    what = f"restart with {FINISHED} finished runs and pods"
    goals = {"ready": 5.0, "a new run's pod": 1.0, "quiet": 30.0}
    return [
        *(Figure(f"{what}: {name}", "s", goal, tuple(r[name] for r in rounds)) for name, goal in goals.items()),
        Figure(f"{what}: memory", "MB", 150, tuple(r["memory"] for r in rounds)),
        Figure(f"{what}: memory, peak", "MB", None, tuple(r["peak"] for r in rounds)),
        Figure(f"{what}: CPU until quiet", "s", None, tuple(r["cpu"] for r in rounds)),
    ]


async def _restarted(on: Plane, fresh: str) -> dict[str, float]:
    async with loaded(on.server, PENSTOCK, fresh) as load:
        begin = time.monotonic()
        on.cluster.start_operator()
        await asyncio.to_thread(on.until_ready)
        ready = time.monotonic() - begin
        served = await _served(load, f"new-{begin:.0f}")
        quiet = await asyncio.to_thread(_quiet, on, begin)
        await load.finished(60)
    pid = on.operator.process.pid
    return {
        "ready": ready,
        "a new run's pod": served,
        "quiet": quiet,
        "memory": resident_mb(pid),
        "peak": peak_mb(pid),
        "cpu": on.cpu()["operator"],
    }


async def _served(load: Load, name: str) -> float:
    """Apply a run, and return how long its pod took."""
    moments = load.runs[await load.apply(name)]
    end = time.monotonic() + PATIENCE
    while not moments.pod:
        if time.monotonic() > end:
            raise TimeoutError(f"{name} had no pod in {PATIENCE:g} s")
        await load.change(0.01)
    return moments.pod - moments.applied


def _quiet(on: Plane, begin: float) -> float:
    """Wait until the operator has idled for a while; return when that began."""
    while time.monotonic() - begin < PATIENCE:
        since, before = time.monotonic(), on.cpu()
        time.sleep(QUIET_SECONDS)
        if on.since(before).seconds["operator"] < QUIET_CPU * QUIET_SECONDS:
            return since - begin
    raise TimeoutError(f"the operator was not quiet in {PATIENCE:g} s")


def fair() -> list[Figure]:
    """One namespace is flooded with new runs; meanwhile each of some others gets one."""
    with plane() as on:
        flooded, *others = (
            on.namespace(name, *PENSTOCK.needs) for name in ("flood", *map("other-{}".format, range(NEIGHBOURS)))
        )
        on.settle()
        waits = asyncio.run(_flooded(on, flooded, others))
    what = f"{FLOOD} new runs in one namespace: a run of another gets its pod"
    return [Figure(what, "s", 1.0, waits, "max"), Figure(what, "s", None, waits)]


async def _flooded(on: Plane, flooded: str, others: list[str]) -> tuple[float, ...]:
    waits: list[float] = []
    await asyncio.to_thread(put, on.server.etcd_url, (_new(flooded, number) for number in range(FLOOD)))
    for other in others:
        async with loaded(on.server, PENSTOCK, other, play=_nothing) as load:
            waits.append(await _served(load, "one"))
    with on.cluster.client() as client:
        begun = client.get(f"/api/v1/namespaces/{flooded}/pods", timeout=60).raise_for_status().json()["items"]
    if len(begun) == FLOOD:
        raise AssertionError("the flood was over before its neighbours were served: it has to be larger")
    return tuple(waits)


def _new(namespace: str, number: int) -> dict[str, Any]:
    """A run as the API server keeps it the moment that it was applied."""
    document = PENSTOCK.document(f"flood-{number:05}")
    made = {"namespace": namespace, "uid": str(uuid.uuid4()), "creationTimestamp": seconds(), "generation": 1}
    document["metadata"] |= made
    return document


async def _nothing(*_: Any) -> None:
    """The pods are left alone: what is measured is how they come to be."""


def large() -> list[Figure]:
    """Ten runs whose parameters are as large as an object may be, and very many small values."""
    with plane() as on:
        namespace = on.namespace("large", *PENSTOCK.needs)
        on.settle()
        idle = resident_mb(on.operator.process.pid)
        asyncio.run(_large(on, namespace))
        on.settle()
        pid = on.operator.process.pid
        applied, applied_peak = resident_mb(pid), peak_mb(pid)
        on.stop_operator()
        on.start_operator()
        on.settle()
        pid = on.operator.process.pid
        listed, listed_peak = resident_mb(pid), peak_mb(pid)
    what = f"{LARGE} runs of 1.5 MB"
    return [
        Figure("operator: memory idle", "MB", 80, (idle,)),
        Figure(f"{what}: memory", "MB", 150, (applied, listed)),
        Figure(f"{what}: memory, peak", "MB", 250, (applied_peak, listed_peak), "max"),
    ]


async def _large(on: Plane, namespace: str) -> None:
    async with loaded(on.server, PENSTOCK, namespace, play=_nothing) as load:
        for number in range(LARGE):
            document: dict[str, Any] = run(f"large-{number}", ref=FLOW)
            document["spec"]["parameters"] = {"rows": [{}] * LARGE_ITEMS}
            await load.send("POST", PENSTOCK.path(namespace), document)
        await asyncio.to_thread(wait_for, "each has its pod", lambda: len(load.runs) == LARGE, 120)
