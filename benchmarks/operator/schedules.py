"""What schedules cost: ten thousand Flows that wait for their times, and a thousand runs that are due in the same minute.

Neighbours: `seed` puts the Flows where the API server keeps them, with the status that the operator itself has given their model.
"""

from __future__ import annotations

import asyncio
import copy
import http.client
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from penstock_operator.api.times import rfc3339
from tests.support.flows import QUICK_FLOW, flow

from ..measure import Figure, resident_mb, wait_for
from .kinds import PENSTOCK
from .load import Load, loaded
from .plane import Plane, plane
from .seed import put

IDLE = 10_000
IDLE_SECONDS = 60.0
DUE = 1_000
BURST = 500
SOONEST_SECONDS = 20.0  # before they are due: the operator has read all of them by then
PATIENCE = 120.0


def schedules() -> list[Figure]:
    """Ten thousand Flows at rest; then a thousand more, all due at the same minute."""
    with plane() as on:
        waiting, due = (on.namespace(name) for name in ("waiting", "due"))
        model = _model(on, waiting)
        on.stop_operator()
        put(on.server.etcd_url, _copies(model, waiting, IDLE, _at_night))
        on.start_operator()
        _until_each_waits(on)
        on.settle(60)
        pid = on.operator.process.pid
        memory, before = resident_mb(pid), on.cpu()
        time.sleep(IDLE_SECONDS)
        idle = on.since(before).seconds["operator"] / IDLE_SECONDS
        # Before the thousand: their Flows' counts follow for a minute, and all Flows' writes are counted.
        writes = asyncio.run(_burst(on, on.namespace("burst", *PENSTOCK.needs)))
        on.settle()
        begun, cost = asyncio.run(_due(on, model, due))
    what = f"{IDLE} Flows with schedules"
    burst = f"{DUE} runs due in the same minute"
    return [
        Figure(f"{what}: CPU of the operator", "%", 1.0, (100 * idle,)),
        Figure(f"{what}: memory", "MB", 150, (memory,)),
        Figure(f"{burst}: the last has its pod after", "s", 60, begun, "max"),
        Figure(f"{burst}: has its pod after", "s", None, begun),
        Figure(f"{burst}: operator's CPU a run", "ms", None, (1000 * cost / DUE,)),
        Figure(f"{BURST} runs at once: writes of their Flow", "", 10, (writes,)),
    ]


def _until_each_waits(on: Plane) -> None:
    """Wait until the operator has set a time for each Flow, looking seldom enough to leave it the machine."""
    end = time.monotonic() + 300
    while _delayed(on) < IDLE:
        if time.monotonic() > end:
            raise TimeoutError(f"the operator has set a time for {_delayed(on):g} of {IDLE} Flows")
        time.sleep(1)


def _delayed(on: Plane) -> float:
    return sum(_metric(on, "penstock_flows_delayed "))


def _metric(on: Plane, begins: str) -> list[float]:
    """Return the values of the operator's metrics that begin so."""
    connection = http.client.HTTPConnection("127.0.0.1", on.health, timeout=10)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    return [float(line.split()[-1]) for line in lines if line.startswith(begins)]


def _model(on: Plane, namespace: str) -> dict[str, Any]:
    """Return a Flow with a schedule, as the operator leaves it."""
    path = f"/apis/penstock.dev/v1alpha1/namespaces/{namespace}/flows"
    document = flow(
        "model", QUICK_FLOW, schedules=[{"name": "nightly", "cron": "0 3 * * *", "timeZone": "Europe/Berlin"}]
    )
    with on.cluster.client() as client:
        client.post(path, json=document).raise_for_status()

        def looked_at() -> bool:
            status = client.get(f"{path}/model").json().get("status", {})
            return bool(status.get("schedules"))

        wait_for("the operator has looked at the Flow", looked_at, 30)
        found: dict[str, Any] = client.get(f"{path}/model").json()
    return found


def _at_night(number: int) -> tuple[str, str, datetime]:
    """The cron, the rule in the status, and the next time of a Flow: none of them is due soon."""
    soon = datetime.now(UTC) + timedelta(hours=3 + number % 18, minutes=number % 60)
    time_ = soon.replace(second=0, microsecond=0)
    cron = f"{time_.minute} {time_.hour} * * *"
    return cron, f"{cron} UTC", time_


def _copies(model: dict[str, Any], namespace: str, count: int, when: Any) -> Iterator[dict[str, Any]]:
    for number in range(count):
        name = f"flow-{number:05}"
        cron, rule, time_ = when(number)
        made = copy.deepcopy(model)
        made["metadata"] |= {"name": name, "namespace": namespace, "uid": str(uuid.uuid4())}
        del made["metadata"]["resourceVersion"]
        made["spec"]["schedules"] = [{**made["spec"]["schedules"][0], "cron": cron, "timeZone": "UTC"}]
        status = made["status"]
        row = {"name": "nightly", "rule": rule, "nextScheduledTime": rfc3339(time_)}
        status |= {"schedules": [row], "nextScheduledTime": rfc3339(time_)}
        status["revision"] = name + status["revision"].removeprefix("model")
        yield made


async def _due(on: Plane, model: dict[str, Any], namespace: str) -> tuple[tuple[float, ...], float]:
    """Put Flows that are all due at the next minute; return when each run's pod came, from that minute, and the operator's CPU seconds."""
    moment = (datetime.now(UTC) + timedelta(seconds=SOONEST_SECONDS + 60)).replace(second=0, microsecond=0)

    def at_once(_: int) -> tuple[str, str, datetime]:
        cron = f"{moment.minute} {moment.hour} * * *"
        return cron, f"{cron} UTC", moment

    async with loaded(on.server, PENSTOCK, namespace, play=_nothing) as load:
        await asyncio.to_thread(put, on.server.etcd_url, _copies(model, namespace, DUE, at_once))
        begin = time.monotonic() + (moment - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(max(0.0, begin - time.monotonic() - 1))
        before = on.cpu()["operator"]
        while len(load.runs) < DUE:
            if time.monotonic() - begin > PATIENCE:
                raise TimeoutError(f"{len(load.runs)} of {DUE} runs have a pod in {PATIENCE:g} s")
            await load.change(1.0)
        cost = on.cpu()["operator"] - before
        early = [run for run, moments in load.runs.items() if moments.pod < begin]
        if early:
            raise AssertionError(f"before their time: {early[:3]}")
        return tuple(sorted(moments.pod - begin for moments in load.runs.values())), cost


async def _burst(on: Plane, namespace: str) -> float:
    """Apply very many runs of one Flow, let them run and end, and return how often its status was written."""
    counter = 'penstock_api_requests_total{code="200",resource="flows/status",verb="patch"}'
    await asyncio.sleep(5)  # the Flow's first status
    before = sum(_metric(on, counter))
    async with loaded(on.server, PENSTOCK, namespace) as load:
        await load.burst(BURST)
        await load.finished(300)
    await asyncio.sleep(10)
    return sum(_metric(on, counter)) - before


async def _nothing(_load: Load, _run: str, _pod: dict[str, Any], _moments: Any) -> None:
    """The pods are left alone: what is measured is how they come to be."""
