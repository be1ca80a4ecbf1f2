"""Processes of Python that begin at once: forks of an interpreter that has imported already what is not ours.

For the many tests of what a pod or an operator does once it runs: half of a pod's CPU is the start of Python and such imports. What those
find after it is the same; how a process starts, and what may happen meanwhile, is tested with processes that are started by themselves.
Neighbour: `warm_server` is the interpreter.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.support.cluster import die_with_parent

ROOT = Path(__file__).parents[2]
# All that every pod imports, and every operator, and that is not ours.
OF_PODS = (
    "asyncio", "contextvars", "dataclasses", "datetime", "encodings.ascii", "encodings.idna", "faulthandler", "fcntl", "heapq", "httpx", "json",
    "numbers", "pickle", "random", "resource", "select", "signal", "ssl", "threading", "typing", "urllib.parse", "zlib",
)  # fmt: skip
OF_OPERATORS = (
    "aiohttp",
    "argparse",
    "asyncio",
    "cronsim",
    "prometheus_client",
    "pydantic.alias_generators",
    "zoneinfo",
)
SERVE = "import sys; sys.path.insert(0, {root!r}); from tests.support.warm_server import serve; del sys.path[0]; serve({fd}, {modules!r})"


class WarmProcess:
    """As much of `subprocess.Popen` as tests of pods ask for."""

    stdout = None

    def __init__(self, told: socket.socket) -> None:
        self._told = told
        self.pid = int(self._hear())
        self.returncode: int | None = None

    def _hear(self) -> bytes:
        heard = self._told.recv(64)
        assert heard, "the warm interpreter has ended"
        return heard

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; gives the exit code."""
        if self.returncode is None:
            ready = select.poll()
            ready.register(self._told, select.POLLIN)
            if not ready.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired("a warm process", timeout or 0)
            self.returncode = int(self._hear())
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal it, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class Warm:
    """The interpreter; a context manager.

    Args:
        env: what it is started with; processes differ from it in nothing that the interpreter reads at its start.
        modules: what it imports.
    """

    def __init__(self, env: Mapping[str, str], modules: Sequence[str]) -> None:
        self._env, self._modules = dict(env), tuple(modules)

    def __enter__(self) -> Warm:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # What its processes write goes to files, and its own streams are theirs: so they are made for a file.
        with theirs, tempfile.TemporaryFile() as file:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVE.format(root=str(ROOT), fd=theirs.fileno(), modules=self._modules)],
                env=self._env,
                stdout=file,
                stderr=file,
                pass_fds=(theirs.fileno(),),
                preexec_fn=die_with_parent,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._orders.close()
        self._process.wait(20)

    def takes(self, env: Mapping[str, str]) -> bool:
        """Whether a process with this environment may be a fork: what Python reads before the first statement is the same."""

        def read(given: Mapping[str, str]) -> dict[str, str]:
            return {
                name: value for name, value in given.items() if name.startswith(("PYTHON", "LC_", "LANG", "LD_", "TZ"))
            }

        return read(env) == read(self._env)

    def start(
        self,
        module: str,
        *arguments: str,
        cwd: Path,
        env: Mapping[str, str],
        stdout: IO[bytes],
        stderr: IO[bytes],
        tied: bool = False,
    ) -> WarmProcess:
        """Start `python -m MODULE ARGUMENT...`; tied: the kernel kills it when the test process ends, however that ends."""
        ours, told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order = {"module": module, "arguments": arguments, "cwd": str(cwd), "env": dict(env), "tied": tied}
        with told:
            descriptors = [stdout.fileno(), stderr.fileno(), told.fileno()]
            socket.send_fds(self._orders, [json.dumps(order).encode()], descriptors)
        return WarmProcess(ours)
