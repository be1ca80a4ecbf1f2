"""The operator is killed, the API server goes away: one pod per attempt, and the right end."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.cluster import Space
from tests.support.flows import run
from tests.support.world import until

STEPS = """
    import time
    from pathlib import Path
    from penstock import flow

    @flow
    def main(gate: str):
        while not Path(gate).exists():
            time.sleep(0.02)
        return "through"
"""


@pytest.mark.parametrize("moment", ["applied", "pending", "running", "ended"])
def test_the_operator_is_killed(space: Space, moment: str) -> None:
    """10. kill -9 at every point of a run, started again: one pod per attempt, right final state."""
    cluster = space.cluster
    gate = cluster.folder / f"{space.name}-{moment}"
    held = {"spec": {"schedulingGates": [{"name": "tests.penstock.dev/held"}]}} if moment == "pending" else {}
    if moment == "applied":
        cluster.kill_operator()
    try:
        spec: dict[str, Any] = {"template": held} if held else {}
        space.apply(run("killed", STEPS, parameters={"gate": str(gate)}, **spec))
        if moment == "pending":
            until("the pod is there", lambda: len(space.pods("killed")) == 1)
            cluster.kill_operator()
            pod = space.pods("killed")[0]["metadata"]["name"]
            space.kubectl("patch", "pod", pod, "--type=merge", "-p", '{"spec":{"schedulingGates":null}}')
            gate.touch()
        elif moment == "running":
            space.wait_type("killed", "Running")
            cluster.kill_operator()
            gate.touch()
        elif moment == "ended":
            space.wait_type("killed", "Running")
            cluster.kill_operator()
            gate.touch()
            until("the engine has reported", lambda: space.status("killed")["report"]["type"] == "Completed")
    finally:
        cluster.start_operator()
    gate.touch()
    status = space.finish("killed", 40)
    assert status["state"]["type"] == "Completed"
    assert status["result"]["json"] == '"through"'
    assert status["attempt"]["number"] == 1
    assert len(space.pods("killed")) == 1


def test_the_operator_is_killed_again_and_again(space: Space) -> None:
    """10. At whatever point it dies: every run ends well, with one pod."""
    cluster = space.cluster
    names = [f"r{i}" for i in range(6)]
    gates = {n: cluster.folder / f"{space.name}-{n}" for n in names}
    space.apply(*(run(n, STEPS, parameters={"gate": str(gates[n])}) for n in names))
    for index, name in enumerate(names):
        gates[name].touch()
        started = time.monotonic()
        until("some time has passed", lambda i=index, s=started: time.monotonic() - s > 0.15 * (i + 1))  # type: ignore[misc]
        cluster.kill_operator()
        cluster.start_operator()
    for name in names:
        status = space.finish(name, 60)
        assert (status["state"]["type"], status["attempt"]["number"]) == ("Completed", 1)
        assert len(space.pods(name)) == 1


def test_the_api_server_is_away_while_the_flow_ends(space: Space) -> None:
    """12. For 20 s: the outcome arrives afterwards, or from the termination message."""
    cluster = space.cluster
    gate = cluster.folder / f"{space.name}-gate"
    space.apply(run("outage", STEPS, parameters={"gate": str(gate)}))
    space.wait_type("outage", "Running")
    with cluster.server_away():
        gate.touch()
        gone = time.monotonic()
        until("the outage has lasted", lambda: time.monotonic() - gone > 20, 30)
    status = space.finish("outage", 60)
    assert (status["state"]["type"], status["attempt"]["number"]) == ("Completed", 1)
    assert status["result"]["json"] == '"through"'
    assert len(space.pods("outage")) == 1
