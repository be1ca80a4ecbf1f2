"""``python -m penstock.pod`` as a real process, against the fake API server.

Flows mark their steps by files (``from marks import mark``), so that a test waits for the step, not for a time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shutil import copyfileobj
from typing import Any, Self

from tests.support.pod_server import NAMESPACE, POD_NAME, RUN, UID, PodServer
from tests.support.warm import Warm, WarmProcess

ENGINE = Path(__file__).parents[2] / "engine"
DEADLINE = 20.0
START_SECONDS, WARM_START_SECONDS = 0.4, 0.2
"""From the start of a pod to its first mark, on a free machine."""

INTERPRETER = {
    name: value
    for name, value in {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ENGINE),
        "PYTHONDONTWRITEBYTECODE": os.environ.get("PYTHONDONTWRITEBYTECODE"),
    }.items()
    if value is not None
}
"""The variables of every pod that Python reads at its start."""

PRELUDE = """
import asyncio, os, sys, threading, time
from penstock import flow, task, get_run_logger
from marks import mark

def cancelled(flow, flow_run, state):
    mark("hook-thread", threading.current_thread().name)
    mark("hook-cancelled", state.name)

def crashed(flow, flow_run, state):
    mark("hook-thread", threading.current_thread().name)
    mark("hook-crashed", state.name)

def completed(flow, flow_run, state):
    mark("hook-completed", state.name)

def failed(flow, flow_run, state):
    mark("hook-failed", state.name)

HOOKS = dict(on_cancellation=[cancelled], on_crashed=[crashed], on_completion=[completed], on_failure=[failed])
"""

MARKS = """
import os, pathlib
FOLDER = pathlib.Path(os.environ["MARKS"])

def mark(name, text=""):
    new = FOLDER / (name + ".new")
    new.write_text(str(text))
    new.rename(FOLDER / name)

def wait_for(name, seconds=20):
    import time
    end = time.monotonic() + seconds
    while not (FOLDER / name).exists():
        assert time.monotonic() < end, f"no mark {name}"
        time.sleep(0.005)
