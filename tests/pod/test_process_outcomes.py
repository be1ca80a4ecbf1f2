"""What a flow ends with by itself: reports, exit codes, hooks, children, logs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.pod.conftest import StartPod
from tests.support import pod_server
from tests.support.pod_process import is_alive
from tests.support.pod_server import PodServer
from tests.support.world import until

OUTCOMES: dict[str, tuple[str, int, str, str, str]] = {
    # source of the body: exit code, type, name, and what the message or the error says
    "returns": ("return 3", 0, "Completed", "Completed", ""),
    "raises": ("raise ValueError('bad day')", 1, "Failed", "Failed", "bad day"),
    "returns Failed by a name": (
        "return Failed(name='TooLittle', message='3 rows')",
        1,
        "Failed",
        "TooLittle",
        "3 rows",
    ),
    "returns Completed by a name": ("return Completed(name='Skipped')", 0, "Completed", "Skipped", ""),
    "returns Cancelled": ("return Cancelled(message='not today')", 0, "Cancelled", "Cancelled", "not today"),
    "returns Crashed": ("return Crashed(message='broken')", 70, "Crashed", "Crashed", "broken"),
    "returns Paused": ("return Paused()", 1, "Failed", "Failed", "pause_flow_run"),
    "sys.exit(0)": ("sys.exit(0)", 70, "Crashed", "Crashed", "SystemExit"),
    "sys.exit(3)": ("sys.exit(3)", 70, "Crashed", "Crashed", "SystemExit"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", 70, "Crashed", "Crashed", "KeyboardInterrupt"),
    "times out": ("time.sleep(60)", 1, "Failed", "TimedOut", "0.1"),
}


@pytest.mark.parametrize("kind", ["", "async "], ids=["sync", "async"])
@pytest.mark.parametrize("case", OUTCOMES.values(), ids=OUTCOMES.keys())
def test_an_outcome(start: StartPod, server: PodServer, case: tuple[str, int, str, str, str], kind: str) -> None:
    body, code, type_, name, says = case
    if kind:
        body = body.replace("time.sleep", "await asyncio.sleep")
    timeout = ", timeout_seconds=0.1" if name == "TimedOut" else ""
    pod = start(
        "from penstock.states import Cancelled, Completed, Crashed, Failed, Paused\n"
        f"@flow(**HOOKS{timeout})\n{kind}def main():\n    mark('body')\n    {body}\n"
    )
    assert pod.wait() == code, pod.output
    report = server.report
    assert report is not None
    assert (report["type"], report["name"]) == (type_, name)
    assert says in json.dumps(report)
    assert report["startTime"]
    assert "signal" not in report
    assert "intent" not in report
    hook = {"Completed": "hook-completed", "Failed": "hook-failed", "Crashed": "hook-crashed"}.get(type_)
    if hook is not None and "Paused" not in body:
        assert pod.has_mark(hook)
        assert report["hooks"] == {"ran": [hook.removeprefix("hook-")]}
    assert (pod.termination["type"], pod.termination["exit"]) == (type_, code)
    assert pod.termination["delivered"] is True


def test_an_error_shows_the_users_frames(start: StartPod, server: PodServer) -> None:
    pod = start(
        "class BadRow(ValueError): ...\n"
        "def load():\n    raise BadRow('row 3')\n"
        "@task\ndef read():\n    load()\n"
        "@flow\ndef main():\n    read()\n"
    )
    assert pod.wait() == 1, pod.output
    assert server.report is not None
    error = server.report["error"]
    assert error["type"] == "flow.BadRow"
    assert error["message"] == "row 3"
    assert error["location"].startswith("flow.py:")
    assert error["location"].endswith(" in load")
    frames = [line for line in error["traceback"].splitlines() if line.startswith("  File ")]
    assert frames
    assert all('"flow.py"' in frame for frame in frames), error["traceback"]
    assert "penstock" not in error["traceback"]


@pytest.mark.parametrize(
    ("value", "json_", "type_"),
    [
        ("{'rows': 3}", '{"rows": 3}', "dict"),
        ("'x' * 2000", None, "str"),
        ("object()", None, "object"),
        ("0", "0", "int"),
    ],
)
def test_the_result_is_shown_if_it_is_short(
    start: StartPod, server: PodServer, value: str, json_: str | None, type_: str
) -> None:
    pod = start(f"@flow\ndef main():\n    return {value}\n")
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["result"].get("json") == json_
    assert server.report["result"]["type"] == type_


def test_previews_can_be_switched_off(start: StartPod, server: PodServer) -> None:
    pod = start("@flow\ndef main():\n    return 'secret'\n", env={"PENSTOCK_RESULTS_PREVIEW": "Never"})
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["result"] == {"type": "str", "size": "6 B", "kept": False}


def test_a_persisted_result_has_its_location(start: StartPod, server: PodServer, tmp_path: Path) -> None:
    pod = start(
        "@flow(persist_result=True)\ndef main():\n    return {'rows': 3}\n",
        env={"PENSTOCK_RESULTS_STORAGE": f"file://{tmp_path}/results"},
    )
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    result = server.report["result"]
    assert (result["json"], result["type"]) == ('{"rows": 3}', "dict")
    assert Path(result["location"].removeprefix("file://")).exists()


def test_a_result_that_is_gone_with_the_pod_has_no_location(start: StartPod, server: PodServer, tmp_path: Path) -> None:
    pod = start(
        "from marks import wait_for\n"
        "@task\ndef one():\n    return 1\n\n\n"
        "@flow(persist_result=True)\ndef main():\n    one()\n    wait_for('go')\n    return ['x'] * 2000\n",
        env={
            "PENSTOCK_RESULTS_STORAGE": f"file://{tmp_path}/results",
            "PENSTOCK_LASTING_PATHS": "/mnt/elsewhere",
            "PENSTOCK_POD_PROGRESS_SECONDS": "0.2",
        },
    )
    # While it runs the operator is told what only the code says: that results are to be persisted, and where that is lost.
    until("it is told", lambda: f"{tmp_path}/results" in (server.report or {}).get("notDurable", ""))
    assert (server.report or {})["type"] == "Running"
    pod.mark("go")
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    result = server.report["result"]
    assert (result["type"], result["kept"], "location" in result, "json" in result) == ("list", False, False, False)
    assert f"results are persisted to {tmp_path}/results, which is gone with this pod" in server.report["message"]
    assert pod.output.count("which is gone with this pod") == 1, pod.output
    assert pod.output.count("is not kept") == 1, pod.output


def test_a_store_that_takes_nothing_is_told_with_the_outcome(
    start: StartPod, server: PodServer, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("a folder cannot be made below it")
    pod = start(
        "@task\ndef one():\n    return 1\n\n\n@flow(persist_result=True)\ndef main():\n    return one()\n",
        env={"PENSTOCK_RESULTS_STORAGE": f"file://{tmp_path}/file/results"},
    )
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert "2 results were not persisted (one:0: " in server.report["message"]
    assert server.report["result"] == {"json": "1", "type": "int", "kept": True}


def test_hooks_run_after_the_outcome_was_reported(start: StartPod, server: PodServer) -> None:
    pod = start(
        "from marks import wait_for\n"
        "def slow(flow, flow_run, state):\n    mark('hook')\n    wait_for('go')\n"
        "def bad(flow, flow_run, state):\n    raise ValueError\n"
        "@flow(on_completion=[slow, bad])\ndef main():\n    return 1\n"
    )
    pod.marked("hook")
    first = server.wait_report("Completed")
    assert first["ending"] is True
    assert first["result"]["json"] == "1"
    pod.mark("go")
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["hooks"] == {"ran": ["slow"], "failed": ["bad"]}
    assert "ending" not in server.report


def test_an_outage_at_the_end_delays_the_exit_not_the_outcome(start: StartPod, server: PodServer) -> None:
    pod = start("@flow\ndef main():\n    from marks import wait_for\n    mark('body')\n    wait_for('go')\n")
    pod.marked("body")
    server.always(pod_server.LOST_REQUEST)
    sent = len(server.requests)
    pod.mark("go")
    server.wait(lambda: len(server.requests) > sent + 2)
    server.always(None)
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["type"] == "Completed"


def test_an_outage_that_lasts_leaves_the_outcome_to_the_termination_message(start: StartPod, server: PodServer) -> None:
    pod = start(
        "@flow\ndef main():\n    from marks import wait_for\n    mark('body')\n    wait_for('go')\n    return 3\n",
        env={"PENSTOCK_POD_REPORT_TIMEOUT_SECONDS": "0.3"},
    )
    pod.marked("body")
    server.always(pod_server.UNAVAILABLE)
    pod.mark("go")
    assert pod.wait() == 0, pod.output
    assert (pod.termination["type"], pod.termination["delivered"]) == ("Completed", False)
    assert pod.termination["result"]["json"] == "3"


def test_superseded_at_the_end(start: StartPod, server: PodServer) -> None:
    pod = start("@flow\ndef main():\n    from marks import wait_for\n    mark('body')\n    wait_for('go')\n")
    pod.marked("body")
    server.change(lambda run: run["status"].update(report={"type": "Running", "instance": "another"}))
    pod.mark("go")
    assert pod.wait() == 77, pod.output
    assert pod.termination["type"] == "Superseded"


@pytest.mark.parametrize(
    "body",
    ["os._exit(3)", "import signal; os.kill(os.getpid(), signal.SIGKILL)", "import ctypes; ctypes.string_at(0)"],
    ids=["_exit", "SIGKILL", "segfault"],
)
def test_a_death_leaves_the_message_that_says_running(start: StartPod, server: PodServer, body: str) -> None:
    pod = start(f"@flow(**HOOKS)\ndef main():\n    {body}\n")
    assert pod.wait() in (3, -9, -11)
    assert pod.termination["type"] == "Running"
    assert server.report is not None
    assert server.report["type"] == "Running"
    assert not pod.has_mark("hook-crashed")


def test_children_that_are_left_are_ended(start: StartPod, server: PodServer) -> None:
    pod = start(
        "import subprocess\n@flow\ndef main():\n"
        "    child = subprocess.Popen(['sh', '-c', 'sleep 100 & sleep 100'])\n    mark('child', child.pid)\n"
    )
    assert pod.wait() == 0, pod.output
    assert not is_alive(int(pod.marked("child")))


def test_multiprocessing_leaves_without_a_wait(start: StartPod, server: PodServer) -> None:
    """Its resource tracker ignores SIGTERM."""
    pod = start(
        "import multiprocessing\n@flow\ndef main():\n"
        "    context = multiprocessing.get_context('spawn')\n    lock = context.Semaphore(1)\n"
        "    process = context.Process(target=print, args=('in the child',))\n    process.start()\n    process.join()\n"
        "    mark('body')\n    return process.exitcode\n"
    )
    pod.marked("body")
    at = time.monotonic()
    assert pod.wait() == 0, pod.output
    assert time.monotonic() - at < pod.at_this_pace(1.5)
    assert "in the child" in pod.stdout
    assert server.report is not None
    assert server.report["result"]["json"] == "0"


def test_atexit_functions_run_and_threads_do_not_hold_the_process(start: StartPod, server: PodServer) -> None:
    pod = start(
        "import atexit\natexit.register(mark, 'atexit')\n@flow\ndef main():\n"
        "    threading.Thread(target=time.sleep, args=(100,), name='forgotten').start()\n"
    )
    assert pod.wait() == 0, pod.output
    assert pod.has_mark("atexit")
    assert any("forgotten" in line["msg"] for line in pod.lines)


def test_prints_pass_through_and_records_are_lines_of_json(start: StartPod, server: PodServer) -> None:
    pod = start(
        "import logging\n@flow\ndef main():\n    print('plain')\n    get_run_logger().info('told %s', 3)\n"
        "    logging.getLogger('mine').warning('mine')\n    read()\n@task\ndef read():\n    get_run_logger().info('in it')\n",
        env={"NODE_NAME": "n-1"},
    )
    assert pod.wait() == 0, pod.output
    assert "plain" in pod.stdout.splitlines()
    by_message: dict[str, dict[str, Any]] = {line["msg"]: line for line in pod.lines}
    told = by_message["told 3"]
    assert (told["run"], told["namespace"], told["attempt"], told["flow"]) == ("etl", "team-a", 1, "main")
    assert (told["pod"], told["node"]) == ("etl-7f3c2-1", "n-1")
    assert "podUid" not in told
    assert told["level"] == "INFO"
    assert by_message["mine"]["logger"] == "mine"
    assert by_message["in it"]["task"].startswith("read")


def test_state_changes_are_lines_of_json(start: StartPod, server: PodServer) -> None:
    pod = start("@task\ndef read():\n    return 1\n@flow\ndef main():\n    read()\n")
    assert pod.wait() == 0, pod.output
    states = [line for line in pod.lines if line.get("event") == "state"]
    flow_states = [(line["from"], line["to"]) for line in states if "address" not in line]
    task_states = [(line["from"], line["to"]) for line in states if line.get("address") == "read:0"]
    assert flow_states == [(None, "PENDING"), ("PENDING", "RUNNING"), ("RUNNING", "COMPLETED")]
    assert task_states == flow_states
    last = states[-1]
    assert last["durationMs"] > 0
    assert (last["name"], last["tries"]) == ("Completed", 1)


def test_progress_is_reported_while_it_changes(start: StartPod, server: PodServer) -> None:
    pod = start(
        "from marks import wait_for\n@task\ndef step(i):\n    if i == 2:\n        mark('third')\n        wait_for('go')\n"
        "@flow\ndef main():\n    for i in range(3):\n        step(i)\n",
        env={"PENSTOCK_POD_PROGRESS_SECONDS": "0.05"},
    )
    pod.marked("third")

    def told() -> Any:
        found = (server.report or {}).get("progress", {})
        return found if (found.get("completed"), found.get("running")) == (2, 1) else None

    progress = server.wait(told)
    assert progress == {
        "total": 3, "running": 1, "completed": 2, "failed": 0, "cached": 0, "summary": "2 done", "activity": "step:2",
    }  # fmt: skip
    pod.mark("go")
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["progress"]["summary"] == "3 done"
    longest, *others = (row["address"] for row in server.report["tasks"]["runs"])
    assert (longest, sorted(others)) == ("step:2", ["step:0", "step:1"])
    assert "tasks" not in pod.termination


def test_the_beat(start: StartPod, server: PodServer) -> None:
    pod = start("@flow\ndef main():\n    from marks import wait_for\n    mark('body')\n    wait_for('go')\n")
    beat = pod.run_dir / "beat"
    pod.wait_for(lambda: beat.exists() and beat.read_text().endswith("\n"), "beat")
    pid, monotonic, cpu = beat.read_text().split()
    assert int(pid) == pod.process.pid
    assert int(monotonic) > 0
    assert int(cpu) > 0
    pod.mark("go")
    assert pod.wait() == 0, pod.output
