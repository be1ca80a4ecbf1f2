"""The process in a simulated pod, as far as the API server can tell: it claims, reports, and is refused as the real one is.

Claims and reports are the patches of the contract, with the tests that fence them, and the repetition with its own mark where an answer
was lost. Neighbours: `kubelet` lets it live, `history` keeps what it said.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .api import AGAIN_SECONDS, JSON, JSON_PATCH, Api
from .history import History, Lived, Said

TEST_FAILED = 422
SUSPENDED_SECONDS = 2
REPORT = "/status/report"


def stamp(later: float = 0.0) -> str:
    """The time, as the engine writes it."""
    return (datetime.now(UTC) + timedelta(seconds=later)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Process:
    """One process of one attempt.

    Attributes:
        api: its way to the API server; it may lead through the proxy.
        history: where it is noted.
        run: the FlowRun's name.
        uid: the FlowRun's.
        attempt: which one it believes to be.
        pod: its name.
        instance: its mark, random.
        claimed: whether its claim was accepted.
    """

    api: Api
    history: History
    run: str
    uid: str
    attempt: int
    pod: str
    instance: str
    claimed: bool = False
    alive: bool = False
    message: str = ""
    _acknowledged: str = ""

    def begin(self) -> None:
        self._live(begins=True)

    def end(self) -> None:
        """It is gone for good; said once."""
        if self.alive:
            self._live(begins=False)

    def _live(self, *, begins: bool) -> None:
        self.alive = begins
        self.history.add(Lived(self.history.now(), self.run, self.attempt, self.instance, begins))

    async def claim(self) -> bool:
        """The first report; False: this process may not run user code."""
        document = self.document("Running")
        common = [
            _test("/metadata/uid", self.uid),
            _test("/status/attempt/number", self.attempt),
            _test("/status/attempt/podName", self.pod),
            _test("/status/completionTime", None),
        ]
        add = {"op": "add", "path": REPORT, "value": document}
        self.claimed = await self._say(
            document,
            [[*common, _test(REPORT, None), add], [*common, _test(f"{REPORT}/instance", self.instance), add]],
        )
        return self.claimed

    async def report(self, kind: str, name: str = "", *, ending: bool = False, told: bool = False) -> bool:
        """A later report; False: it was refused.

        Args:
            kind: its type.
            name: its name; by default the type.
            ending: whether it is not the last word.
            told: whether the process does what the operator told it, and waits for nothing of its own.
        """
        document = self.document(kind, name)
        if ending:
            document["ending"] = True
        if told:
            document.pop("pause", None)
        replace = {"op": "replace", "path": REPORT, "value": document}
        mine = _test(f"{REPORT}/instance", self.instance)
        return await self._say(
            document,
            [[mine, _test(f"{REPORT}/time", time), replace] for time in (self._acknowledged, document["time"])],
        )

    def document(self, kind: str, name: str = "") -> JSON:
        """The report itself. A result names the process, so that one run's result is never taken for another's."""
        made: JSON = {"attempt": self.attempt, "instance": self.instance, "type": kind, "time": stamp()}
        made |= {"name": name or kind, "message": f"said by {self.instance}"}
        if kind == "Completed":
            made["result"] = {"json": f'"{self.instance}"', "type": "str"}
        elif kind in ("Failed", "Crashed"):
            made["error"] = {"type": "ValueError", "message": self.instance}
        elif kind == "AwaitingRetry":
            made["resumeTime"] = stamp(SUSPENDED_SECONDS)
        elif kind == "Suspended":
            made["pause"] = {"key": "main", "since": stamp(), "deadline": stamp(SUSPENDED_SECONDS)}
        return made

    async def _say(self, document: JSON, tries: list[list[JSON]]) -> bool:
        """Send the patches in turn, each until the server says yes or no."""
        for operations in tries:
            while True:
                path = self.api.runs(self.run, "status")
                code, answer = await self.api.once("PATCH", path, operations, JSON_PATCH)
                if code == 200:
                    self._acknowledged = str(document["time"])
                    self._said(document, accepted=True, rv=int(answer["metadata"]["resourceVersion"]))
                    return True
                if code in (TEST_FAILED, 404):
                    break
                await asyncio.sleep(AGAIN_SECONDS * random.uniform(0.5, 1.5))
        self._said(document, accepted=False)
        return False

    def _said(self, document: JSON, *, accepted: bool, rv: int = 0) -> None:
        self.history.add(
            Said(self.history.now(), self.run, self.attempt, self.instance, str(document["type"]), accepted, rv)
        )


def _test(path: str, value: object) -> JSON:
    return {"op": "test", "path": path, "value": value}
