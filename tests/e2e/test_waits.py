"""8.5. Long waits through the operator, with real processes: no pod meanwhile, also while the operator is away; and what ends them.

The limit is lowered by the setting that users have for it; the delays are seconds where theirs are minutes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.cluster import Space, alive
from tests.support.flows import execution, flow, run
from tests.support.longwaits import WAITS, between, chain, ended_well, is_given_up
from tests.support.world import until


def waiting(name: str, tmp_path: Path, delay: float, **spec: Any) -> dict[str, Any]:
    """A run whose results are on a volume, and whose pod is given up for any wait longer than a moment."""
    place = {"name": "results", "hostPath": {"path": str(tmp_path)}}
    mount = {"name": "results", "mountPath": str(tmp_path)}
    pod = {"volumes": [place], "containers": [{"name": "engine", "volumeMounts": [mount]}]}
    fields = execution(
        chain(delay),
        results={"storage": f"file://{tmp_path}/results", "persist": True},
        env=[{"name": "PENSTOCK_POD_LONG_WAIT_SECONDS", "value": "0.2"}],
        template={"spec": pod},
    )
    made = run(name, ref="-", **spec)
    del made["spec"]["flowRef"]
    made["spec"]["flowSpec"] = fields
    return made


def given_up(space: Space, name: str, attempt: int) -> dict[str, Any]:
    """Wait until an attempt's pod was given up, and its process is gone."""
    status = space.wait(
        name, lambda status: len(status.get("attempts", ())) >= attempt, f"attempt {attempt} is given up"
    )
    pid = space.pid(name, attempt)
    until("its process has ended", lambda: not alive(pid))
    given: dict[str, Any] = status["attempts"][attempt - 1]
    assert is_given_up(given), given
    return given


def test_a_chain_of_three_waits_with_no_pod_in_between(space: Space, tmp_path: Path) -> None:
    """The operator is killed in the first of them, and comes back."""
    space.apply(waiting("chain", tmp_path, 5))
    words = "task run fetch:0 waits for try 2 of 3: ConnectionError: reset by peer"
    assert given_up(space, "chain", 1)["message"] == words
    space.cluster.kill_operator()
    space.cluster.start_operator()
    given_up(space, "chain", 2)
    assert given_up(space, "chain", 3)["message"] == "the flow waits for try 2 of 2: ConnectionError: not yet"
    ended_well(space, space.finish("chain", seconds=90), "chain")
    assert [seconds >= 3 for seconds in between(space, "chain")] == [True] * WAITS


def test_cancelled_and_out_of_time_during_a_wait(space: Space, tmp_path: Path) -> None:
    """Each ends at once: there is no process that could hear of it."""
    late = waiting("late", tmp_path / "late", 600, runPolicy={"activeDeadlineSeconds": 6})
    for place in ("late", "gone"):
        (tmp_path / place).mkdir()
    space.apply(late, waiting("gone", tmp_path / "gone", 600))
    given_up(space, "gone", 1)
    assert space.state("gone") == ("Scheduled", "AwaitingRetry")
    space.kubectl("patch", "fr", "gone", "--type=merge", "-p", '{"spec":{"desiredState":"Cancelled"}}')
    status = space.finish("gone")
    assert (status["state"]["type"], len(space.pods("gone"))) == ("Cancelled", 1)
    status = space.finish("late")
    assert status["state"]["name"] == "TimedOut"
    assert len(space.pods("late")) == 1


ADDS = """
    from penstock import flow

    @flow
    def main(day: str, rows: int = 1, extra: int | None = 7):
        return [day, rows, extra]
"""


def test_a_run_that_repeats_another_takes_its_parameters(space: Space) -> None:
    """By `kubectl apply` alone, over two runs, and when the first of them is gone."""
    space.apply(flow("adds", ADDS), run("first", ref="adds", parameters={"day": "2026-11-21", "rows": 2, "extra": 9}))
    assert space.finish("first")["result"]["json"] == '["2026-11-21", 2, 9]'
    space.apply(run("second", ref="adds", rerunOf={"name": "first"}, parameters={"rows": 3}))
    assert space.finish("second")["result"]["json"] == '["2026-11-21", 3, 9]'
    space.kubectl("delete", "fr", "first")
    space.apply(run("third", ref="adds", rerunOf={"name": "second"}))
    status = space.finish("third")
    assert status["result"]["json"] == '["2026-11-21", 3, 9]'
    assert json.loads(status["parameters"]) == {"day": "2026-11-21", "rows": 3, "extra": 9}
