"""Paused and suspended from outside: held before the body and between tasks, resumed, ended while held."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from tests.pod.conftest import StartPod
from tests.support.pod_process import PodProcess
from tests.support.pod_server import UID, PodServer

STEPS = (
    "from marks import wait_for\n@task\n{kind}def step(i):\n    mark(f'step-{{i}}')\n    wait_for(f'go-{{i}}')\n"
    "@flow(**HOOKS)\n{kind}def main():\n    mark('body')\n    for i in range(3):\n        {call}step(i)\n"
)
SYNC, ASYNC = STEPS.format(kind="", call=""), STEPS.format(kind="async ", call="await ")
SUBMITTED = (
    "from marks import wait_for\n@task\ndef step(i):\n    mark(f'step-{i}')\n    wait_for(f'go-{i}')\n"
    "@flow(**HOOKS)\ndef main():\n    mark('body')\n    for i in range(3):\n        step.submit(i).result()\n"
)
SOURCES = {"sync": SYNC, "async": ASYNC, "submitted": SUBMITTED}


def paused_between_steps(pod: PodProcess, server: PodServer) -> None:
    pod.marked("step-0")
    pod.intend("Paused")
    _let_the_guard_look(pod)
    pod.mark("go-0")
    server.wait_report("Paused")
    assert not pod.has_mark("step-1")


def _let_the_guard_look(pod: PodProcess) -> None:
    # It reads the file every 20 ms, and nothing is seen of it from outside.
    end = time.monotonic() + 0.2
    pod.wait_for(lambda: time.monotonic() > end, "time for the guard to look")


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_paused_between_tasks_and_resumed(start: StartPod, server: PodServer, source: str) -> None:
    pod = start(source)
    paused_between_steps(pod, server)
    requests = len(server.requests)
    assert pod.process.poll() is None
    pod.intend("Running")
    pod.marked("step-1")
    server.wait_report("Running")
    assert len(server.requests) == requests + 1, "no call while it waits"
    pod.mark("go-1")
    pod.marked("step-2")
    pod.mark("go-2")
    assert pod.wait() == 0, pod.output
    # A word may be told twice: the claim when its answer was late, Completed before its hook and with it.
    told = [kind for kind, _ in itertools.groupby(report["type"] for report in server.accepted)]
    assert told == ["Running", "Paused", "Running", "Completed"]
    assert server.report is not None
    assert server.report["progress"]["summary"] == "3 done"


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_held_and_cancelled(start: StartPod, server: PodServer, source: str) -> None:
    pod = start(source)
    paused_between_steps(pod, server)
    pod.intend("Cancelled")
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["type"] == "Cancelled"
    assert pod.has_mark("hook-cancelled")
    assert not pod.has_mark("step-1")


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_held_and_signalled(start: StartPod, server: PodServer, source: str) -> None:
    pod = start(source)
    paused_between_steps(pod, server)
    pod.signal()
    assert pod.wait() == 143, pod.output
    assert server.report is not None
    assert server.report["type"] == "Interrupted"
    assert pod.has_mark("hook-crashed")


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_suspended_at_the_next_boundary(start: StartPod, server: PodServer, source: str) -> None:
    pod = start(source)
    pod.marked("step-0")
    pod.intend("Suspended")
    _let_the_guard_look(pod)
    assert pod.process.poll() is None, "the task that runs goes on"
    pod.mark("go-0")
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["type"] == "Suspended"
    assert server.report["progress"]["completed"] == 1
    assert "everything will be repeated" in server.report["message"]
    assert not pod.has_mark("step-1")
    assert not pod.has_mark("hook-crashed")


def test_paused_from_the_start_the_flow_is_loaded_and_held(start: StartPod, server: PodServer) -> None:
    server.change(lambda run: run["spec"].update(desiredState="Paused"))
    pod = start("mark('module')\n@flow\ndef main():\n    mark('body')\n", intent="Paused")
    server.wait_report("Paused")
    assert pod.has_mark("module")
    assert not pod.has_mark("body")
    assert server.report is not None
    assert "startTime" not in server.report
    pod.intend("Running")
    assert pod.wait() == 0, pod.output
    assert pod.has_mark("body")
    assert server.report["type"] == "Completed"


def test_paused_by_the_answer_and_no_file_yet(start: StartPod, server: PodServer) -> None:
    """The answer of the claim says so before the kubelet has written the file."""
    server.change(lambda run: run["spec"].update(desiredState="Paused"))
    pod = start("@flow\ndef main():\n    mark('body')\n", intent=None)
    server.wait_report("Paused")
    pod.intend("Running 00000001")
    assert pod.wait() == 0, pod.output
    assert pod.has_mark("body")


def test_no_boundary_within_its_time(start: StartPod, server: PodServer) -> None:
    pod = start(
        "@flow(**HOOKS)\ndef main():\n    mark('body')\n    time.sleep(100)\n",
        env={"PENSTOCK_POD_SUSPEND_WAIT_SECONDS": "0.2"},
    )
    pod.marked("body")
    pod.intend("Suspended")
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["type"] == "Suspended"


def test_an_unknown_intent_is_told_once_and_is_running(start: StartPod, server: PodServer) -> None:
    pod = start("from marks import wait_for\n@flow\ndef main():\n    mark('body')\n    wait_for('go')\n", intent="Stop")
    pod.marked("body")
    pod.intend("Stop 00000001")
    _let_the_guard_look(pod)
    pod.mark("go")
    assert pod.wait() == 0, pod.output
    assert [line["level"] for line in pod.lines if "'Stop'" in line["msg"]] == ["WARNING"]


# -- pauses of the flow's own ----------------------------------------------------------------------------------------

ASKS = (
    "from penstock import pause_flow_run\nfrom penstock.input import RunInput\n"
    "class Approval(RunInput):\n    ok: bool\n    rows: int = 0\n"
    "@flow(**HOOKS)\n{kind}def main():\n    mark('body')\n"
    "    given = {call}pause_flow_run(wait_for_input=Approval.with_initial_data(description='please', rows=3), key='approve')\n"
    "    return given.model_dump()\n"
)


def answer(server: PodServer, **inputs: object) -> None:
    server.change(lambda run: run["spec"].update(inputs=inputs))


@pytest.mark.parametrize(("kind", "call"), [("", ""), ("async ", "await ")], ids=["sync", "async"])
def test_paused_by_code_and_answered(start: StartPod, server: PodServer, kind: str, call: str) -> None:
    pod = start(ASKS.format(kind=kind, call=call))
    pause = server.wait_report("Paused")["pause"]
    assert pause["key"] == "approve"
    assert pause["since"] < pause["deadline"]
    assert "seen" not in pause
    assert pause["input"]["description"] == "please"
    assert set(pause["input"]["schema"]["properties"]) == {"ok", "rows"}
    requests = len(server.requests)

    answer(server, approve={"ok": "perhaps"})
    pod.intend("Running 00000001")
    bad = server.wait(lambda: (server.report or {}).get("pause", {}).get("input", {}).get("error") and server.report)
    assert "ok" in bad["pause"]["input"]["error"]
    assert len(bad["pause"]["seen"]) == 16
    assert len(server.requests) == requests + 2, "one read, one report"

    answer(server, approve={"ok": "yes"})
    pod.intend("Running 00000002")
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["result"]["json"] == '{"ok": true, "rows": 3}'
    types = [report["type"] for report in server.accepted]
    assert types[:3] == ["Running", "Paused", "Paused"]


def test_an_answer_that_is_there_already(start: StartPod, server: PodServer) -> None:
    answer(server, approve={"ok": True})
    pod = start(ASKS.format(kind="", call=""))
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["result"]["json"] == '{"ok": true, "rows": 3}'


def test_an_answer_in_the_answer_of_the_report(start: StartPod, server: PodServer) -> None:
    """It came between the claim and the pause: no token tells of it."""
    pod = start(
        "from penstock import pause_flow_run\nfrom marks import wait_for\n@flow\ndef main():\n    mark('body')\n"
        "    wait_for('go')\n    return pause_flow_run(key='approve')\n"
    )
    pod.marked("body")
    answer(server, approve="fine")
    pod.mark("go")
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["result"]["json"] == '"fine"'


@pytest.mark.parametrize("how", ["cancel", "signal"])
def test_a_pause_of_code_is_ended(start: StartPod, server: PodServer, how: str) -> None:
    pod = start(ASKS.format(kind="", call=""))
    server.wait_report("Paused")
    if how == "cancel":
        pod.intend("Cancelled")
    else:
        pod.signal()
    assert pod.wait() == (0 if how == "cancel" else 143), pod.output
    assert server.report is not None
    assert server.report["type"] == ("Cancelled" if how == "cancel" else "Interrupted")
    assert pod.has_mark("hook-cancelled" if how == "cancel" else "hook-crashed")


def test_a_pause_that_nobody_answers(start: StartPod, server: PodServer) -> None:
    pod = start("from penstock import pause_flow_run\n@flow(**HOOKS)\ndef main():\n    pause_flow_run(timeout=0.2)\n")
    assert pod.wait() == 1, pod.output
    assert server.report is not None
    assert server.report["type"] == "Failed"
    assert server.report["error"]["type"].endswith("FlowPauseTimeout")


def test_the_clock_of_a_timeout_stands_still_while_paused(start: StartPod, server: PodServer) -> None:
    pod = start(
        "from marks import wait_for\n@task\ndef step(i):\n    mark(f'step-{i}')\n    wait_for(f'go-{i}')\n"
        "@flow(timeout_seconds=2)\ndef main():\n    for i in range(3):\n        step(i)\n"
    )
    paused_between_steps(pod, server)
    end = time.monotonic() + 2.5
    pod.wait_for(lambda: time.monotonic() > end, "a pause longer than the timeout")
    for step in (1, 2):
        pod.mark(f"go-{step}")
    pod.intend("Running")
    assert pod.wait() == 0, pod.output


# -- suspended by the flow's own code --------------------------------------------------------------------------------

SUSPENDS = (
    "from penstock import suspend_flow_run\n"
    "@flow(**HOOKS)\n{kind}def main():\n    mark('body')\n    ok = {call}suspend_flow_run(wait_for_input=bool, key='approve'{more})\n"
    "    mark('after')\n    return ok\n"
)


def next_attempt(server: PodServer, number: int, **inputs: object) -> None:
    def change(run: dict[str, Any]) -> None:
        del run["status"]["report"]
        run["status"]["attempt"] = {"number": number, "podName": f"etl-7f3c2-{number}"}
        run["status"]["attempts"] = [{"number": number - 1, "state": "Scheduled", "reason": "AwaitingRetry"}]
        run["spec"]["inputs"] = inputs

    server.change(change)


@pytest.mark.parametrize(("kind", "call"), [("", ""), ("async ", "await ")], ids=["sync", "async"])
def test_suspended_by_code_and_resumed_by_another_attempt(
    start: StartPod, server: PodServer, tmp_path: Path, kind: str, call: str
) -> None:
    source = SUSPENDS.format(kind=kind, call=call, more="")
    env = {"PENSTOCK_RESULTS_STORAGE": f"file://{tmp_path}/results"}
    first = start(source, env=env)
    assert first.wait() == 0, first.output
    report = server.report
    assert report is not None
    assert (report["type"], report["pause"]["key"]) == ("Suspended", "approve")
    assert "seen" not in report["pause"]
    assert "schema" in report["pause"]["input"]
    assert not first.has_mark("after")
    assert not {"hook-cancelled", "hook-crashed", "hook-completed"} & {path.name for path in first.marks.iterdir()}

    next_attempt(server, 2, approve="perhaps")
    second = start(source, env={**env, "PENSTOCK_ATTEMPT": "2", "POD_NAME": "etl-7f3c2-2"})
    assert second.wait() == 0, second.output
    report = server.report
    assert report is not None
    assert report["type"] == "Suspended"
    assert len(report["pause"]["seen"]) == 16
    assert report["pause"]["input"]["error"]

    next_attempt(server, 3, approve=True)
    third = start(source, env={**env, "PENSTOCK_ATTEMPT": "3", "POD_NAME": "etl-7f3c2-3"})
    assert third.wait() == 0, third.output
    assert third.has_mark("after")
    assert server.report is not None
    assert (server.report["type"], server.report["result"]["json"]) == ("Completed", "true")


@pytest.mark.parametrize("wanted", ["wait_for_input=bool, ", ""], ids=["for an answer", "for anything"])
def test_a_suspension_that_timed_out_fails(start: StartPod, server: PodServer, tmp_path: Path, wanted: str) -> None:
    """Nobody has let it go on: that its time is over is no consent."""
    source = SUSPENDS.format(kind="", call="", more=", timeout=0.05").replace("wait_for_input=bool, ", wanted)
    env = {"PENSTOCK_RESULTS_STORAGE": f"file://{tmp_path}/results"}
    first = start(source, env=env)
    assert first.wait() == 0, first.output
    assert server.report is not None
    assert server.report["resumeTime"] == server.report["pause"]["deadline"]
    next_attempt(server, 2)
    second = start(source, env={**env, "PENSTOCK_ATTEMPT": "2", "POD_NAME": "etl-7f3c2-2"})
    assert second.wait() == 1, second.output
    assert server.report["error"]["type"].endswith("FlowPauseTimeout")


def test_an_answer_of_the_run_that_is_repeated_is_none(start: StartPod, server: PodServer, tmp_path: Path) -> None:
    """It has the same lineage; an attempt of this run that was lost before has asked nobody."""
    source = SUSPENDS.format(kind="", call="", more="").replace("wait_for_input=bool, ", "")
    env = {"PENSTOCK_RESULTS_STORAGE": f"file://{tmp_path}/results"}
    first = start(source, env=env)
    assert first.wait() == 0, first.output

    def repeat(run: dict[str, Any]) -> None:
        run["metadata"]["uid"] = "another"
        run["status"]["lineage"] = UID

    server.change(repeat)
    next_attempt(server, 2)
    second = start(
        source, env={**env, "PENSTOCK_FLOWRUN_UID": "another", "PENSTOCK_ATTEMPT": "2", "POD_NAME": "etl-7f3c2-2"}
    )
    assert second.wait() == 0, second.output
    assert not second.has_mark("after")
    assert (server.report or {})["type"] == "Suspended"


def test_a_suspension_without_durable_results_is_refused(start: StartPod, server: PodServer) -> None:
    pod = start(SUSPENDS.format(kind="", call="", more=""))
    assert pod.wait() == 1, pod.output
    assert server.report is not None
    assert "PENSTOCK_RESULTS_STORAGE" in server.report["error"]["message"]