"""


class PodProcess:
    """One pod; a context manager that leaves no process behind.

    Args:
        folder: Everything of it is in there.
        server: The API server.
        source: The flow's file, ``flow.py``; None: none is mounted.
        env: Variables over the usual ones; None takes one away.
        entrypoint: ``PENSTOCK_ENTRYPOINT``.
        intent: What the intent file says at first; None: there is no file.
        prelude: Put the imports and hooks that the sources use before the source.
        files: More files, by path in the folder: ``source/flow.json``, ``work/helpers.py``.
        within: Command that runs the pod's, as ``unshare`` does in namespaces of its own.
        piped: Its stdout is a pipe, as a kubelet's is, and not a file.
        errors_too: Its stderr goes where its stdout goes.
        warm: Forks it, where nothing of the above makes its start another one; None: it is started by itself.
    """

    def __init__(
        self,
        folder: Path,
        server: PodServer,
        source: str | None = None,
        *,
        env: Mapping[str, str | None] | None = None,
        entrypoint: str | None = "flow.py:main",
        intent: str | None = "Running",
        prelude: bool = True,
        files: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
        piped: bool = False,
        errors_too: bool = False,
        warm: Warm | None = None,
    ) -> None:
        self._within = within
        self._piped = piped
        self._errors_too = errors_too
        self._warm = None if within or piped or errors_too else warm
        self._copying: threading.Thread | None = None
        self.folder = folder
        self.marks = folder / "marks"
        self.source_dir = folder / "source"
        self.work_dir = folder / "work"
        self.run_dir = folder / "run"
        for made in (self.marks, self.work_dir, folder / "home"):
            made.mkdir()
        (self.work_dir / "marks.py").write_text(MARKS)
        if source is not None:
            # As a kubelet mounts a ConfigMap: links into a folder that is swapped as a whole.
            (self.source_dir / "..2026_11_21").mkdir(parents=True)
            (self.source_dir / "..2026_11_21" / "flow.py").write_text((PRELUDE if prelude else "") + source)
            (self.source_dir / "..data").symlink_to("..2026_11_21")
            (self.source_dir / "flow.py").symlink_to("..data/flow.py")
        for path, text in (files or {}).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        (folder / "token").write_text("token")
        self.intent_file = folder / "intent"
        if intent is not None:
            self.intend(intent)
        given: dict[str, str | None] = {
            **INTERPRETER,
            "HOME": str(folder / "home"),
            "MARKS": str(self.marks),
            "PENSTOCK_NAMESPACE": NAMESPACE,
            "PENSTOCK_FLOWRUN": RUN,
            "PENSTOCK_FLOWRUN_UID": UID,
            "PENSTOCK_ATTEMPT": "1",
            "POD_NAME": POD_NAME,
            "PENSTOCK_ENTRYPOINT": entrypoint,
            "PENSTOCK_SOURCE_DIR": str(self.source_dir),
            "PENSTOCK_GRACE_SECONDS": "20",
            "PENSTOCK_INTENT_FILE": str(self.intent_file),
            "PENSTOCK_API_SERVER": server.url,
            "PENSTOCK_TOKEN_FILE": str(folder / "token"),
            "PENSTOCK_TERMINATION_LOG": str(folder / "termination-log"),
            "PENSTOCK_RUN_DIR": str(self.run_dir),
            "PENSTOCK_POD_INTENT_POLL_SECONDS": "0.02",
            **(env or {}),
        }
        self._env = {name: value for name, value in given.items() if value is not None}
        if self._warm is not None and not self._warm.takes(self._env):
            self._warm = None
        self._process: subprocess.Popen[bytes] | WarmProcess | None = None
        self._began = 0.0
        self._started_after: float | None = None
        self.started_at = 0.0

    def __enter__(self) -> Self:
        with open(self.folder / "stdout", "wb") as out, open(self.folder / "stderr", "wb") as err:
            self.started_at = time.monotonic()
            self._began = time.monotonic()
            if self._warm is not None:
                self._process = self._warm.start(
                    "penstock.pod", cwd=self.work_dir, env=self._env, stdout=out, stderr=err
                )
                return self
            self._process = subprocess.Popen(
                [*self._within, sys.executable, "-m", "penstock.pod"],
                cwd=self.work_dir,
                env=self._env,
                stdout=subprocess.PIPE if self._piped else out,
                stderr=subprocess.STDOUT if self._errors_too else err,
            )
        if self._process.stdout is not None:
            self._copying = threading.Thread(target=self._copy)
            self._copying.start()
        return self

    def __exit__(self, *args: object) -> None:
        process = self.process
        if process.poll() is None:
            process.kill()
        process.wait()
        self._copied()

    @property
    def process(self) -> subprocess.Popen[bytes] | WarmProcess:
        assert self._process is not None
        return self._process

    # -- what the test does ----------------------------------------------------------------------------------------

    def at_this_pace(self, seconds: float) -> float:
        """What so many seconds of a free machine are on this one, by the clock that this pod's own start is."""
        assert self._started_after is not None, "it has not set a mark yet"
        usual = START_SECONDS if self._warm is None else WARM_START_SECONDS
        return seconds * max(1.0, self._started_after / usual)

    def intend(self, word: str) -> None:
        """Write the intent file, as a whole."""
        new = self.folder / "intent.new"
        new.write_text(word)
        new.rename(self.intent_file)

    def signal(self, number: int = signal.SIGTERM) -> float:
        """Send a signal; gives when, on the monotonic clock."""
        at = time.monotonic()
        self.process.send_signal(number)
        return at

    def mark(self, name: str) -> None:
        """Set a mark that the flow waits for."""
        (self.marks / name).write_text("")

    # -- what the test sees ----------------------------------------------------------------------------------------

    def marked(self, name: str, seconds: float = DEADLINE) -> str:
        """Wait for a mark of the flow; gives its text."""
        path = self.marks / name
        self.wait_for(path.exists, f"mark {name}", seconds)
        if self._started_after is None:
            self._started_after = time.monotonic() - self._began
        return path.read_text()

    def has_mark(self, name: str) -> bool:
        return (self.marks / name).exists()

    def wait_for(self, ready: Callable[[], Any], what: str, seconds: float = DEADLINE) -> None:
        """Wait for something; fails with the process's output when it ends first, or in time."""
        end, pause = time.monotonic() + seconds, 0.002
        while not ready():
            ended = self.process.poll()
            if ended is not None and not ready():
                raise AssertionError(f"no {what}: the pod ended with {ended}\n{self.output}")
            assert time.monotonic() < end, f"no {what} within {seconds} s\n{self.output}"
            time.sleep(pause)
            pause = min(pause * 1.1, 0.02)

    def wait(self, seconds: float = DEADLINE) -> int:
        """Wait for the end; gives the exit code."""
        try:
            code = self.process.wait(seconds)
            self._copied()
            return code
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the pod did not end within {seconds} s\n{self.output}") from None

    def _copy(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as source, open(self.folder / "stdout", "wb", buffering=0) as target:
            copyfileobj(source, target)

    def _copied(self) -> None:
        if self._copying is not None:
            self._copying.join(DEADLINE)

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout").read_text(errors="replace")

    @property
    def stdout_bytes(self) -> bytes:
        return (self.folder / "stdout").read_bytes()

    @property
    def output(self) -> str:
        return f"stdout:\n{self.stdout}\nstderr:\n{(self.folder / 'stderr').read_text()}"

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of stdout that are JSON objects."""
        return [json.loads(line) for line in self.stdout.splitlines() if line.startswith("{")]

    @property
    def termination(self) -> dict[str, Any]:
        """The termination message."""
        content = (self.folder / "termination-log").read_bytes()
        assert len(content) <= 4096
        message: dict[str, Any] = json.loads(content)
        return message


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie that its new parent has not collected does not."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
