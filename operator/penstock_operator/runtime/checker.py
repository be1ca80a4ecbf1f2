"""Checks parameters against their flow's schema, in a process that may be ended: the operator itself never runs a user's pattern.

A process is started by the first question, answers one at a time, and is started anew when one took too long. There are two, and a namespace
has one at a time: who asks much that takes long waits for itself. Answers are remembered: the same question always has the same answer, and
one that takes too long is asked once. Neighbours: `checks` is the process, `gather` asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Any

from penstock_operator.core.canonical import digest
from penstock_operator.core.model import Checked

REMEMBERED = 1_000
PROCESSES = 2
# The bound is one of CPU time, so that a busy machine wrongs nobody; a process that gets none at all is given up some time.
SECONDS = 60.0
TOO_LONG = (
    "parametersSchema takes more than a second of CPU time to check: a pattern backtracks, or references multiply"
)
PROGRAM = (sys.executable, "-P", "-m", "penstock_operator.runtime.checks")

log = logging.getLogger(__name__)


class Checker:
    """Asks the processes.

    Args:
        program: how each is started.
        seconds: to wait for an answer.
        processes: that may be asked at the same time.
    """

    def __init__(self, program: Sequence[str] = PROGRAM, seconds: float = SECONDS, processes: int = PROCESSES) -> None:
        self._idle = [_Process(program, seconds) for _ in range(processes)]
        self._all = tuple(self._idle)
        self._free = asyncio.Semaphore(processes)
        self._turns: dict[str, asyncio.Lock] = {}
        self._waiting: Counter[str] = Counter()
        self._known: OrderedDict[str, Checked] = OrderedDict()

    async def check(self, schema: dict[str, Any], parameters: dict[str, Any], *, asks: str = "") -> Checked:
        """Return what is wrong with the parameters, or with the schema.

        Args:
            schema: `parametersSchema`.
            parameters: the effective parameters.
            asks: who asks: the run's namespace.
        """
        question = {"schema": schema, "parameters": parameters}
        key = digest(question)
        if key not in self._known:
            self._waiting[asks] += 1
            try:
                async with self._turns.setdefault(asks, asyncio.Lock()), self._free:
                    if key not in self._known:
                        self._known[key] = await self._ask(question)
            finally:
                self._waiting[asks] -= 1
                if not self._waiting[asks]:
                    del self._waiting[asks], self._turns[asks]
        self._known.move_to_end(key)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return self._known[key]

    async def _ask(self, question: dict[str, Any]) -> Checked:
        # One that runs already, if there is one: most operators need no second.
        process = max(self._idle, key=lambda one: one.runs)
        self._idle.remove(process)
        try:
            return await process.ask(question)
        finally:
            self._idle.append(process)

    async def close(self) -> None:
        """End the processes."""
        for process in self._all:
            await process.close()


class _Process:
    """One process, started with its first question."""

    def __init__(self, program: Sequence[str], seconds: float) -> None:
        self._program = program
        self._seconds = seconds
        self._process: asyncio.subprocess.Process | None = None

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def ask(self, question: dict[str, Any]) -> Checked:
        process = await self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        line = b""
        try:
            async with asyncio.timeout(self._seconds):
                process.stdin.write(json.dumps(question).encode() + b"\n")
                with contextlib.suppress(ConnectionError):  # it ended while it read
                    await process.stdin.drain()
                line = await process.stdout.readline()
        except TimeoutError:
            pass
        finally:
            # Also when this task was cancelled: what comes then would be taken for the next question's answer.
            if not line:
                self._process = None
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        if not line:
            await process.wait()
            log.warning("parameters were not checked within the bounds (the process left with %s)", process.returncode)
            return Checked(unusable=TOO_LONG)
        return Checked(**json.loads(line))

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(*self._program, stdin=pipe, stdout=pipe)
        return self._process

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
