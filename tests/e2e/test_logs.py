"""A run of two attempts as `penstock logs` and `penstock tasks` tell it: while it goes on, afterwards, and when its pods are gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.support.cluster import Space, die_with_parent
from tests.support.flows import run
from tests.support.world import until

FLOW = """
    import os
    import subprocess
    from penstock import flow, get_run_logger, task

    @task
    def load(n):
        print("loaded", n)
        return n

    @task(name="check", retries=1)
    def check():
        if os.environ["PENSTOCK_ATTEMPT"] == "1":
            raise ValueError("no rows")

    @flow(flow_run_name="the-child")
    def below():
        get_run_logger().info("in the child", extra={"rows": 3})
        check()

    @flow
    def main():
        load.map(range(3)).wait()
        subprocess.run(["printf", "unfinished"])
        below()
"""


def start(space: Space, *words: str) -> subprocess.Popen[str]:
    """Start the command; its output is read when it has ended."""
    env = {**os.environ, "KUBECONFIG": str(space.cluster.kubeconfig)}
    command = [sys.executable, "-m", "penstock_cli", *words, "-n", space.name]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, preexec_fn=die_with_parent
    )


def said(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Exit code and lines of a command, when it has ended."""
    out, _ = process.communicate(timeout=60)
    return process.returncode, out.splitlines()


def test_a_run_of_two_attempts(space: Space) -> None:
    retry = {"retries": {"application": 1}, "backoff": {"initialSeconds": 1}}
    space.apply(run("two", FLOW, runPolicy=retry))
    following, watching = start(space, "logs", "two", "-f"), start(space, "tasks", "two", "--watch")
    status = space.wait_type("two", "Completed")
    assert status["report"]["progress"]["summary"] == "4 done"
    code, followed = said(following)
    assert code == 0, followed
    assert said(watching)[0] == 0
    whole, documents, table = (
        said(start(space, *words, "two"))[1] for words in (["logs"], ["logs", "--json"], ["tasks"])
    )
    assert [line for line in followed if not line.startswith("--- Scheduled/AwaitingRetry")] == whole
    texts = [line.rpartition(" | ")[2] for line in whole]
    (between,) = [line for line in texts if line.startswith("--- attempt 1 Failed")]
    assert "; attempt 2 began " in between
    first, second = texts[: texts.index(between)], texts[texts.index(between) :]
    for part in (first, second):
        assert len([line for line in part if line.startswith("loaded")]) == 3
        assert "unfinished" in part, "what a child left is no part of the log's next line"
        assert "Flow run 'the-child' - in the child" in part
    assert first.count("ValueError: no rows") == 1, "one traceback"
    assert texts[-1] == "--- Completed"

    read = [json.loads(line) for line in documents]
    states = [(each["attempt"], each.get("address"), each["to"], each["tries"]) for each in read if each.get("event") == "state"]  # fmt: skip
    assert len(set(states)) == len(states), "each state once"
    assert {each["extra"]["rows"] for each in read if "extra" in each} == {3}

    assert len(table) == 1 + 5 + 1
    assert [line.split()[0] for line in table[4:]] == ["the-child", "check-22f", "---"]
    assert table[5].startswith("  "), "what is below a subflow is indented"
    space.kubectl("delete", "pod", *[pod["metadata"]["name"] for pod in space.pods("two")])
    until("the pods are gone", lambda: not space.pods("two"))
    reported = said(start(space, "tasks", "two"))[1]
    assert sorted(line.split()[:2] for line in reported) == sorted(line.split()[:2] for line in table)
    gone = said(start(space, "logs", "two"))[1]
    assert gone[0].startswith("--- attempts 1 and 2: their pods are gone")
    assert gone[-1] == "--- Completed"
