"""Flows in a process of their own; what a bare process shows."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import os, signal, sys
from penstock import flow, runtime, tags
from penstock.context import TagsContext, serialize_context
from penstock.flow_engine import run_flow_in_subprocess

@flow
def child(how: str):
    around = sorted(TagsContext.get().current_tags), dict(runtime.flow_run.context)
    print("child", how, os.environ.get("EXTRA"), *around, flush=True)
    if how == "fail":
        raise ValueError("in the child")
    if how == "exit":
        sys.exit(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)

@flow
def parent(how: str):
    with tags("here"):
        around = serialize_context() if how == "ok" else {"own": 1}
    process = run_flow_in_subprocess(child, parameters={"how": how}, env={"EXTRA": "x"}, context=around)
    process.join()
    print("code", process.exitcode, flush=True)

if __name__ == "__main__":
    parent(sys.argv[1])
"""


@pytest.mark.parametrize(("how", "code"), [("ok", 0), ("fail", 1), ("exit", 70), ("kill", -9)])
def test_exit_codes_of_a_subprocess(tmp_path: Path, how: str, code: int) -> None:
    file = tmp_path / "script.py"
    file.write_text(SCRIPT)
    done = subprocess.run([sys.executable, str(file), how], capture_output=True, text=True, check=True, timeout=60)
    around = "['here'] {}" if how == "ok" else "[] {'own': 1}"
    assert done.stdout.splitlines() == [f"child {how} x {around}", f"code {code}"]


def test_a_bare_process_shows_lines_on_stderr() -> None:
    code = "from penstock import flow\n@flow(flow_run_name='r')\ndef f(): pass\nf()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == ""
    assert "| INFO    | Flow run 'r' - Beginning flow run 'r' for flow 'f'" in done.stderr
    assert "Flow run 'r' - Finished in state Completed()" in done.stderr


def test_a_configured_process_is_left_alone() -> None:
    code = (
        "import logging\nlogging.basicConfig(format='mine %(message)s', level='INFO')\n"
        "from penstock import flow\n@flow\ndef f(): pass\nf()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "mine Finished in state Completed()" in done.stderr
    assert "| INFO" not in done.stderr
