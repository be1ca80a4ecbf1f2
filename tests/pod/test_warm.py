"""A pod that is forked from a warm interpreter is what `python -m` makes of it; else the tests that start theirs so would show nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pod_process import INTERPRETER, is_alive
from tests.support.warm import Warm
from tests.support.world import PATIENCE, until

SHOWS = """
import json, locale, os, signal, sys, threading
print(json.dumps({
    "path": sys.path, "argv": sys.argv, "orig_argv": sys.orig_argv, "flags": list(sys.flags), "environ": dict(os.environ), "cwd": os.getcwd(),
    "main": sorted(name for name in vars(sys.modules["__main__"])), "file": __file__, "spec": __spec__.name, "package": __package__,
    "streams": [[s.encoding, s.errors, s.line_buffering, s.write_through, s.fileno()] for s in (sys.stdout, sys.stderr)],
    "descriptors": sorted(os.listdir("/proc/self/fd")), "umask": os.umask(0), "threads": threading.active_count(),
    "signals": {n: str(signal.getsignal(n)) for n in sorted(signal.valid_signals()) if n not in (9, 19)},
    "masked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "ours": [name for name in sys.modules if name.split(".")[0] in ("tests", "penstock")],
    "group": os.getpgrp(), "session": os.getsid(0), "recursion": sys.getrecursionlimit(), "locale": locale.setlocale(locale.LC_ALL),
}))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shows.py").write_text(SHOWS)
    (tmp_path / "ends.py").write_text(
        "import os, signal, sys\n"
        "how = os.environ['HOW']\n"
        "if how == 'raises': raise ValueError('told')\n"
        "if how == 'is killed': os.kill(os.getpid(), signal.SIGKILL)\n"
        "if how == 'exits': sys.exit(3)\n"
        "if how == 'leaves at once': os._exit(4)\n"
    )
    return tmp_path


def run(folder: Path, module: str, warm: Warm | None, **env: str) -> tuple[int, str, str]:
    """Run a module of the folder; gives how it ended, and what it wrote."""
    env = {**INTERPRETER, **env}
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        if warm is None:
            code = subprocess.run(
                [sys.executable, "-m", module, "one", "--two"], cwd=folder, env=env, stdout=out, stderr=err, check=False
            ).returncode
        else:
            code = warm.start(module, "one", "--two", cwd=folder, env=env, stdout=out, stderr=err).wait(PATIENCE)
    return code, (folder / "out").read_text(), (folder / "err").read_text()


def test_it_finds_itself_as_if_started_by_itself(folder: Path, warm_interpreter: Warm) -> None:
    (cold, text, _), (warm, other, _) = (run(folder, "shows", each, A="b") for each in (None, warm_interpreter))
    assert (cold, warm) == (0, 0)
    assert json.loads(other) == json.loads(text)


@pytest.mark.parametrize(
    ("how", "code", "says"),
    [
        ("comes to its end", 0, ""),
        ("raises", 1, "ValueError: told"),
        ("is killed", -signal.SIGKILL, ""),
        ("exits", 3, ""),
        ("leaves at once", 4, ""),
    ],
)
def test_it_ends_as_if_started_by_itself(folder: Path, warm_interpreter: Warm, how: str, code: int, says: str) -> None:
    for each in (None, warm_interpreter):
        found, _, errors = run(folder, "ends", each, HOW=how)
        assert found == code
        assert says in errors


def test_its_number_is_nobody_elses_until_its_asker_knows(folder: Path, warm_interpreter: Warm) -> None:
    """It stays a zombie, as a child of one's own does: no signal goes astray."""
    with (folder / "out").open("wb") as out:
        one = warm_interpreter.start("ends", cwd=folder, env={**INTERPRETER, "HOW": "exits"}, stdout=out, stderr=out)
    until("it has ended", lambda: not is_alive(one.pid))
    assert Path(f"/proc/{one.pid}").exists()
    assert one.wait(PATIENCE) == 3
    one.send_signal(signal.SIGTERM)
    until("it is gone", lambda: not Path(f"/proc/{one.pid}").exists())
    assert one.poll() == 3


def test_what_python_reads_at_its_start_is_the_same_or_it_is_refused(warm_interpreter: Warm) -> None:
    assert warm_interpreter.takes({**INTERPRETER, "HOME": "/elsewhere"})
    for name in ("PYTHONPATH", "PYTHONIOENCODING", "LC_ALL", "TZ"):
        assert not warm_interpreter.takes({**INTERPRETER, name: "another"})
