"""How soon: a run's end to its terminal status, a pod's event to the status, a cancellation to the pod's annotation."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ..measure import Figure
from .kinds import JOB, PENSTOCK, Kind
from .load import MERGE, Load, Moments, healthy, loaded, running, succeeds
from .plane import TUNED, Cost, Plane, plane

PER_SECOND = 5.0
COUNT = 150
CANCELLED = 40
FULL = "0/10 nodes are available: 10 Insufficient cpu."
RUNNING = b'"name":"Running"'
UNSCHEDULABLE = b'"name":"Unschedulable"'
TOLD = b'"penstock.dev/intent":"Cancelled'


def _paced(on: Plane, kind: Kind, count: int, **more: Any) -> tuple[dict[str, Moments], Cost]:
    """Play runs at the pace; return their moments, and what they cost."""
    namespace = on.namespace(f"paced-{kind.name}", *kind.needs)

    async def work() -> dict[str, Moments]:
        async with loaded(on.server, kind, namespace, **more) as load:
            await load.steadily(count, PER_SECOND)
            await load.finished(120)
            await asyncio.sleep(1)
            return load.runs

    on.settle()
    before = on.cpu()
    runs = asyncio.run(work())
    return runs, on.since(before)


def latency() -> list[Figure]:
    """The outcome is acknowledged, and the run's status says so."""
    with plane() as on:
        on.tune(*TUNED)
        ours, cost = _paced(on, PENSTOCK, COUNT)
        jobs, _ = _paced(on, JOB, COUNT)
    each = cost.each(COUNT)
    waits, theirs = (tuple(m.ended - m.known for m in runs.values()) for runs in (ours, jobs))
    return [
        Figure("end known to terminal at 5/s: FlowRun", "s", 0.02, waits),
        Figure("end known to terminal at 5/s: FlowRun", "s", 0.2, waits, "p99"),
        Figure("end known to terminal at 5/s: Job tuned", "s", None, theirs),
        Figure("end known to terminal at 5/s: Job tuned", "s", None, theirs, "p99"),
        Figure("at 5/s: CPU of operator a run", "ms", None, (each["operator"],)),
        Figure("at 5/s: CPU of apiserver a run", "ms", 130, (each["apiserver"],)),
    ]


async def _unschedulable_first(load: Load, run: str, pod: dict[str, Any], moments: Moments) -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": FULL}
    await load.pod_status(pod, {"conditions": [condition]})
    moments.told = time.monotonic()
    await load.seen(moments, UNSCHEDULABLE)
    await load.pod_status(pod, {"conditions": [{"type": "PodScheduled", "status": "True"}]})
    await healthy(load, run, pod, moments)


def pod_event() -> list[Figure]:
    """The scheduler says that a pod fits nowhere, and the run's status says why it waits."""
    with plane() as on:
        runs, cost = _paced(on, PENSTOCK, COUNT, marks=(UNSCHEDULABLE,), play=_unschedulable_first)
    waits = tuple(m.marks[UNSCHEDULABLE] - m.told for m in runs.values())
    each = cost.each(COUNT)
    return [
        Figure("pod event to status at 5/s", "s", 0.3, waits, "p99"),
        Figure("pod event to status at 5/s", "s", None, waits),
        Figure("pod event to status: CPU of operator a run", "ms", None, (each["operator"],)),
        Figure("pod event to status: CPU of apiserver a run", "ms", 130, (each["apiserver"],)),
    ]


async def _cancelled(load: Load, run: str, pod: dict[str, Any], moments: Moments) -> None:
    await load.bind(pod)
    await running(load, run, pod, moments)
    await load.seen(moments, TOLD)
    await succeeds(load, run, pod, moments, "Cancelled")


async def _cancel_each(on: Plane, namespace: str) -> list[float]:
    """Start runs and cancel them, one after the other; return how long the pod's annotation took."""
    waits = []
    async with loaded(on.server, PENSTOCK, namespace, marks=(RUNNING,), pod_marks=(TOLD,), play=_cancelled) as load:
        for _ in range(CANCELLED):
            run = await load.apply()
            await load.seen(load.runs[run], RUNNING)
            asked = time.monotonic()
            path = f"{PENSTOCK.path(namespace)}/{run}"
            await load.send("PATCH", path, {"spec": {"desiredState": "Cancelled"}}, MERGE)
            waits.append(await load.seen(load.runs[run], TOLD) - asked)
            await load.finished(60)
    return waits


def cancel() -> list[Figure]:
    """A person asks for cancellation, and the pod carries the intent. (What a node makes of it is measured with nodes.)"""
    with plane() as on:
        namespace = on.namespace("cancelled", *PENSTOCK.needs)
        on.settle()
        waits = tuple(asyncio.run(_cancel_each(on, namespace)))
    return [
        Figure("cancel to the pod's intent", "s", 0.1, waits),
        Figure("cancel to the pod's intent", "s", 0.5, waits, "max"),
    ]
