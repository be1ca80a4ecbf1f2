"""Deliberate differences from Prefect 3.9.1 in a pod: what Prefect does is told beside what we do.

The others are in the engine's own table of differences.
"""

from __future__ import annotations

from tests.pod.conftest import StartPod
from tests.support import pod_server
from tests.support.pod_process import is_alive
from tests.support.pod_server import PodServer


def test_b24_prefect_writes_the_state_after_threads_end_we_report_first(start: StartPod, server: PodServer) -> None:
    """Prefect: a submitted task that sleeps 20 s delays the state by as much, and a SIGKILL before leaves Running."""
    pod = start(
        "@task\ndef nap():\n    mark('body')\n    time.sleep(100)\n"
        "@flow(**HOOKS)\ndef main():\n    nap.submit()\n"
    )  # fmt: skip
    pod.marked("body")
    pod.signal()
    # Whoever waited for the thread would wait for longer than this does.
    first = server.wait_report("Interrupted")
    assert pod.wait() == 143, pod.output
    assert first["type"] == "Interrupted"
    assert pod.has_mark("hook-crashed")


def test_b25_prefect_orphans_the_engine_we_are_one_process(start: StartPod, server: PodServer) -> None:
    """Prefect: a supervisor and an engine; the supervisor dies of SIGTERM and the engine goes on. Here: one process."""
    pod = start(
        "import subprocess\n@flow\ndef main():\n    child = subprocess.Popen(['sleep', '100'])\n"
        "    mark('engine', os.getpid())\n    mark('child', child.pid)\n    mark('body')\n    time.sleep(100)\n"
    )
    pod.marked("body")
    assert int(pod.marked("engine")) == pod.process.pid
    pod.signal()
    assert pod.wait() == 143, pod.output
    assert not is_alive(int(pod.marked("child")))


def test_b26_prefect_crashes_without_its_api_our_flows_do_not_notice(start: StartPod, server: PodServer) -> None:
    """Prefect: an API that is away crashes the flow. Here the body goes on, and the report is delivered later."""
    pod = start(
        "from marks import wait_for\n@task\ndef step(x):\n    return x + 1\n"
        "@flow\ndef main():\n    mark('body')\n    wait_for('away')\n    total = sum(step(n) for n in range(3))\n"
        "    mark('worked', total)\n    return total\n"
    )
    pod.marked("body")
    server.always(pod_server.LOST_REQUEST)
    pod.mark("away")
    assert pod.marked("worked") == "6"
    server.always(None)
    assert pod.wait() == 0, pod.output
    assert server.report is not None
    assert server.report["type"] == "Completed"


def test_b27_prefect_lets_a_second_pod_run_our_claim_is_fenced(start: StartPod, server: PodServer) -> None:
    """Prefect: a second pod of a run may enter Running. Here it leaves before any code of the user's."""
    source = "from marks import wait_for\nmark('module')\n@flow\ndef main():\n    mark('body')\n    wait_for('go')\n"
    first = start(source)
    first.marked("body")
    second = start(source)
    assert second.wait() == 77, second.output
    assert not second.has_mark("module")
    assert second.termination["type"] == "Refused"
    first.mark("go")
    assert first.wait() == 0, first.output
