"""Waits that are longer than the pod: given up, and gone on with by the next attempt; what is against it is said."""

from __future__ import annotations

import itertools
from pathlib import Path

from tests.pod.conftest import StartPod
from tests.pod.test_process_pause import ASKS, STEPS, next_attempt
from tests.support.pod_process import PodProcess
from tests.support.pod_server import PodServer

FETCH = (
    "@task(persist_result=True)\ndef load():\n    mark('loaded')\n    return 3\n"
    "@task(retries=2, retry_delay_seconds=300, persist_result=True)\ndef fetch(rows):\n"
    "    from penstock.runtime import task_run\n    mark('tried', task_run.run_count)\n"
    "    if task_run.run_count < 3:\n        raise ConnectionError('reset by peer')\n    return rows\n"
    "@flow(**HOOKS)\ndef main():\n    try:\n        return fetch.submit(load.submit()).result()\n"
    "    finally:\n        mark('left')\n"
)


def env_of(tmp_path: Path, number: int = 1, limit: str = "0.3") -> dict[str, str]:
    return {
        "PENSTOCK_RESULTS_STORAGE": f"file://{tmp_path}/results",
        "PENSTOCK_POD_LONG_WAIT_SECONDS": limit,
        "PENSTOCK_ATTEMPT": str(number),
        "POD_NAME": f"etl-7f3c2-{number}",
    }


def marks(pod: PodProcess) -> set[str]:
    return {path.name for path in pod.marks.iterdir()}


def test_three_attempts_count_the_tries_of_one_task(start: StartPod, server: PodServer, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        if number > 1:
            next_attempt(server, number)
        pod = start(FETCH, env=env_of(tmp_path, number))
        assert pod.wait() == 0, pod.output
        assert (pod.marks / "tried").read_text() == str(number)
        assert pod.has_mark("loaded") == (number == 1), "its result is found again"
        report = server.report
        assert report is not None
        if number < 3:
            assert (report["type"], report["waiting"]) == ("AwaitingRetry", "fetch:0")
            words = f"task run fetch:0 waits for try {number + 1} of 3: ConnectionError: reset by peer"
            assert report["message"] == words
            assert report["time"] < report["resumeTime"]
            assert "ending" not in report
            assert not [line for line in pod.lines if line["level"] in ("WARNING", "ERROR")]
            assert marks(pod) - {"loaded"} == {"tried", "left"}, "no hook"
            assert [line["level"] for line in pod.lines if line["msg"].startswith(words)] == ["INFO"]
    assert server.report is not None
    assert (server.report["type"], server.report["result"]["json"]) == ("Completed", "3")
    told = [kind for kind, _ in itertools.groupby(report["type"] for report in server.accepted)]
    assert told == ["Running", "AwaitingRetry", "Running", "AwaitingRetry", "Running", "Completed"]


def test_a_pause_is_given_up_and_answered_in_a_later_attempt(
    start: StartPod, server: PodServer, tmp_path: Path
) -> None:
    """Its deadline stays what it was, also where nobody has answered when the next attempt comes to it."""
    source = ASKS.format(kind="", call="")
    first = start(source, env=env_of(tmp_path))
    assert first.wait() == 0, first.output
    told = server.report
    assert told is not None
    assert (told["type"], told["pause"]["key"], told["resumeTime"]) == (
        "Suspended",
        "approve",
        told["pause"]["deadline"],
    )
    assert "schema" in told["pause"]["input"]

    next_attempt(server, 2)
    second = start(source, env=env_of(tmp_path, 2, limit="60"))
    again = server.wait_report("Paused")["pause"]
    assert again["deadline"][:21] == told["pause"]["deadline"][:21]
    server.change(lambda run: run["spec"].update(inputs={"approve": {"ok": True}}))
    second.intend("Running 00000001")
    assert second.wait() == 0, second.output
    assert (server.report or {})["result"]["json"] == '{"ok": true, "rows": 3}'


def test_a_pause_from_outside_is_given_up(start: StartPod, server: PodServer, tmp_path: Path) -> None:
    pod = start(STEPS.format(kind="", call=""), intent="Paused", env=env_of(tmp_path))
    assert pod.wait() == 0, pod.output
    report = server.report
    assert report is not None
    assert (report["type"], report["message"]) == (
        "Suspended",
        "paused by spec.desiredState; the pod was given up",
    )
    assert "pause" not in report
    assert not pod.has_mark("body")


def test_what_would_be_lost_is_waited_for_in_the_pod_and_can_be_cancelled(
    start: StartPod, server: PodServer, tmp_path: Path
) -> None:
    pod = start(
        FETCH.replace("persist_result=True)\ndef load", "persist_result=False)\ndef load"), env=env_of(tmp_path)
    )
    pod.marked("tried")
    why = "the pod is not given up for this: the result of task run load:0 is not stored, so that it would run again"
    pod.wait_for(lambda: why in pod.output, "the reason in the log")
    assert pod.process.poll() is None
    pod.intend("Cancelled")
    assert pod.wait() == 0, pod.output
    assert (server.report or {})["type"] == "Cancelled"
    assert pod.has_mark("hook-cancelled")
    assert pod.output.count("is not given up") == 1
