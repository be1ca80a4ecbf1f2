"""The operators of a chaos: one that is always there, however often it is killed, and a second one for a while.

Neighbours: `campaign` says when; `timeline` reads the logs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.cluster import Program, die_with_parent

from .checker import Wrong
from .history import History

RESTART_SECONDS = 0.1
COMMAND = ("-m", "penstock_operator", "--engine-image=engine", "--log-format=json", "--log-level=debug")

LOST = "this operator may not decide any more"


@dataclass
class Operators:
    """All operator processes of a chaos.

    Attributes:
        folder: for their logs.
        history: where starts and ends are noted.
        seed: part of the logs' names.
        elect: whether they share a lease; then one that can't renew it ends by itself, and that is right.
        kubeconfig: that they are given.
        logs: in the order of their starts.
        wrong: those that ended by themselves.
    """

    folder: Path
    history: History
    seed: int
    elect: bool = False
    kubeconfig: Path = Path()
    logs: list[Path] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)
    _first: Program | None = None
    _second: Program | None = None
    _all: list[Program] = field(default_factory=list)

    async def keep(self) -> None:
        """Keep the first operator alive: whenever it was killed, another is started. One that ends by itself is wrong."""
        while True:
            one = self._first = self._launch("first")
            await asyncio.to_thread(one.process.wait)
            self._ended(one)
            await asyncio.sleep(RESTART_SECONDS)

    async def kill(self) -> None:
        """kill -9 for the first."""
        if self._first is not None:
            self._kill(self._first)

    async def second(self, end: float) -> None:
        """A second operator until then."""
        self._second = self._launch("second")
        await asyncio.sleep(max(0.0, end - self.history.now()))
        self.kill_second()

    def kill_second(self) -> None:
        """kill -9 for the second, if there is one."""
        if self._second is not None:
            one, self._second = self._second, None
            self._kill(one)
            self._ended(one)

    def kill_all(self) -> None:
        """End what is left."""
        for one in self._all:
            if one.process.poll() is None:
                one.kill()

    def _kill(self, one: Program) -> None:
        self.history.note(f"operator {one.name} is killed")
        one.kill()

    def _ended(self, one: Program) -> None:
        code = one.process.returncode
        # Anywhere in it: what was under way says much within the second that it takes to end.
        lost = self.elect and code == 1 and LOST in one.log.read_text(errors="replace")
        if code != -signal.SIGKILL and not lost:
            self.wrong.append(Wrong(one.name, "an operator ended", f"with {code}:\n{one.tail(2000)}"))

    def _launch(self, role: str) -> Program:
        name = f"{role}-{len(self.logs) + 1}"
        log = self.folder / f"{self.seed}-{name}.log"
        self.logs.append(log)
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, *COMMAND, *(("--leader-elect",) if self.elect else ())],
                cwd=self.folder,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
                preexec_fn=die_with_parent,
            )
        self.history.note(f"operator {name} is started")
        one = Program(name, process, log)
        self._all.append(one)
        return one
