"""A signal at the moments that a user cannot choose: before anything listens, and while a result is written."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.pod.conftest import StartPod
from tests.support.pod_process import ENGINE, PodProcess
from tests.support.pod_server import PodServer

# Runs before the first statement of the entrypoint, as a slow start of the interpreter would.
STARTING = """
import os
from marks import mark, wait_for
mark("starting", os.readlink("/proc/self"))
wait_for("go")
"""
FLOW = "@flow(**HOOKS)\ndef main():\n    mark('body')\n    return 3\n"
PROCESS_ONE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")


@pytest.fixture
def start_slowly(start: StartPod) -> StartPod:
    """Start pods whose interpreter waits for the mark ``go`` before it runs anything of ours."""

    def begin(**options: object) -> PodProcess:
        pod = start(
            FLOW, files={"work/sitecustomize.py": STARTING}, env={"PYTHONPATH": f"{ENGINE}:."}, **options
        )  # fmt: skip
        pod.marked("starting")
        return pod

    return begin


def test_a_signal_before_anything_listens_kills(start_slowly: StartPod, server: PodServer) -> None:
    pod = start_slowly()
    pod.signal()
    assert pod.wait() == -signal.SIGTERM
    assert server.requests == []
    assert not (pod.folder / "termination-log").exists()


@pytest.mark.parametrize(
    ("intent", "code", "type_", "body"), [("Running", 0, "Completed", True), ("Cancelled", 0, "Cancelled", False)]
)
def test_process_one_loses_a_signal_that_comes_before_anything_listens(
    start_slowly: StartPod, server: PodServer, intent: str, code: int, type_: str, body: bool
) -> None:
    """Then it is as if it never came: the intent decides."""
    if subprocess.run([*PROCESS_ONE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no namespaces for this user")
    pod = start_slowly(within=PROCESS_ONE)
    os.kill(int(pod.marked("starting")), signal.SIGTERM)
    pod.intend(intent)
    pod.mark("go")
    assert pod.wait() == code, pod.output
    report = server.report
    assert report is not None
    assert report["type"] == type_
    assert "signal" not in report
    assert pod.has_mark("body") == body
    assert "hooks" in report or not body


# It goes on once the signal waits for it to end; async code is told by its loop, which waits for it too.
STORAGE = """
from marks import wait_for
from penstock.base.current import current_run
from penstock.interruption.section import current_section

class Slow:
    def __init__(self):
        self.written = {}
    def read_path(self, path):
        return self.written[path]
    def write_path(self, path, content):
        mark('writing')
        wait_for('go')
        while current_run.get().control.cause is None or (IN_BODY and current_section().pending is None):
            time.sleep(0.005)
        self.written[path] = content
        mark('written')
"""


@pytest.mark.parametrize("kind", ["", "async "], ids=["sync", "async"])
def test_a_result_that_is_being_written_is_not_torn(start: StartPod, server: PodServer, kind: str) -> None:
    pod = start(f"IN_BODY = False\n{STORAGE}\n@flow(result_storage=Slow(), **HOOKS)\n{kind}def main():\n    return 3\n")
    pod.marked("writing")
    pod.signal()
    assert server.wait_report("Interrupted")["ending"] is True
    pod.mark("go")
    assert pod.wait() == 0, pod.output
    assert pod.has_mark("written")
    report = server.report
    assert report is not None
    assert (report["type"], report["hooks"]) == ("Completed", {"ran": ["completed"]})


BLOCKS = {
    "sync": "def main():\n    with transaction():\n        work()\n    mark('after')\n    return 4\n",
    "async": "async def main():\n    async with atransaction():\n        work()\n    mark('after')\n    return 4\n",
}


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_transaction_that_is_being_committed_is_not_torn(start: StartPod, server: PodServer, kind: str) -> None:
    """The body goes on only until the commit is done."""
    pod = start(
        f"IN_BODY = {kind == 'sync'}\n{STORAGE}\nfrom penstock.transactions import atransaction, transaction\n"
        "@task(persist_result=True, result_storage=Slow())\ndef work():\n    return 3\n"
        f"@work.on_rollback\ndef undo(txn):\n    mark('undone')\n@flow(**HOOKS)\n{BLOCKS[kind]}"
    )
    pod.marked("writing")
    pod.signal()
    assert server.wait_report("Interrupted")["ending"] is True
    pod.mark("go")
    assert pod.wait() == (143 if kind == "sync" else 0), pod.output
    assert pod.has_mark("after") == (kind == "async")  # async code hears of it at its next await: there is none
    assert pod.has_mark("written")
    assert not pod.has_mark("undone")
