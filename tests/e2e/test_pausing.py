"""8. Paused and suspended through the operator, with real processes: held, resumed, answered."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.cluster import Space, alive
from tests.support.flows import flow, run
from tests.support.world import until

# One step after another, each of which says so, until the gate is open.
STEPS = """
    import os, time
    from pathlib import Path
    from penstock import flow, task
    from penstock.runtime import flow_run

    @task
    def step(n):
        time.sleep(0.05)

    @flow
    def main(gate: str):
        print(f"PID={os.getpid()}", flush=True)
        n = 0
        while not Path(gate).exists():
            step(n)
            n += 1
        return flow_run.attempt
"""
ASKS = """
    from penstock import flow, pause_flow_run

    @flow
    def main():
        return pause_flow_run(key="approve", wait_for_input=str)
"""


def want(space: Space, name: str, desired: str) -> None:
    space.kubectl("patch", "fr", name, "--type=merge", "-p", json.dumps({"spec": {"desiredState": desired}}))


def test_paused_and_resumed(space: Space, tmp_path: Path) -> None:
    """Held at a task boundary, its process alive; it goes on in the same attempt."""
    space.apply(run("held", STEPS, parameters={"gate": str(tmp_path / "gate")}))
    space.wait_type("held", "Running")
    pid = space.pid("held")
    want(space, "held", "Paused")
    assert space.wait_type("held", "Paused")["state"]["name"] == "Paused"
    assert alive(pid)
    want(space, "held", "Running")
    space.wait_type("held", "Running")
    (tmp_path / "gate").touch()
    status = space.finish("held")
    assert (status["state"]["type"], status["result"]["json"], status["attempt"]["number"]) == ("Completed", "1", 1)


def test_suspended_and_resumed(space: Space, tmp_path: Path) -> None:
    """The process ends, the run stays; a new attempt goes on, and no budget pays for it."""
    space.apply(run("away", STEPS, parameters={"gate": str(tmp_path / "gate")}))
    space.wait_type("away", "Running")
    pid = space.pid("away")
    want(space, "away", "Suspended")
    assert space.wait_type("away", "Paused")["state"]["name"] == "Suspended"
    until("its process has ended", lambda: not alive(pid))
    assert len(space.pods("away")) == 1
    (tmp_path / "gate").touch()
    want(space, "away", "Running")
    status = space.finish("away")
    assert (status["state"]["type"], status["result"]["json"], status["attempt"]["number"]) == ("Completed", "2", 2)
    assert not any(status.get("retries", {}).values())
    (first,) = status["attempts"]
    assert (first["state"], first["reason"], first.get("budget")) == ("Paused", "Suspended", None)


def test_a_pause_of_its_own_is_answered(space: Space) -> None:
    """`spec.inputs` by the pause's key; what is asked for stands in the status."""
    space.apply(flow("asking", ASKS), run("asks", ref="asking"))
    status = space.wait_type("asks", "Paused")
    assert status["pause"]["key"] == "approve"
    space.kubectl("patch", "fr", "asks", "--type=merge", "-p", '{"spec":{"inputs":{"approve":"yes"}}}')
    status = space.finish("asks")
    assert (status["state"]["type"], status["result"]["json"]) == ("Completed", '"yes"')
    assert "pause" not in status
