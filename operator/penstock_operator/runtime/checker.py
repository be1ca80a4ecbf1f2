"""Checks parameters against their flow's schema, in a process that may be ended: the operator itself never runs a user's pattern.

The process is started by the first question, answers one at a time, and is started anew when one took too long. Answers are remembered: the
same question always has the same answer, and one that takes too long is asked once. Neighbours: `checks` is the process, `gather` asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from penstock_operator.core.canonical import digest
from penstock_operator.core.model import Checked

REMEMBERED = 1_000
# The bound is one of CPU time, so that a busy machine wrongs nobody; a process that gets none at all is given up some time.
SECONDS = 60.0
TOO_LONG = (
    "parametersSchema takes more than a second of CPU time to check: a pattern backtracks, or references multiply"
)
PROGRAM = (sys.executable, "-P", "-m", "penstock_operator.runtime.checks")

log = logging.getLogger(__name__)


class Checker:
    """Asks the process.

    Args:
        program: how it is started.
        seconds: to wait for an answer.
    """

    def __init__(self, program: Sequence[str] = PROGRAM, seconds: float = SECONDS) -> None:
        self._program = program
        self._seconds = seconds
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._known: OrderedDict[str, Checked] = OrderedDict()

    async def check(self, schema: dict[str, Any], parameters: dict[str, Any]) -> Checked:
        """Return what is wrong with the parameters, or with the schema.

        Args:
            schema: `parametersSchema`.
            parameters: the effective parameters.
        """
        question = {"schema": schema, "parameters": parameters}
        key = digest(question)
        if key not in self._known:
            async with self._turn:
                if key not in self._known:
                    self._known[key] = await self._ask(question)
        self._known.move_to_end(key)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return self._known[key]

    async def _ask(self, question: dict[str, Any]) -> Checked:
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
