"""A signal, a cancellation, a suspension, at every moment of a pod's life: the table of situations, row by row."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

import pytest

from tests.pod.conftest import StartPod
from tests.support import pod_server
from tests.support.pod_process import PodProcess, is_alive
from tests.support.pod_server import Fault, PodServer


@dataclass(frozen=True)
class Situation:
    """Where the run is when it is asked to stop.

    Attributes:
        id: The row.
        source: The flow; it sets the mark ``body`` when it is there.
        hooks: Whether the flow's hooks run.
        left: Whether the body does not react, and the guard ends the run in its place.
    """

    id: str
    source: str
    hooks: bool = True
    left: bool = False


SITUATIONS = [
    Situation("sync body in a sleep", "@flow(**HOOKS)\ndef main():\n    mark('body')\n    time.sleep(100)\n"),
    Situation(
        "sync body in Python code", "@flow(**HOOKS)\ndef main():\n    mark('body')\n    while True:\n        pass\n"
    ),
    Situation(
        "sync body waits for a lock",
        "@flow(**HOOKS)\ndef main():\n    lock = threading.Lock()\n    lock.acquire()\n    mark('body')\n    lock.acquire()\n",
    ),
    Situation(
        "sync body in a C call",
        "import hashlib\n@flow(**HOOKS)\ndef main():\n    mark('body')\n    hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)\n",
        left=True,
    ),
    Situation("async body", "@flow(**HOOKS)\nasync def main():\n    mark('body')\n    await asyncio.sleep(100)\n"),
    Situation(
        "async body in a C call",
        "import hashlib\n@flow(**HOOKS)\nasync def main():\n    mark('body')\n"
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)\n",
        left=True,
    ),
    Situation(
        "direct task",
        "@task\ndef work():\n    mark('body')\n    time.sleep(100)\n@flow(**HOOKS)\ndef main():\n    work()\n",
    ),
    Situation(
        "subflow",
        "@flow\ndef child():\n    mark('body')\n    time.sleep(100)\n@flow(**HOOKS)\ndef main():\n    child()\n",
    ),
    Situation(
        "submitted tasks in threads",
        "@task\ndef work(i):\n    mark(f'task-{i}')\n    time.sleep(100)\n"
        "@flow(**HOOKS)\ndef main():\n    from marks import wait_for\n    futures = [work.submit(i) for i in range(3)]\n"
        "    for i in range(3):\n        wait_for(f'task-{i}')\n    mark('body')\n    [f.result() for f in futures]\n",
    ),
    Situation(
        "submitted tasks that nobody waits for yet",
        "@task\ndef work():\n    mark('body')\n    time.sleep(100)\n@flow(**HOOKS)\ndef main():\n    work.submit()\n",
    ),
    Situation(
        "retry delay of the flow",
        "@flow(retries=1, retry_delay_seconds=50, **HOOKS)\ndef main():\n    mark('body')\n    raise ValueError\n",
    ),
    Situation(
        "retry delay of a task",
        "@task(retries=1, retry_delay_seconds=50)\ndef work():\n    mark('body')\n    raise ValueError\n"
        "@flow(**HOOKS)\ndef main():\n    work()\n",
    ),
    Situation(
        "generator flow",
        "@flow(**HOOKS)\ndef main():\n    yield 1\n    mark('body')\n    time.sleep(100)\n    yield 2\n",
    ),
    Situation(
        "body swallows the signal and returns",
        "@flow(**HOOKS)\ndef main():\n    mark('body')\n    try:\n        time.sleep(100)\n    except BaseException:\n        return 3\n",
    ),
    Situation(
        "body swallows the signal and raises",
        "@flow(**HOOKS)\ndef main():\n    mark('body')\n    try:\n        time.sleep(100)\n"
        "    except BaseException:\n        raise ValueError('mine')\n",
    ),
    Situation(
        "async body swallows the cancellation",
        "@flow(**HOOKS)\nasync def main():\n    mark('body')\n    try:\n        await asyncio.sleep(100)\n"
        "    except asyncio.CancelledError:\n        return 3\n",
    ),
    Situation(
        "except Exception does not see it",
        "@flow(**HOOKS)\ndef main():\n    mark('body')\n    try:\n        time.sleep(100)\n    except Exception:\n"
        "        mark('seen')\n        time.sleep(100)\n",
    ),
    Situation(
        "process pool",
        "from penstock.task_runners import ProcessPoolTaskRunner\n@task\ndef work():\n    mark('body')\n    time.sleep(100)\n"
        "@flow(task_runner=ProcessPoolTaskRunner(max_workers=1), **HOOKS)\ndef main():\n    work.submit().result()\n",
    ),
    Situation(
        "flow in a subprocess",
        "from penstock.flow_engine import run_flow_in_subprocess\n@flow\ndef child():\n    mark('body')\n    time.sleep(100)\n"
        "@flow(**HOOKS)\ndef main():\n    run_flow_in_subprocess(child).join()\n",
    ),
    Situation(
        "a key function of a task",
        "def key(*_):\n    mark('body')\n    time.sleep(100)\n@task(persist_result=True, cache_key_fn=key)\ndef work(): ...\n"
        "@flow(**HOOKS)\ndef main():\n    work()\n",
    ),
    Situation(
        "a retry condition of a task",
        "def again(*_):\n    mark('body')\n    time.sleep(100)\n@task(retries=1, retry_condition_fn=again)\ndef work():\n"
        "    raise ValueError\n@flow(**HOOKS)\ndef main():\n    work()\n",
    ),
    Situation(
        "a wait in gevent's hub",
        "from gevent import monkey, spawn\nmonkey.patch_all(thread=False)\n@flow(**HOOKS)\ndef main():\n    mark('body')\n"
        "    spawn(time.sleep, 100).join()\n",
    ),
    Situation(
        "a wait in eventlet's hub",
        "import eventlet\neventlet.monkey_patch(thread=False)\n@flow(**HOOKS)\ndef main():\n    eventlet.monkey_patch(time=True)\n"
        "    mark('body')\n    eventlet.spawn(time.sleep, 100).wait()\n",
    ),
    Situation("loading the flow", "mark('body')\ntime.sleep(100)\n@flow(**HOOKS)\ndef main(): ...\n", hooks=False),
]


def check_hook_thread(pod: PodProcess, situation: Situation) -> None:
    """The hooks ran where the body was left; a body that was waited for, and left behind, says so by another thread."""
    if situation.hooks:
        assert pod.marked("hook-thread") == ("penstock-hooks" if situation.left else "MainThread")


def check_cancelled(pod: PodProcess, server: PodServer, situation: Situation, *, signalled: bool) -> None:
    report = server.report
    assert report is not None
    assert (report["type"], report["name"]) == ("Cancelled", "Cancelled")
    assert report["intent"] == "Cancelled"
    assert report.get("signal") == ("SIGTERM" if signalled else None)
    assert (pod.termination["type"], pod.termination["exit"]) == ("Cancelled", 0)
    assert pod.termination["delivered"] is True
    assert pod.has_mark("hook-cancelled") == situation.hooks
    assert report.get("hooks") == ({"ran": ["cancelled"]} if situation.hooks else None)
    assert not pod.has_mark("hook-crashed")
    assert not pod.has_mark("hook-completed")


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.id)
def test_sigterm_without_an_intent(start: StartPod, server: PodServer, situation: Situation) -> None:
    pod = start(situation.source)
    pod.marked("body")
    pod.signal()
    assert pod.wait() == 143, pod.output
    check_hook_thread(pod, situation)
    first, *later = (report for report in server.accepted if report["type"] != "Running")
    assert (first["type"], first["signal"]) == ("Interrupted", "SIGTERM")
    # On a machine too busy to bring it within a second the last word has taken its place.
    assert first.get("ending") or not later
    report = server.report
    assert report is not None
    assert (report["type"], report["name"], report["intent"]) == ("Interrupted", "Interrupted", "Running")
    assert ("startTime" in report) == situation.hooks
    assert pod.has_mark("hook-crashed") == situation.hooks
    assert report.get("hooks") == ({"ran": ["crashed"]} if situation.hooks else None)
    assert not pod.has_mark("hook-cancelled")
    assert not pod.has_mark("seen")
    assert (pod.termination["type"], pod.termination["exit"]) == ("Interrupted", 143)
    assert pod.termination["delivered"] is True
    if "swallows" in situation.id:
        assert "swallowed" in report["message"]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.id)
def test_cancelled_by_the_intent_file(start: StartPod, server: PodServer, situation: Situation) -> None:
    pod = start(situation.source)
    pod.marked("body")
    pod.intend("Cancelled")
    assert pod.wait() == 0, pod.output
    check_hook_thread(pod, situation)
    check_cancelled(pod, server, situation, signalled=False)


@pytest.mark.parametrize(
    "situation", [case for case in SITUATIONS if case.id in ("sync body in a sleep", "async body", "loading the flow")],
    ids=lambda situation: situation.id,
)  # fmt: skip
def test_sigterm_and_the_answer_tells_of_a_cancellation(
    start: StartPod, server: PodServer, situation: Situation
) -> None:
    """A pod that is ending gets no new intent file: the answer of the report tells who asked."""
    pod = start(situation.source)
    pod.marked("body")
    server.change(lambda run: run["spec"].update(desiredState="Cancelled"))
    pod.signal()
    assert pod.wait() == 0, pod.output
    assert "Interrupted" in [report["type"] for report in server.accepted]
    check_cancelled(pod, server, situation, signalled=True)


@pytest.mark.parametrize("kind", ["", "async "], ids=["sync", "async"])
def test_suspended_by_the_intent_file_runs_no_hooks(start: StartPod, server: PodServer, kind: str) -> None:
    sleep = "await asyncio.sleep(100)" if kind else "time.sleep(100)"
    pod = start(
        f"@flow(**HOOKS)\n{kind}def main():\n    mark('body')\n    {sleep}\n",
        env={"PENSTOCK_POD_SUSPEND_WAIT_SECONDS": "0.1"},
    )
    pod.marked("body")
    pod.intend("Suspended")
    assert pod.wait() == 0, pod.output
    report = server.report
    assert report is not None
    assert (report["type"], report["intent"]) == ("Suspended", "Suspended")
    assert "hooks" not in report
    assert not {"hook-cancelled", "hook-crashed"} & {path.name for path in pod.marks.iterdir()}
    assert pod.termination["exit"] == 0


def test_without_hooks_an_ending_is_one_write(start: StartPod, server: PodServer) -> None:
    pod = start("@flow\ndef main():\n    mark('body')\n    time.sleep(100)\n")
    pod.marked("body")
    pod.signal()
    assert pod.wait() == 143, pod.output
    assert [report["type"] for report in server.accepted] == ["Running", "Interrupted"]
    assert pod.termination["delivered"] is True


def test_sigint_is_as_sigterm_with_its_own_code(start: StartPod, server: PodServer) -> None:
    pod = start("@flow(**HOOKS)\ndef main():\n    mark('body')\n    time.sleep(100)\n")
    pod.marked("body")
    pod.signal(signal.SIGINT)
    assert pod.wait() == 130, pod.output
    assert server.report is not None
    assert (server.report["type"], server.report["signal"]) == ("Interrupted", "SIGINT")


# -- the claim is not accepted yet ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("intent", "code", "type_"), [("Running", 143, "Interrupted"), ("Cancelled", 0, "Cancelled")])
def test_before_the_claim_the_outcome_is_claimed(
    start: StartPod, server: PodServer, intent: str, code: int, type_: str
) -> None:
    server.always(pod_server.UNAVAILABLE)
    pod = start("mark('module')\n@flow\ndef main(): ...\n")
    server.wait(lambda: len(server.requests) >= 2)
    server.always(lambda operations: None if operations[-1]["value"]["type"] == type_ else pod_server.UNAVAILABLE)
    pod.intend(intent)
    pod.signal()
    assert pod.wait() == code, pod.output
    (report,) = server.accepted
    assert (report["type"], report["ending"]) == (type_, True)
    assert "startTime" not in report
    assert not pod.has_mark("module")
    assert (pod.termination["type"], pod.termination["exit"]) == (type_, code)


def test_before_the_claim_and_the_server_is_away(start: StartPod, server: PodServer) -> None:
    server.always(pod_server.UNAVAILABLE)
    pod = start("mark('module')\n@flow\ndef main(): ...\n")
    server.wait(lambda: len(server.requests) >= 2)
    pod.signal()
    assert pod.wait() == 143, pod.output
    assert (pod.termination["type"], pod.termination["delivered"]) == ("Interrupted", False)
    assert server.accepted == []


def test_before_the_claim_and_the_server_hangs(start: StartPod, server: PodServer) -> None:
    server.always(Fault(delay=100.0))
    pod = start("mark('module')\n@flow\ndef main(): ...\n")
    server.wait(lambda: server.arrived == 1)
    pod.signal()
    assert pod.wait() == 143, pod.output
    assert server.arrived == 1, "it left before the request was given up, and another one made"
    assert pod.termination["type"] == "Interrupted"


def test_before_the_claim_that_is_refused(start: StartPod, server: PodServer) -> None:
    server.always(pod_server.UNAVAILABLE)
    pod = start("mark('module')\n@flow\ndef main(): ...\n")
    server.wait(lambda: len(server.requests) >= 2)
    server.always(pod_server.DENIED)
    pod.signal()
    assert pod.wait() == 77, pod.output
    assert pod.termination["type"] == "Refused"


# -- it ended by itself, or nearly -----------------------------------------------------------------------------------

SHIELDED = (
    "from penstock.flow_engine import shield\nfrom marks import wait_for\n@flow(**HOOKS)\ndef main():\n"
    "    with shield():\n        mark('body')\n        wait_for('go')\n    {after}\n"
)


def test_a_shielded_block_is_not_torn(start: StartPod, server: PodServer) -> None:
    pod = start(SHIELDED.format(after="time.sleep(100)"))
    pod.marked("body")
    pod.signal()
    assert server.wait_report("Interrupted")["ending"] is True
    pod.mark("go")
    assert pod.wait() == 143, pod.output
    assert pod.has_mark("hook-crashed")


@pytest.mark.parametrize(("intent", "code"), [("Running", 0), ("Cancelled", 0)])
def test_a_body_that_ends_inside_a_shield_keeps_its_outcome(
    start: StartPod, server: PodServer, intent: str, code: int
) -> None:
    pod = start(
        "from penstock.flow_engine import shield\nfrom marks import wait_for\n@flow(**HOOKS)\ndef main():\n"
        "    shield().__enter__()  # and never left: the end of a `with` lets the signal through\n"
        "    mark('body')\n    wait_for('go')\n    return 3\n"
    )
    pod.marked("body")
    pod.intend(intent)
    pod.signal()
    server.wait_report("Cancelled" if intent == "Cancelled" else "Interrupted")
    pod.mark("go")
    assert pod.wait() == code, pod.output
    report = server.report
    assert report is not None
    assert report["type"] == "Completed"
    assert report["result"]["json"] == "3"
    assert report["hooks"] == {"ran": ["completed"]}
    if intent == "Cancelled":
        assert "finished before cancellation" in report["message"]


def test_a_signal_while_the_hooks_run(start: StartPod, server: PodServer) -> None:
    pod = start(
        "from marks import wait_for\ndef slow(flow, flow_run, state):\n    mark('hook')\n    wait_for('go')\n"
        "@flow(on_completion=[slow])\ndef main():\n    return 3\n"
    )
    pod.marked("hook")
    pod.signal()
    server.wait_report("Completed")
    pod.mark("go")
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["type"] == "Completed"
    assert server.report["hooks"] == {"ran": ["slow"]}


def test_a_signal_while_the_last_report_is_under_way(start: StartPod, server: PodServer) -> None:
    pod = start("@flow\ndef main():\n    from marks import wait_for\n    mark('body')\n    wait_for('go')\n")
    pod.marked("body")
    server.always(pod_server.UNAVAILABLE)
    sent = len(server.requests)
    pod.mark("go")
    server.wait(lambda: len(server.requests) > sent + 1)
    pod.signal()
    server.always(None)
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["type"] == "Completed"


def test_a_hook_that_does_not_end_is_left_behind(start: StartPod, server: PodServer) -> None:
    pod = start(
        "def slow(flow, flow_run, state):\n    mark('hook')\n    time.sleep(100)\n"
        "def later(flow, flow_run, state):\n    mark('later')\n"
        "@flow(on_crashed=[slow, later])\ndef main():\n    mark('body')\n    time.sleep(100)\n",
        env={"PENSTOCK_GRACE_SECONDS": "2"},
    )
    pod.marked("body")
    at = pod.signal()
    assert pod.wait() == 143, pod.output
    assert 1.0 < time.monotonic() - at < pod.at_this_pace(2.0)
    assert not pod.has_mark("later")
    assert pod.termination["type"] == "Interrupted"
    assert pod.termination["hooks"] == {"notRun": ["slow", "later"]}
    assert "hooks not run: slow, later" in pod.termination["message"]


def test_finally_blocks_have_the_grace_and_no_more(start: StartPod, server: PodServer) -> None:
    pod = start(
        "@flow(**HOOKS)\ndef main():\n    mark('body')\n    try:\n        time.sleep(100)\n    finally:\n"
        "        mark('finally')\n        time.sleep(100)\n",
        env={"PENSTOCK_GRACE_SECONDS": "2"},
    )
    pod.marked("body")
    at = pod.signal()
    assert pod.wait() == 143, pod.output
    assert time.monotonic() - at < pod.at_this_pace(2.0)
    assert pod.has_mark("finally")
    assert pod.has_mark("hook-crashed"), "half of the grace is kept for the hooks"


# -- the API server, the fence ---------------------------------------------------------------------------------------

SLEEPING = "@flow(**HOOKS)\ndef main():\n    mark('body')\n    time.sleep(100)\n"


@pytest.mark.parametrize(("intent", "code", "type_"), [("Running", 143, "Interrupted"), ("Cancelled", 0, "Cancelled")])
def test_the_api_server_is_away(start: StartPod, server: PodServer, intent: str, code: int, type_: str) -> None:
    pod = start(SLEEPING, env={"PENSTOCK_GRACE_SECONDS": "3"})
    pod.marked("body")
    server.always(pod_server.UNAVAILABLE)
    pod.intend(intent)
    at = pod.signal()
    assert pod.wait() == code, pod.output
    assert time.monotonic() - at < pod.at_this_pace(3.0)
    assert (pod.termination["type"], pod.termination["delivered"]) == (type_, False)
    assert pod.has_mark("hook-cancelled" if intent == "Cancelled" else "hook-crashed")


def test_sigterm_because_the_run_was_deleted(start: StartPod, server: PodServer) -> None:
    pod = start(SLEEPING)
    pod.marked("body")
    server.delete()
    pod.signal()
    assert pod.wait() == 0, pod.output
    assert (pod.termination["type"], pod.termination["delivered"]) == ("Cancelled", False)
    assert pod.has_mark("hook-cancelled")


PROGRESSING = "@task\ndef step():\n    time.sleep(0.01)\n@flow(**HOOKS)\ndef main():\n    mark('body')\n    while True:\n        step()\n"


def test_superseded_during_the_run(start: StartPod, server: PodServer) -> None:
    pod = start(PROGRESSING, env={"PENSTOCK_POD_PROGRESS_SECONDS": "0.05"})
    pod.marked("body")
    server.change(lambda run: run["status"].update(report={"type": "Running", "instance": "another", "time": "x"}))
    assert pod.wait() == 77, pod.output
    assert pod.termination["type"] == "Superseded"
    assert not {"hook-cancelled", "hook-crashed"} & {path.name for path in pod.marks.iterdir()}
    assert server.report is not None
    assert server.report["instance"] == "another"


def test_gone_during_the_run(start: StartPod, server: PodServer) -> None:
    pod = start(PROGRESSING, env={"PENSTOCK_POD_PROGRESS_SECONDS": "0.05"})
    pod.marked("body")
    server.delete()
    assert pod.wait() == 0, pod.output
    assert pod.termination["type"] == "Cancelled"
    assert pod.has_mark("hook-cancelled")


def test_cancelled_by_the_answer_of_a_progress_report(start: StartPod, server: PodServer) -> None:
    """Where there is no intent file (or it is late) the second channel tells."""
    pod = start(PROGRESSING, env={"PENSTOCK_POD_PROGRESS_SECONDS": "0.05"}, intent=None)
    pod.marked("body")
    server.change(lambda run: run["spec"].update(desiredState="Cancelled"))
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["type"] == "Cancelled"


# -- how long --------------------------------------------------------------------------------------------------------


def test_a_second_signal_ends_at_once(start: StartPod, server: PodServer) -> None:
    pod = start(
        "@flow(**HOOKS)\ndef main():\n    mark('body')\n    try:\n        time.sleep(100)\n    finally:\n"
        "        mark('finally')\n        time.sleep(100)\n"
    )
    pod.marked("body")
    pod.signal()
    pod.marked("finally")
    pod.signal()
    assert pod.wait() == 143, pod.output
    assert pod.termination["type"] == "Interrupted"
    assert pod.termination["hooks"] == {"notRun": ["crashed"]}


def test_a_first_signal_during_a_cancellation_only_shortens_it(start: StartPod, server: PodServer) -> None:
    pod = start(
        "from marks import wait_for\n@flow(**HOOKS)\ndef main():\n    mark('body')\n    try:\n        time.sleep(100)\n"
        "    finally:\n        mark('finally')\n        wait_for('go')\n"
    )
    pod.marked("body")
    pod.intend("Cancelled")
    pod.marked("finally")
    pod.signal()
    pod.mark("go")
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["type"] == "Cancelled"
    assert pod.has_mark("hook-cancelled")


@pytest.mark.parametrize("grace", ["0", "1"])
def test_hardly_any_grace(start: StartPod, server: PodServer, grace: str) -> None:
    pod = start(SLEEPING, env={"PENSTOCK_GRACE_SECONDS": grace})
    pod.marked("body")
    pod.signal()
    assert pod.wait() == 143, pod.output
    assert server.report is not None
    assert server.report["type"] == "Interrupted"
    assert pod.termination["type"] == "Interrupted"


def test_an_intent_that_comes_late_still_counts(start: StartPod, server: PodServer) -> None:
    pod = start(
        "from penstock.base.current import current_run\n@flow(**HOOKS)\ndef main():\n    control = current_run.get().control\n"
        "    mark('body')\n    try:\n        time.sleep(100)\n    finally:\n        mark('finally')\n"
        "        while control.cause.kind != 'cancelled':\n            time.sleep(0.005)\n"
    )
    pod.marked("body")
    pod.signal()
    pod.marked("finally")
    pod.intend("Cancelled")
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["type"] == "Cancelled"
    assert pod.has_mark("hook-cancelled")


def test_children_are_ended_with_the_run(start: StartPod, server: PodServer) -> None:
    pod = start(
        "import subprocess\n@flow\ndef main():\n"
        "    child = subprocess.Popen(['sh', '-c', 'trap \"\" TERM; sleep 100 & sleep 100'])\n"
        "    mark('child', child.pid)\n    mark('body')\n    child.wait()\n"
    )
    pod.marked("body")
    pod.signal()
    assert pod.wait() == 143, pod.output
    assert not is_alive(int(pod.marked("child")))


def test_a_signal_to_a_forked_child_is_the_childs(start: StartPod, server: PodServer) -> None:
    """A pool ends its workers by SIGTERM; forked ones share the handlers and the pipe that the guard reads."""
    pod = start(
        "import multiprocessing\ndef square(x):\n    return x * x\n@flow\ndef main():\n"
        "    with multiprocessing.get_context('fork').Pool(2) as pool:\n        found = pool.map(square, [1, 2, 3])\n"
        "    time.sleep(0.3)\n    return found\n"
    )
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["result"]["json"] == "[1, 4, 9]"


def test_a_call_that_keeps_the_interpreter_lock_is_out_of_reach(start: StartPod, server: PodServer) -> None:
    """Nothing in the process can help then; the termination message says Running, and the operator ends it."""
    pod = start("@flow\ndef main():\n    mark('body')\n    sum(range(10**12))\n")
    pod.marked("body")
    pod.signal()
    with pytest.raises(AssertionError, match="did not end"):
        pod.wait(1.0)
    pod.signal(signal.SIGKILL)
    assert pod.wait() == -9
    assert pod.termination["type"] == "Running"


@pytest.mark.parametrize("loop", ["while True: n += 1", "while n >= 0: n += 1", "while True: step()"])
def test_the_finally_around_a_loop_runs(start: StartPod, server: PodServer, loop: str) -> None:
    """Of a loop that is the first thing in its `try`, where Python skips it."""
    pod = start(
        "def step(): pass\n@flow\ndef main():\n    n = 0\n    mark('body')\n"
        f"    try:\n        {loop}\n    finally:\n        mark('left')\n"
    )
    pod.marked("body")
    pod.signal(signal.SIGTERM)
    pod.wait()
    pod.marked("left")
    assert (server.report or {})["type"] == "Interrupted"
