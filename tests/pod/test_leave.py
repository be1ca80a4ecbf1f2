"""The way out of the process: whatever is in the way, it ends, with its code."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.support.pod_process import ENGINE

OBSTACLES = {
    "nothing": "",
    "logging is half imported": "import types; sys.modules['logging'] = types.ModuleType('logging')",
    "a log handler blocks": (
        "import logging\nclass Slow(logging.Handler):\n    def flush(self): time.sleep(100)\n"
        "logging.getLogger().addHandler(Slow())"
    ),
    "an atexit function blocks": "import atexit; atexit.register(time.sleep, 100)",
    "an atexit function raises": "import atexit; atexit.register(lambda: 1 / 0)",
    "stdout is closed": "sys.stdout.close()",
    "a thread goes on": "import threading; threading.Thread(target=time.sleep, args=(100,)).start()",
    "a child ignores SIGTERM": (
        "import subprocess\nchild = subprocess.Popen(['sh', '-c', 'trap \"\" TERM; echo ready; sleep 100'], stdout=-1)\n"
        "child.stdout.readline()"
    ),
}


@pytest.mark.parametrize("normal", [True, False])
@pytest.mark.parametrize("obstacle", OBSTACLES.values(), ids=OBSTACLES.keys())
def test_leave(obstacle: str, normal: bool) -> None:
    code = (
        "import sys, time\nfrom penstock.pod import leave\nleave.ATEXIT_SECONDS = leave.CHILDREN_SECONDS = 0.3\n"
        f"{obstacle}\nleave.leave(3, normal={normal})"
    )
    begun = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ENGINE)}, capture_output=True, timeout=30
    )
    assert ended.returncode == 3, ended.stderr
    assert time.monotonic() - begun < 5
