"""Children of user code in a plain process: default signals, and an end of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[2] / "engine"
POOL = """
import multiprocessing as mp, os, time
from penstock import flow, task
def slow(x):
    open(os.environ["MARK"] + str(x), "w").close()
    time.sleep(100)
def pooled():
    with mp.get_context("{method}").Pool(2) as pool:
        workers = list(pool._pool)
        pool.map_async(slow, [1, 2])
        while not all(os.path.exists(os.environ["MARK"] + job) for job in "12"):
            time.sleep(0.01)
    return [worker.exitcode for worker in workers]
@task
def busy():
    return pooled()
@flow{options}
def main():
    return {body}
if __name__ == "__main__":
    print(main())
"""
FORK = """
import os, sys
from penstock import flow, task
def fork():
    pid = os.fork()
    if pid == 0:
        {leave}
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
@task
def work():
    return fork()
def hook(flow, flow_run, state):
    print("hook", state.name)
@flow(retries=1, on_completion=[hook], on_failure=[hook], on_crashed=[hook])
def main():
    return {body}
print(main())
"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(code)
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ENGINE), "HOME": str(folder), "MARK": str(folder / "mark")}
    return subprocess.run(
        [sys.executable, "script.py"], cwd=folder, env=environ, capture_output=True, text=True, timeout=60
    )


SUBMITTED = "busy.submit().result()"


@pytest.mark.parametrize(
    ("method", "body", "options"),
    [
        ("fork", SUBMITTED, ""),
        ("forkserver", SUBMITTED, ""),
        ("spawn", SUBMITTED, ""),
        ("fork", "busy()", ""),
        ("fork", "pooled()", ""),
        ("fork", "pooled()", "(timeout_seconds=60)"),
    ],
)
def test_workers_of_a_pool_are_ended_by_its_signal(tmp_path: Path, method: str, body: str, options: str) -> None:
    ended = run(POOL.format(method=method, body=body, options=options), tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "[-15, -15]\n"), ended.stderr
    assert "Traceback" not in ended.stderr


TIMED = "work.with_options(timeout_seconds=60).submit().result()"


@pytest.mark.parametrize("body", ["fork()", "work()", "work.submit().result()", TIMED])
@pytest.mark.parametrize(
    ("leave", "code"), [("sys.exit(7)", 7), ("sys.exit('no more')", 1), ("raise ValueError('mine')", 1), ("return", 0)]
)
def test_a_child_ends_where_user_code_ends(tmp_path: Path, body: str, leave: str, code: int) -> None:
    ended = run(FORK.format(body=body, leave=leave), tmp_path)
    assert (ended.returncode, ended.stdout) == (0, f"hook Completed\n{code}\n"), ended.stderr
    assert ended.stderr.count("Finished in state Completed()") == (1 if body == "fork()" else 2)
    assert ("ValueError: mine" in ended.stderr) == ("mine" in leave)


IDS = """
import os
from penstock.base.marks import new_id_text
new_id_text()
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, new_id_text().encode())
    os._exit(0)
mine = {new_id_text() for _ in range(1000)}
print(len(mine), os.read(read, 36).decode() in mine)
"""


def test_a_child_has_ids_of_its_own(tmp_path: Path) -> None:
    ended = run(IDS, tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "1000 False\n"), ended.stderr
