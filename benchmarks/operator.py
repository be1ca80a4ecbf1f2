"""The operator on a real control plane, nodes and engines by script: latency at 5 runs a second, and what it costs when idle.

Needs KUBEBUILDER_ASSETS.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any

from tests.support.cluster import Space, WithoutNode
from tests.support.flows import QUICK_FLOW, flow, run
from tests.support.realserver import MISSING, RealServer, assets
from tests.support.simulated import SimulatedNodes

from .measure import Figure, cpu_seconds, resident_mb


async def _steady(space: Space, nodes: SimulatedNodes, count: int, per_second: float) -> list[dict[str, Any]]:
    stop = asyncio.Event()
    playing = asyncio.create_task(nodes.run(stop))
    path = f"/apis/penstock.dev/v1alpha1/namespaces/{space.name}/flowruns"
    with space.cluster.client() as client:
        begin = time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0.0, begin + number / per_second - time.monotonic()))
            reply = await asyncio.to_thread(client.post, path, json=run(f"run-{number:03}", ref="steady"))
            reply.raise_for_status()
        deadline = time.monotonic() + 60
        while True:
            items = (await asyncio.to_thread(client.get, path)).json()["items"]
            if all((i.get("status") or {}).get("completionTime") for i in items):
                break
            if time.monotonic() > deadline:
                raise TimeoutError("not all runs ended")
            await asyncio.sleep(0.2)
    stop.set()
    await playing
    return list(items)


def figures(count: int = 150, per_second: float = 5) -> list[Figure]:
    """Measure: claim to Running, outcome to Completed, CPU a run, then idle."""
    folder = assets()
    if folder is None:
        raise SystemExit(MISSING)
    cluster = WithoutNode(server=RealServer(folder))
    try:
        cluster.start()
        assert cluster.operator
        pid = cluster.operator.process.pid
        cluster.kubectl("create", "namespace", "steady")
        space = Space(cluster, "steady")
        space.apply(flow("steady", QUICK_FLOW))
        real = cluster.own
        nodes = SimulatedNodes(real.url, real.admin_token, str(real.ca), "steady", run_seconds=0.5)
        before = cpu_seconds(pid)
        items = asyncio.run(_steady(space, nodes, count, per_second))
        busy = cpu_seconds(pid) - before
        latency = []
        for item in items:
            timing = nodes.timings[item["metadata"]["name"]]
            ended = datetime.fromisoformat(item["status"]["completionTime"]).timestamp()
            latency += [
                datetime.fromisoformat(item["status"]["startTime"]).timestamp() - timing.claimed,
                ended - timing.reported,
            ]
        time.sleep(5)  # let what follows the last run settle
        idle_from, started = cpu_seconds(pid), time.monotonic()
        time.sleep(20)
        idle = 100 * (cpu_seconds(pid) - idle_from) / (time.monotonic() - started)
        memory = resident_mb(pid)
    finally:
        cluster.stop()
    return [
        Figure("operator: report to status at 5 runs/s", "s", 0.3, tuple(latency), "p99"),
        Figure("operator: CPU a run", "s", 0.015, (busy / count,)),
        Figure("operator: idle CPU", "%", 0.5, (idle,)),
        Figure("operator: memory after 150 runs, idle", "MB", 80, (memory,)),
    ]
