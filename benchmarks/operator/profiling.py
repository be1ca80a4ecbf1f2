"""Takes CPU profiles while something is going on: the API server's by its own pprof, the operator's by py-spy, from outside.

Both need a tool that may not be there: `go` reads what the API server gives, `py-spy` (of the extra `test`) samples the operator. What is
missing is said in a word, and the other half goes on. Neighbours: `stacks` reads what comes out, `profile` is the row.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.support.realserver import RealServer

from .stacks import Stack, of_collapsed, of_traces

SLICE_SECONDS = 4  # of the API server's profile: it cannot be ended early
HERTZ = 200
PATIENCE = 60.0


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")


class ServerProfile:
    """The API server's profile, slice by slice, from `begin` to `end`.

    Args:
        server: whose.
        folder: where the slices go; they stay there for `go tool pprof`.
    """

    def __init__(self, server: RealServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._ended = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._take, daemon=True)

    def begin(self) -> None:
        """Begin; what was there before is removed."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._thread.start()

    def end(self) -> list[Stack]:
        """End with the slice that is being taken; return the stacks, none where nobody can read them."""
        self._ended.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        go = shutil.which("go") or next((str(p) for p in [Path("/usr/local/go/bin/go")] if p.exists()), None)
        if go is None:
            _say(f"the API server's profile can't be read: there is no `go` on PATH; its slices are in {self._folder}")
            return []
        slices = sorted(str(path) for path in self._folder.glob("*.pb.gz"))
        done = subprocess.run([go, "tool", "pprof", "-traces", *slices], capture_output=True, text=True, check=False)
        if done.returncode:
            _say(f"go tool pprof does not read {self._folder}: {done.stderr.strip()[-300:]}")
            return []
        return of_traces(done.stdout)

    def _take(self) -> None:
        try:
            with self._server.client(self._server.admin_token) as client:
                number = 0
                while not self._ended.is_set():
                    answer = client.get(f"/debug/pprof/profile?seconds={SLICE_SECONDS}", timeout=PATIENCE)
                    answer.raise_for_status()
                    (self._folder / f"{number:03}.pb.gz").write_bytes(answer.content)
                    number += 1
        except Exception as error:  # noqa: BLE001 - told by `end`
            self._error = error


class OperatorProfile:
    """The operator's stacks, sampled where they hold the interpreter.

    Args:
        pid: of the operator.
        path: where the collapsed stacks go; they stay there for a flame graph.
    """

    def __init__(self, pid: int, path: Path) -> None:
        self._pid = pid
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Begin, if there is who samples."""
        spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
        if spy is None:
            _say("the operator is not profiled: there is no `py-spy`; pip install py-spy")
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        command = [spy, "record", "--gil", "--format=raw", f"--rate={HERTZ}", "--duration=3600", f"--pid={self._pid}"]
        self._process = subprocess.Popen(
            [*command, f"--output={self._path}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def end(self) -> list[Stack]:
        """End; return the stacks, none where there are none."""
        if self._process is None:
            return []
        self._process.send_signal(signal.SIGINT)
        _, said = self._process.communicate(timeout=PATIENCE)
        if not self._path.exists():
            _say(f"py-spy has sampled nothing: {said.decode(errors='replace').strip()[-300:]}")
            return []
        return of_collapsed(self._path.read_text())
