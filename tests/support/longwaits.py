"""A run with three long waits, each of which frees its pod, and what its pods say of it afterwards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from penstock_operator.api.times import read_time
from tests.support.cluster import Space

# Three waits: of a task (twice) and of the flow itself.
CHAIN = """
    import os
    from penstock import flow, task
    from penstock.runtime import flow_run, task_run

    @task
    def load():
        print(f"PID={os.getpid()}", flush=True)
        print("loaded", flush=True)
        return 3

    @task(retries=2, retry_delay_seconds=DELAY)
    def fetch(rows):
        print(f"fetch: try {task_run.run_count}", flush=True)
        if task_run.run_count < 3:
            raise ConnectionError("reset by peer")
        return rows

    @flow(retries=1, retry_delay_seconds=DELAY)
    def main():
        print(f"PID={os.getpid()}", flush=True)
        rows = fetch.submit(load()).result()
        if flow_run.run_count < 2:
            raise ConnectionError("not yet")
        return [rows, flow_run.attempt]
"""
WAITS = 3


def chain(delay: float) -> str:
    """The source, with delays of so many seconds."""
    return CHAIN.replace("DELAY", f"{delay:g}")


def is_given_up(attempt: Mapping[str, Any]) -> bool:
    """Whether an attempt ended for a wait, and counts for no budget."""
    return (attempt["state"], attempt["reason"], attempt.get("budget")) == ("Scheduled", "AwaitingRetry", None)


def ended_well(space: Space, status: Mapping[str, Any], name: str) -> None:
    """Check a chain that has ended: four pods, nothing done again, no budget touched."""
    assert (status["state"]["type"], json.loads(status["result"]["json"])) == ("Completed", [3, 4]), status["state"]
    assert not any(status.get("retries", {}).values())
    assert [is_given_up(each) for each in status["attempts"]] == [True] * WAITS
    logs = [space.log(name, attempt) for attempt in range(1, len(space.pods(name)) + 1)]
    assert ["loaded" in log.splitlines() for log in logs] == [True, False, False, False]
    assert [log.count("fetch: try") for log in logs] == [1, 1, 1, 0]


def between(space: Space, name: str) -> list[float]:
    """Seconds between the end of each pod and the creation of the next, as the cluster has them: to a second."""
    pods = sorted(space.pods(name), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    created = [read_time(pod["metadata"]["creationTimestamp"]) for pod in pods]
    ended = [read_time(pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]) for pod in pods[:-1]]
    return [(after - before).total_seconds() for before, after in zip(ended, created[1:], strict=True)]
