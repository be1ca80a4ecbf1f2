"""Signals, kills, deletions, predecessors: the process is lost, the truth is not."""

from __future__ import annotations

import os
import signal

from tests.support.cluster import Space, alive
from tests.support.flows import SLEEPER, run
from tests.support.world import until

# The first attempt waits to be shot; the next one finds the marker and ends well.
TWICE = """
    import os, time
    from pathlib import Path
    from penstock import flow
    from penstock.runtime import flow_run

    @flow
    def main(marker: str):
        print(f"PID={os.getpid()}", flush=True)
        if flow_run.attempt == 1:
            time.sleep(300)
        return flow_run.attempt
"""


def test_sigterm_without_a_cancel_is_an_interruption(space: Space) -> None:
    """6. Exit 143, told in `attempts`; a new attempt completes."""
    space.apply(run("moved", TWICE, parameters={"marker": "x"}))
    space.wait_type("moved", "Running")
    os.kill(space.pid("moved"), signal.SIGTERM)
    status = space.finish("moved")
    assert status["state"]["type"] == "Completed"
    assert status["result"]["json"] == "2"
    assert status["attempt"]["number"] == 2
    (first,) = status["attempts"]
    assert (first["number"], first["reason"], first["budget"]) == (1, "Interrupted", "infrastructure")
    assert first.get("exitCode") in (None, 143)  # absent where the report was judged before the pod's end was seen

    def ended_with() -> int | None:
        pod = next(p for p in space.pods("moved") if p["metadata"]["labels"]["penstock.dev/attempt"] == "1")
        state = pod["status"]["containerStatuses"][0]["state"]
        return int(state["terminated"]["exitCode"]) if "terminated" in state else None

    until("the first pod has ended", lambda: ended_with() is not None)
    assert ended_with() == 143
    assert status["retries"]["infrastructure"] == 1
    assert len(space.pods("moved")) == 2


def test_a_deleted_pod_is_told(space: Space) -> None:
    """The engine reports an interruption within milliseconds; the attempt says by what."""
    space.apply(run("away", TWICE, parameters={"marker": "x"}))
    space.wait_type("away", "Running")
    space.pid("away")
    (pod,) = space.pods("away")
    space.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
    status = space.finish("away")
    assert (status["state"]["type"], status["result"]["json"]) == ("Completed", "2")
    (first,) = status["attempts"]
    assert (first["reason"], first["budget"]) == ("Interrupted", "infrastructure")
    assert "the pod was deleted" in first["message"]


def test_sigkill_uses_the_budget_up(space: Space) -> None:
    """7. One more attempt by the budget, then Crashed/Killed."""
    space.apply(
        run(
            "shot",
            SLEEPER.replace('print("sleeping"', 'import os; print(f"PID={os.getpid()}"'),
            runPolicy={"retries": {"infrastructure": 1}},
        )
    )
    space.wait_type("shot", "Running")
    os.kill(space.pid("shot"), signal.SIGKILL)
    space.wait(
        "shot", lambda s: s["attempt"]["number"] == 2 and s["state"]["type"] == "Running", "the second attempt runs"
    )
    assert space.state("shot") == ("Running", "Retrying")
    os.kill(space.pid("shot", 2), signal.SIGKILL)
    status = space.finish("shot")
    assert (status["state"]["type"], status["state"]["name"]) == ("Crashed", "Killed")
    assert "137" in status["state"]["message"] or "SIGKILL" in status["state"]["message"]
    assert len(space.pods("shot")) == 2


def test_a_deleted_run_leaves_nothing(space: Space) -> None:
    """9. kubectl delete of a running FlowRun: SIGTERM to its process, pod gone."""
    text = """
        import os, time
        from pathlib import Path
        from penstock import flow

        @flow
        def main(folder: str):
            print(f"PID={os.getpid()}", flush=True)
            try:
                time.sleep(300)
            finally:
                Path(folder, "unwound").write_text("yes")
    """
    folder = space.cluster.folder / f"{space.name}-deleted"
    folder.mkdir()
    space.apply(run("deleted", text, parameters={"folder": str(folder)}))
    space.wait_type("deleted", "Running")
    pid = space.pid("deleted")
    space.kubectl("delete", "fr", "deleted", "--timeout=20s")
    until("its pod is gone", lambda: space.pods("deleted") == [], 20)
    assert not alive(pid)
    assert (folder / "unwound").read_text() == "yes"


def test_applied_again_under_the_same_name(space: Space) -> None:
    """11. The new run starts at once while the old pod still terminates; the old engine's report is refused."""
    text = """
        import os, time
        from penstock import flow

        @flow
        def main(who: str):
            print(f"PID={os.getpid()}", flush=True)
            end = time.monotonic() + (6 if who == "old" else 0)
            while time.monotonic() < end:
                try:
                    time.sleep(0.1)
                except BaseException:
                    pass
            return who
    """
    space.apply(run("again", text, parameters={"who": "old"}))
    space.wait_type("again", "Running")
    pid = space.pid("again")
    old = space.run("again")["metadata"]["uid"]
    space.kubectl("delete", "fr", "again", "--wait=true")
    space.apply(run("again", text, parameters={"who": "new"}))
    status = space.finish("again", 20)
    assert space.run("again")["metadata"]["uid"] != old
    assert (status["state"]["type"], status["result"]["json"]) == ("Completed", '"new"')
    until("the old process is gone", lambda: not alive(pid), 45)
    assert space.status("again")["result"]["json"] == '"new"'
    assert space.status("again")["attempt"]["number"] == 1
