"""The log of one pod while somebody looks: its last lines, those that are searched for, and the task runs that it tells of.

It is read once for all who look at it, from its beginning, and followed until the pod has ended, over lost connections and ends of requests.
Memory is bounded: so many lines are kept, each cut, and so many task runs; what is left out is counted.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from penstock_operator.api import constants
from penstock_operator.runtime.errors import FORBIDDEN, UNAUTHORIZED, ApiError
from penstock_operator.runtime.resources import PODS
from penstock_reading.entries import read
from penstock_reading.position import Position
from penstock_reading.tasks import TaskRuns
from penstock_reading.wholelines import WholeLines

from .pool import Bell

if TYPE_CHECKING:
    from penstock_reading.entries import Entry

    from .client import Client

__all__ = ["Line", "LogKey", "PodLog", "Wanted"]

KEPT: Final = 2_000
_LONGEST: Final = 4_000
_MOST_TASKS: Final = 5_000
_RETRY_SECONDS: Final = 0.3
_LONGEST_RETRY_SECONDS: Final = 5.0
_SETTLED_SECONDS: Final = 0.15
# A line this young when the reading began was not there before it, by clocks of two machines.
_YOUNG: Final = timedelta(seconds=2)
# A log that is followed is asked for again so often: the API server looks at rights only when a request begins.
_FOLLOW_SECONDS: Final = 20.0
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class Wanted(NamedTuple):
    """Which lines are kept; empty fields ask for nothing.

    Attributes:
        text: what a line must hold, whatever its case.
        task: address of a run, whose lines and whose children's are meant.
        level: the least.
    """

    text: str = ""
    task: str = ""
    level: str = ""

    def fits(self, entry: Entry, shown: str) -> bool:
        """Whether a line is meant."""
        record = entry.record
        if self.text and self.text.lower() not in shown.lower():
            return False
        if self.task:
            address = str(record.get("address") or "") if record is not None else ""
            if address != self.task and not address.startswith(f"{self.task}/"):
                return False
        if self.level:
            has = str(record.get("level")) if record is not None else "INFO"
            return has not in LEVELS or LEVELS.index(has) >= LEVELS.index(self.level)
        return True


class LogKey(NamedTuple):
    """Which log, and which of its lines."""

    namespace: str
    pod: str
    wanted: Wanted = Wanted()


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is shown.

    Attributes:
        number: how many were kept before it.
        text: what a plain process would print.
        level: its level; empty: the flow's code printed it.
    """

    number: int
    text: str
    level: str


class PodLog:
    """See the module.

    Args:
        client: asks as the person who looks.
        key: which log.
    """

    def __init__(self, client: Client, key: LogKey) -> None:
        self._client = client
        self._key = key
        self._position = Position()
        self._whole = WholeLines()
        self._settled = asyncio.Event()
        self._young = (datetime.now(UTC) - _YOUNG).strftime("%Y-%m-%dT%H:%M:%S")
        self._cut = False
        self.mark = secrets.token_hex(4)  # which reading this is: numbers of lines are its own
        self.bell = Bell()
        self.lines: deque[Line] = deque(maxlen=KEPT)
        self.tasks = TaskRuns()
        self.kept = 0
        self.read = 0
        self.over = False
        self.trouble = ""

    def since(self, number: int) -> tuple[list[Line], int]:
        """Return the lines from a number on, and how many of them are not kept any more."""
        lines = list(self.lines)
        first = lines[0].number if lines else self.kept
        return lines[max(0, number - first) :], max(0, first - number)

    async def settled(self, seconds: float) -> None:
        """Wait until what was there has been read, or for so long; what is written all the time is not waited for."""
        try:
            async with asyncio.timeout(seconds):
                while not self._settled.is_set():
                    before = self.read
                    try:
                        async with asyncio.timeout(_SETTLED_SECONDS):
                            await self._settled.wait()
                    except TimeoutError:
                        if before and before == self.read:
                            self._settled.set()
        except TimeoutError:
            pass

    async def run(self) -> None:
        """Read until the pod has ended."""
        wait, ended = _RETRY_SECONDS, False
        while True:
            try:
                await self._once(over=ended)
                if ended:
                    break
                if self._cut:
                    continue
                wait, ended = _RETRY_SECONDS, await self._has_ended()
                if ended:
                    continue  # what was written behind the end of a request that was cut off is read once more
            except ApiError as error:
                # 400: its container does not run yet; no answer: the server, or the node, is away for a while.
                if not error.transient and error.code != 400:
                    self.trouble = "its pod is gone, and its log with it" if error.code == 404 else error.message
                    if error.code in (FORBIDDEN, UNAUTHORIZED):
                        self.lines.clear()
                        self._whole = WholeLines()
                    break
                if error.code != 400:
                    self._say(error.message)
                wait = min(wait * 1.5, _LONGEST_RETRY_SECONDS) if error.code != 400 else _RETRY_SECONDS
                if error.code == 400 and await self._gone():
                    break
            await asyncio.sleep(wait)
        self._take(self._whole.rest())
        self.over = True
        self._settled.set()
        self.bell.ring()

    async def _once(self, *, over: bool) -> None:
        query = {"container": constants.ENGINE_CONTAINER, "timestamps": "true"}
        if not over:
            query["follow"] = "true"
        if self._position.stamp:
            query["sinceTime"] = f"{self._position.stamp.partition('.')[0].removesuffix('Z')}Z"
        self._position.begin()
        self._cut = False
        try:
            async with asyncio.timeout(None if over else _FOLLOW_SECONDS):
                async for raw in self._client.lines(PODS.path(self._key.namespace, self._key.pod, "log"), query):
                    self._say("")
                    taken = self._position.take(raw.decode("utf-8", "replace"))
                    if taken is not None:
                        self._take(self._whole.take(*taken))
                        if taken[0] >= self._young:
                            self._settled.set()
        except TimeoutError:
            self._cut = True

    def _take(self, lines: list[tuple[str, str]]) -> None:
        self.read += 1
        for entry in (entry for _, written in lines for entry in read(written)):
            self.tasks.learn((entry,))
            shown = entry.shown
            if shown is None or not self._key.wanted.fits(entry, shown):
                continue
            level = str(entry.record.get("level", "")) if entry.record is not None else ""
            text = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]} ... ({len(shown) - _LONGEST} more)"
            self.lines.append(Line(self.kept, text, level))
            self.kept += 1
        if self.read % 256 == 0:
            self.tasks.shrink(_MOST_TASKS)
        self.bell.ring()

    async def _has_ended(self) -> bool:
        found = await self._client.find(PODS.path(self._key.namespace, self._key.pod))
        return found is None or (found.get("status") or {}).get("phase") in ("Succeeded", "Failed")

    async def _gone(self) -> bool:
        """Whether there will be no log: the pod is not there, or has ended without one."""
        try:
            return await self._has_ended()
        except ApiError:
            return False

    def _say(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            self.bell.ring()
