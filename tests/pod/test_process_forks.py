"""Children of user code in a pod: they end where user code ends, and the run is the parent's."""

from __future__ import annotations

import pytest

from tests.pod.conftest import StartPod
from tests.support.pod_server import PodServer

# Forks, has the child do something, and gives its exit status.
FORK = """
def fork(leave):
    pid = os.fork()
    if pid == 0:
        return leave()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def exits():
    sys.exit(7)

def exits_with_words():
    sys.exit("no more")

def raises():
    raise ValueError("mine")

def returns():
    print("from the child", flush=True)

def lives():
    with open("/proc/self/status") as file:
        found = dict(line.split(":", 1) for line in file)
    assert int(found["SigBlk"], 16) == 0, found["SigBlk"]
    os.kill(os.getpid(), 15)
    time.sleep(100)

@task
def work(leave):
    return fork(leave)

@task
async def awork(leave):
    return fork(leave)
"""
BODIES = {
    "flow": "@flow(retries=1, **HOOKS)\ndef main():\n    return fork({leave})\n",
    "flow with a timeout": "@flow(timeout_seconds=60, **HOOKS)\ndef main():\n    return fork({leave})\n",
    "async flow": "@flow(**HOOKS)\nasync def main():\n    return fork({leave})\n",
    "task": "@flow(**HOOKS)\ndef main():\n    return work({leave})\n",
    "submitted task": "@flow(**HOOKS)\ndef main():\n    return work.submit({leave}).result()\n",
    "async task of a sync flow": "@flow(**HOOKS)\ndef main():\n    return awork({leave})\n",
    "subflow": "@flow\ndef child():\n    return fork({leave})\n@flow(**HOOKS)\ndef main():\n    return child()\n",
}


def check(server: PodServer, want: str) -> None:
    report = server.report
    assert report is not None
    assert (report["type"], report["result"]["json"]) == ("Completed", want)
    assert report["hooks"]["ran"][-1] == "completed"


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize(
    ("leave", "code"), [("exits", 7), ("exits_with_words", 1), ("raises", 1), ("returns", 0), ("lives", -15)]
)
def test_a_forked_child_ends_and_the_run_is_the_parents(
    start: StartPod, server: PodServer, body: str, leave: str, code: int
) -> None:
    pod = start(FORK + body.format(leave=leave))
    assert pod.wait() == 0, pod.output
    check(server, str(code))
    assert [line["to"] for line in pod.lines if line.get("event") == "state" and "address" not in line] == [
        "PENDING", "RUNNING", "COMPLETED",
    ]  # fmt: skip
    assert ("ValueError: mine" in pod.output) == (leave == "raises")
    assert pod.stdout.count("from the child") == (leave == "returns")


@pytest.mark.parametrize(("leave", "code"), [("exits", 7), ("raises", 1), ("returns", 0)])
def test_a_module_that_forks(start: StartPod, server: PodServer, leave: str, code: int) -> None:
    pod = start(f"{FORK}\nfound = fork({leave})\n@flow(**HOOKS)\ndef main():\n    return found\n")
    assert pod.wait() == 0, pod.output
    check(server, str(code))


def test_a_hook_that_forks(start: StartPod, server: PodServer) -> None:
    pod = start(
        f"{FORK}\ndef hook(flow, flow_run, state):\n    mark('hook', fork(exits))\n"
        "@flow(on_running=[hook], **HOOKS)\ndef main():\n    return 3\n"
    )
    assert pod.wait() == 0, pod.output
    assert pod.marked("hook") == "7"
    check(server, "3")


def test_a_child_runs_flows_of_its_own(start: StartPod, server: PodServer) -> None:
    """Also where it submits: the threads of the parent's runner are not in the child."""
    pod = start(
        f"{FORK}\n@task\ndef square(x):\n    return x * x\n@flow\ndef inner():\n    return sum(square.map([1, 2, 3]).result())\n"
        "def runs():\n    mark('inner', inner() + square.submit(1).result() + awork_result())\n    sys.exit(9)\n"
        "@task\nasync def one():\n    await asyncio.sleep(0)\n    return 1\ndef awork_result():\n    return one()\n"
        "@flow(**HOOKS)\ndef main():\n    assert square.submit(2).result() == 4\n    assert one() == 1\n"
        "    return fork(runs), square.submit(3).result(), one()\n"
    )
    assert pod.wait() == 0, pod.output
    assert pod.marked("inner") == "16"
    check(server, "[9, 9, 1]")


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_pool(start: StartPod, server: PodServer, method: str) -> None:
    """Its workers are ended by SIGTERM, which is theirs."""
    pod = start(
        "import multiprocessing\nfrom work import slow\n@task\ndef busy():\n"
        f"    with multiprocessing.get_context('{method}').Pool(2) as pool:\n        workers = list(pool._pool)\n"
        "        pool.map_async(slow, [1, 2])\n        from marks import wait_for\n        wait_for('slow1')\n        wait_for('slow2')\n"
        "    return [worker.exitcode for worker in workers]\n"
        "@flow(**HOOKS)\ndef main():\n    return busy.submit().result()\n",
        files={
            "work/work.py": "import time\nfrom marks import mark\ndef slow(x):\n    mark(f'slow{x}')\n    time.sleep(100)\n"
        },
    )
    assert pod.wait() == 0, pod.output
    check(server, "[-15, -15]")
    assert "Traceback" not in pod.output
