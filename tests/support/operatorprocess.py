"""The operator as a user starts it: a process with a kubeconfig, its log, its probes."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import ClassVar

from tests.support.warm import Warm, WarmProcess
from tests.support.world import until

_LIBC = ctypes.CDLL(None)


def _die_with_parent() -> None:
    _LIBC.prctl(1, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class OperatorProcess:
    """One operator, from its construction to `stop` or `kill`."""

    kubeconfig: Path
    folder: Path
    arguments: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | WarmProcess = field(init=False)
    warm: ClassVar[Warm | None] = None  # forks them, where tests are not about their start

    def __post_init__(self) -> None:
        self.log = self.folder / f"operator-{self.port}.log"
        arguments = (f"--health-port={self.port}", "--log-format=json", *self.arguments)
        env = {**os.environ, "KUBECONFIG": str(self.kubeconfig), **self.env}
        with self.log.open("ab") as out:
            if self.warm is not None and self.warm.takes(env):
                self.process = self.warm.start(
                    "penstock_operator", *arguments, cwd=self.folder, env=env, stdout=out, stderr=out, tied=True
                )
                return
            self.process = subprocess.Popen(
                [sys.executable, "-m", "penstock_operator", *arguments],
                stdout=out,
                stderr=out,
                cwd=self.folder,
                env=env,
                preexec_fn=_die_with_parent,
            )

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def ask(self, path: str) -> tuple[int, str]:
        """Ask its health server; code 0: no answer."""
        # Asked again and again: httpx would read all of the machine's authorities each time.
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (HTTPException, OSError):
            return 0, ""
        finally:
            connection.close()

    def metrics(self) -> dict[str, str]:
        """What it counts now, by name with labels. An answer is counted when it has come: later than what it did shows."""
        lines = self.ask("/metrics")[1].splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))

    def ready(self, word: str = "ok", seconds: float = 30) -> OperatorProcess:
        def is_ready() -> bool:
            assert self.process.poll() is None, f"the operator ended with {self.process.returncode}:\n{self.text()}"
            code, text = self.ask("/readyz")
            return code == 200 and word in text

        until(f"the operator is ready ({word}):\n{self.text()}", is_ready, seconds)
        return self

    def says(self, words: str, seconds: float = 20) -> None:
        until(f"the operator says {words!r}", lambda: words in self.text(), seconds)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Ask it to end; return its exit code and how long it took."""
        begun = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(15)
        return code, time.monotonic() - begun
