"""Paused and suspended from outside: held before the body and between tasks, resumed, ended while held."""

from __future__ import annotations

import time

import pytest

from tests.pod.conftest import StartPod
from tests.support.pod_process import PodProcess
from tests.support.pod_server import PodServer

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
    # Completed may be told twice: before its hook, and with it.
    assert [report["type"] for report in server.accepted][:4] == ["Running", "Paused", "Running", "Completed"]
    assert server.report is not None
    assert server.report["progress"]["summary"] == "3/3"


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
