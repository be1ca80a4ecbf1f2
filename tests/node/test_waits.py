"""A chain of three waits of a minute and a half, begun before everything else: no pod in between, whatever befell node and operator."""

from __future__ import annotations

import itertools
from datetime import datetime

import pytest

from tests.node.conftest import DELAY, NodeCluster
from tests.node.test_fates import pod_of
from tests.support.cluster import Space
from tests.support.longwaits import WAITS, between, ended_well

pytestmark = pytest.mark.timeout(600)
MARKS = ["fetch: try 1", "fetch: try 2", "fetch: try 3", "PID="]
LATE = 45.0  # seconds that a next pod may be made late: the operator may just be exchanged, or the API server away
LEAVING = (
    30.0  # seconds of a delay in which the pod may still be there, for it ends by signals and in the kubelet's own time
)


def said_at(space: Space, name: str, attempt: int, mark: str) -> datetime:
    """When a pod wrote a line, by the kubelet's clock."""
    pod = pod_of(space, name, attempt)["metadata"]["name"]
    line = next(line for line in space.kubectl("logs", pod, "--timestamps").splitlines() if mark in line)
    return datetime.fromisoformat(line.split()[0])


def test_a_chain_of_three_waits_holds_no_pod(node: NodeCluster, space: Space, chain: str) -> None:
    """Four pods in all, each gone long before the next one is made; each next try at its time; nothing counts for a budget."""
    ended_well(space, space.finish(chain, 5 * DELAY), chain)
    pods = {str(pod["metadata"]["name"]) for pod in space.pods(chain)}
    assert len(pods) == WAITS + 1
    # Also of none that is gone; what was asked for a moment ago is not written there yet.
    made = [name for name in node.created("pods", space.name) if name.startswith(f"{chain}-")]
    assert len(made) == len(set(made)) >= WAITS
    assert set(made) <= pods
    assert [DELAY - LEAVING < seconds < DELAY + LATE for seconds in between(space, chain)] == [True] * WAITS
    times = [said_at(space, chain, attempt, mark) for attempt, mark in enumerate(MARKS, 1)]
    delays = [(after - before).total_seconds() for before, after in itertools.pairwise(times)]
    # How soon a pod that is made says its first word is the node's matter, not the wait's.
    assert [delay > DELAY - 0.5 for delay in delays] == [True] * WAITS, delays
