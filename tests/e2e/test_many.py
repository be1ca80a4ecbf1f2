"""15. 200 FlowRuns at once on the real control plane, nodes and engines by script: all finished, one pod each, six writes a run."""

from __future__ import annotations

import asyncio
import collections
import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.support.cluster import RealCluster, Space, WithoutNode
from tests.support.flows import QUICK_FLOW, flow, run
from tests.support.realserver import MISSING, RealServer, assets
from tests.support.simulated import SimulatedNodes
from tests.support.world import until

RUNS = 200
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
OPERATOR = "system:serviceaccount:penstock-system:penstock"


@pytest.fixture
def cluster() -> Iterator[RealCluster]:
    folder = assets()
    if folder is None:
        pytest.skip(MISSING)
    made = WithoutNode(server=RealServer(folder))
    try:
        made.start()
        yield made
    finally:
        made.stop()


def writes(cluster: RealCluster, namespace: str) -> collections.Counter[str]:
    """Count the writes that the server has logged, by who and what; Events are best effort and not counted, refusals wrote nothing."""
    counted: collections.Counter[str] = collections.Counter()
    for line in cluster.own.audit():
        reference = line.get("objectRef") or {}
        if (
            line["verb"] not in WRITES
            or reference.get("namespace") != namespace
            or line["responseStatus"]["code"] >= 400
        ):
            continue
        resource = reference["resource"] + ("/" + reference["subresource"] if reference.get("subresource") else "")
        operator = line["user"]["username"] == OPERATOR
        if resource == "events":
            continue
        if (
            operator or resource == "flowruns/status"
        ):  # the engine's two are on flowruns/status; the rest is user and node
            counted[f"{'operator' if operator else 'engine'} {line['verb']} {resource}"] += 1
    return counted


@pytest.mark.real
@pytest.mark.timeout(180)
def test_two_hundred_at_once(cluster: RealCluster, space: Space) -> None:
    """All finished, one pod each, at most six API writes a run by the server's audit log, none while idle."""
    space.apply(flow("many", QUICK_FLOW))
    server = cluster.own
    assert cluster.operator
    nodes = SimulatedNodes(server.url, server.admin_token, str(server.ca), space.name)

    async def play() -> None:
        stop = asyncio.Event()
        playing = asyncio.create_task(nodes.run(stop))
        documents = [run(f"run-{i:03}", ref="many") for i in range(RUNS)]
        await asyncio.to_thread(space.apply, *documents)
        deadline = time.monotonic() + 120
        while True:
            listed = await asyncio.to_thread(space.kubectl, "get", "fr", "--no-headers")
            done = sum(" Completed " in line for line in listed.splitlines())
            if done == RUNS:
                break
            assert not playing.done(), playing.result()
            assert time.monotonic() < deadline, f"{done} of {RUNS} completed; {cluster.logs()}"
        stop.set()
        await playing

    asyncio.run(play())
    assert len(nodes.pods) == RUNS
    assert {len(pods) for pods in nodes.pods.values()} == {1}
    counted = writes(cluster, space.name)
    ensured = counted.pop("operator create configmaps", 0)
    assert ensured <= 20, "the revision is made once, but for those who looked at the same moment"
    told = counted.pop("operator patch flows/status", 0)
    assert told <= 10, "the Flow's counts follow at a distance, however many runs there are"
    shown = collections.Counter(
        re.findall(r'"message": "([A-Z][A-Za-z]+/[A-Z][A-Za-z]+)', cluster.operator.tail(10**7))
    )
    assert sum(counted.values()) <= 6 * RUNS, (counted, shown)
    ends = json.loads(space.kubectl("get", "fr", "-o", "json"))["items"]
    last = max(one["status"]["completionTime"] for one in ends)

    def all_told() -> bool:
        status = (space.get("flow", "many") or {})["status"]
        return bool(status.get("activeRuns") == 0 and status.get("lastOutcome", {}).get("completionTime") == last)

    until("the Flow tells that all have ended", all_told, 30)
    before = writes(cluster, space.name)
    start = time.monotonic()
    until("three idle seconds", lambda: time.monotonic() - start > 3)
    assert writes(cluster, space.name) == before
