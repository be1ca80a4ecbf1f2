"""One pod by script: a kubelet and an engine that do, step by step, what the fate of its run says.

A step is a word of the script, and a method `step_…` here. What asks a process to end, it meets while it works: the intent in the pod's annotation,
a deletion, the pod's deadline; what it does then is the fate's `obeys`. Neighbours: `fates` (the scripts), `engine` (claims and reports),
`nodes` (gives each pod its play).
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from .api import JSON, MERGE, Api
from .engine import Process, stamp
from .fates import Fate
from .history import History

NODES = ("node-1", "node-2", "node-3")
FOREVER = 3600.0
ADDRESSED = ("Cancelled", "Suspended", "Paused")


@dataclass(frozen=True)
class Cast:
    """One run of the chaos: its name and fate, and which way its engine talks to the API server."""

    name: str
    fate: Fate
    way: Api


class PodPlay:
    """One pod, its kubelet and its engine.

    Args:
        api: the node's, straight to the API server.
        history: where processes are noted.
        cast: whose pod it is.
        raw: the pod as it was first seen.
        rng: for delays.
    """

    def __init__(self, api: Api, history: History, cast: Cast, raw: JSON, rng: random.Random) -> None:
        meta = raw["metadata"]
        self._api = api
        self._history = history
        self._fate = cast.fate
        self._rng = rng
        self._pod = raw
        self._gone = False
        self._over = False
        self._news = asyncio.Event()
        self._conditions: dict[str, JSON] = {}
        self._name = str(meta["name"])
        self._uid = str(meta["uid"])
        self._started = ""
        self._before: JSON | None = None  # the state before a restart in place
        self._way = cast.way
        self._process = self._new_process()

    def see(self, event: str, raw: JSON) -> None:
        """Take an event about the pod."""
        self._pod, self._gone = raw, self._gone or event == "DELETED"
        self._news.set()

    async def run(self) -> None:
        """Play the script, then see to it that a pod that is to go goes."""
        labels = self._pod["metadata"]["labels"]
        await asyncio.sleep(self._rng.uniform(0.0, 0.4))
        for step in self._fate.script(int(labels["penstock.dev/attempt"])):
            word, _, detail = step.partition(":")
            if not self._process.alive and self._cause() in ("deleted", "gone") and not self._fate.outlives:
                break  # a kubelet does not start what is to go
            await getattr(self, f"step_{word}")(detail)
            if self._over:
                break
        self._process.end()
        await self._bury()

    # --- what asks a process to end ---------------------------------------------------------------------------------------------------

    def _cause(self) -> str:
        """What asks the process to end, or to pause, now; empty: nothing."""
        meta, obeys = self._pod["metadata"], self._fate.obeys
        if self._gone:
            return "" if self._fate.outlives else "gone"
        if "deletionTimestamp" in meta and obeys != "never":
            return "deleted"
        if self._left() <= 0 and obeys not in ("nothing", "never"):
            return "deadline"
        intent = self._intent()
        return intent if obeys == "engine" and self._process.claimed and intent in ADDRESSED else ""

    def _intent(self) -> str:
        return str((self._pod["metadata"].get("annotations") or {}).get("penstock.dev/intent", "")).split(" ")[0]

    def _left(self) -> float:
        """Seconds until the pod's own deadline."""
        limit = self._pod["spec"].get("activeDeadlineSeconds")
        if limit is None or not self._started:
            return FOREVER
        began = datetime.fromisoformat(self._started)
        return float(limit) - (datetime.now(UTC) - began).total_seconds()

    async def _live(self, seconds: float) -> None:
        """Let the process work for so long, unless something asks it to end."""
        end = time.monotonic() + seconds
        while not self._over:
            cause = self._cause()
            if cause == "Paused":
                await self._pause()
            elif cause:
                await self._stop(cause)
            elif time.monotonic() >= end:
                return
            else:
                await self._wait(min(end - time.monotonic(), self._left()))

    async def _wait(self, seconds: float) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout(max(seconds, 0.01)):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _pause(self) -> None:
        await self._process.report("Paused", told=True)
        while self._cause() == "Paused":
            await self._wait(self._left())
        if not self._cause():
            await self._process.report("Running")

    async def _stop(self, cause: str) -> None:
        """The process ends, as the fate says that it does."""
        self._over = True
        obeys = self._fate.obeys
        if not self._process.alive:
            return
        if cause == "deadline":
            await self._condition("Ready", "False", "PodFailed")
        code = 143
        if obeys == "deaf":
            await asyncio.sleep(float(self._pod["spec"].get("terminationGracePeriodSeconds", 1)))
            code = 137
        elif obeys in ("engine", "blind"):
            await asyncio.sleep(self._rng.uniform(0.02, 0.4))
            intent = self._intent() if obeys == "engine" else ""
            if self._process.claimed:
                kind = intent if intent in ("Cancelled", "Suspended") else "Interrupted"
                await self._process.report(kind, told=True)
            code = 143 if cause in ("deleted", "gone", "deadline") else 0
        await self._terminate(
            code, "Completed" if code == 0 else "Error", "DeadlineExceeded" if cause == "deadline" else ""
        )

    async def _bury(self) -> None:
        """A bound pod that is to be deleted stays until its kubelet says that it has ended."""
        while not self._gone and self._fate.obeys != "never":
            if "deletionTimestamp" in self._pod["metadata"]:
                await self._away()
                return
            await self._wait(FOREVER)

    # --- steps: the engine ------------------------------------------------------------------------------------------------------------

    async def step_claim(self, _: str) -> None:
        self._begin()
        if not await self._process.claim():
            self._over = True
            await self._terminate(77, "Error")

    async def step_ghost(self, _: str) -> None:
        """Another process of the same attempt: a container that was restarted, a copied pod."""
        other = self._new_process()
        other.begin()
        if not await other.claim():
            other.end()

    async def step_work(self, seconds: str) -> None:
        await self._live(self._drawn(seconds or "0.2-1.2"))

    async def step_hang(self, _: str) -> None:
        await self._live(FOREVER)

    async def step_hold(self, seconds: str) -> None:
        await asyncio.sleep(self._drawn(seconds))

    async def step_report(self, said: str) -> None:
        kind, _, name = said.partition("/")
        await self._process.report(kind, name)

    async def step_ending(self, kind: str) -> None:
        await self._process.report(kind, ending=True)

    async def step_message(self, kind: str) -> None:
        """The outcome stands in the termination message only: the API server could not be reached."""
        document = {**self._process.document(kind), "uid": self._process.uid}
        self._process.message = json.dumps(document)

    # --- steps: the kubelet -----------------------------------------------------------------------------------------------------------

    async def step_bind(self, _: str) -> None:
        target = {"apiVersion": "v1", "kind": "Node", "name": self._rng.choice(NODES)}
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": self._name, "uid": self._uid},
            "target": target,
        }
        await self._api.send("POST", self._api.pods(self._name, "binding"), body)
        self._conditions["PodScheduled"] = _condition("PodScheduled", "True")
        await asyncio.sleep(self._rng.uniform(0.0, 0.2))

    async def step_start(self, _: str) -> None:
        self._begin()
        self._conditions |= {name: _condition(name, "True") for name in ("Ready", "ContainersReady")}
        await self._status("Running", {"running": {"startedAt": self._started}})

    async def step_exit(self, code: str) -> None:
        self._over = True
        await self._terminate(int(code), "Completed" if code == "0" else "Error")

    async def step_oom(self, _: str) -> None:
        self._over = True
        await self._terminate(137, "OOMKilled")

    async def step_unknown(self, _: str) -> None:
        self._over = True
        await self._terminate(137, "ContainerStatusUnknown")

    async def step_unstartable(self, _: str) -> None:
        self._over = True
        dead = {"exitCode": 128, "reason": "StartError", "startedAt": "1970-01-01T00:00:00Z", "finishedAt": stamp()}
        await self._status("Failed", {"terminated": {**dead, "message": "exec: no such file"}})

    async def step_sidecar(self, what: str) -> None:
        """A native sidecar was killed for its memory, and runs again; or it crash-loops before the engine may start."""
        killed = {"exitCode": 137, "reason": "OOMKilled", "startedAt": stamp(), "finishedAt": stamp()}
        state = {"running": {"startedAt": stamp()}} if what == "oom" else {"waiting": {"reason": "CrashLoopBackOff"}}
        container = {"name": "proxy", "image": "proxy", "imageID": "", "ready": what == "oom", "restartCount": 1}
        await self._patch(
            {"initContainerStatuses": [{**container, "state": state, "lastState": {"terminated": killed}}]}
        )

    async def step_restart(self, _: str) -> None:
        """A rule of a sidecar restarts all containers in place; the engine's second process tries to claim."""
        self._process.end()
        gone = {"exitCode": 137, "reason": "RestartingAllContainers", "startedAt": None, "finishedAt": None}
        self._before = {"terminated": gone}
        await self._status("Running", {"waiting": {"reason": "RestartingAllContainers"}})
        await asyncio.sleep(self._rng.uniform(0.0, 0.3))
        self._process = self._new_process()
        self._process.begin()
        await self._status("Running", {"running": {"startedAt": stamp()}})
        if not await self._process.claim():
            self._over = True
            await self._terminate(77, "Error")

    async def step_evict(self, _: str) -> None:
        self._over = True
        self._begin()
        self._conditions["DisruptionTarget"] = _condition(
            "DisruptionTarget", "True", "TerminationByKubelet", "The node was low on resource: memory."
        )
        await self._terminate(137, "Error", "Evicted", "The node was low on resource: memory.")

    async def step_reject(self, reason: str) -> None:
        self._over = True
        await self._status("Failed", None, reason, "Pod was rejected: not enough of it")

    async def step_pull(self, _: str) -> None:
        await self._status("Pending", {"waiting": {"reason": "ErrImagePull", "message": "not found"}})

    async def step_unschedulable(self, _: str) -> None:
        self._conditions["PodScheduled"] = _condition(
            "PodScheduled", "False", "Unschedulable", "0/3 nodes are available: 3 Insufficient cpu."
        )
        await self._status("Pending", None)

    async def step_lost(self, _: str) -> None:
        """The node dies with everything on it; after a while its pods are collected."""
        self._over = True
        self._process.end()
        await self._condition("Ready", "False")
        await asyncio.sleep(self._rng.uniform(0.5, 2.0))
        self._conditions["DisruptionTarget"] = _condition(
            "DisruptionTarget", "True", "DeletionByPodGC", "node not found"
        )
        await self._status("Failed", {"running": {"startedAt": self._started}})
        await self._away()

    async def step_silent(self, _: str) -> None:
        await self._condition("Ready", "False")
        await asyncio.sleep(self._rng.uniform(0.5, 3.0))
        await self._condition("Ready", "True")

    # --- steps: somebody else -----------------------------------------------------------------------------------------------------------

    async def step_requeue(self, _: str) -> None:
        """Kueue takes the pod back."""
        self._conditions["TerminationTarget"] = _condition(
            "TerminationTarget", "True", "WorkloadEvicted", "Preempted to accommodate a workload"
        )
        await self._patch({"conditions": list(self._conditions.values())})
        await self.step_delete("")

    async def step_disrupt(self, reason: str) -> None:
        await self._condition("DisruptionTarget", "True", reason)
        await self.step_delete("")

    async def step_delete(self, _: str) -> None:
        await self._api.send("DELETE", self._api.pods(self._name), {"preconditions": {"uid": self._uid}})

    async def step_vanish(self, _: str) -> None:
        await self._away()

    # --- the pod's object -------------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if not self._started:
            self._started = stamp()
            self._process.begin()

    def _new_process(self) -> Process:
        meta = self._pod["metadata"]
        labels = meta["labels"]
        return Process(
            api=self._way,
            history=self._history,
            run=labels["penstock.dev/flow-run"],
            uid=labels["penstock.dev/flow-run-uid"],
            attempt=int(labels["penstock.dev/attempt"]),
            pod=self._name,
            instance=f"{self._name}-{self._uid[:4]}{self._rng.randrange(16**4):04x}",
        )

    def _drawn(self, bounds: str) -> float:
        least, _, most = bounds.partition("-")
        return self._rng.uniform(float(least), float(most or least))

    async def _terminate(self, code: int, reason: str, pod_reason: str = "", message: str = "") -> None:
        self._process.end()
        dead = {"exitCode": code, "reason": reason, "startedAt": self._started or None, "finishedAt": stamp()}
        dead["message"] = self._process.message or None
        phase = "Succeeded" if code == 0 and not pod_reason else "Failed"
        self._conditions |= {name: _condition(name, "False", "PodCompleted") for name in ("Ready", "ContainersReady")}
        await self._status(phase, {"terminated": dead}, pod_reason, message)

    async def _condition(self, kind: str, status: str, reason: str = "") -> None:
        self._conditions[kind] = _condition(kind, status, reason)
        await self._patch({"conditions": list(self._conditions.values())})

    async def _status(self, phase: str, state: JSON | None, reason: str = "", message: str = "") -> None:
        status: JSON = {
            "phase": phase,
            "startTime": self._started or None,
            "conditions": list(self._conditions.values()),
        }
        if state is not None:
            container = {
                "name": "engine",
                "image": "engine",
                "imageID": "",
                "ready": "running" in state,
                "restartCount": 0 if self._before is None else 1,
            }
            last = {} if self._before is None else {"lastState": self._before}
            status["containerStatuses"] = [{**container, **last, "state": state}]
        await self._patch({**status, "reason": reason or None, "message": message or None})

    async def _patch(self, status: JSON) -> None:
        """A pod that is gone, or another by now, is no error: a kubelet is late now and then."""
        body = {"metadata": {"uid": self._uid}, "status": status}
        code, answer = await self._api.send("PATCH", self._api.pods(self._name, "status"), body, MERGE)
        if code not in (200, 404, 409):
            raise AssertionError(
                f"the status of pod {self._name} was refused: {code} {answer.get('message')}: {status}"
            )

    async def _away(self) -> None:
        """The object goes, whatever runs."""
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": self._uid}}
        await self._api.send("DELETE", self._api.pods(self._name), options)


def _condition(kind: str, status: str, reason: str = "", message: str = "") -> JSON:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": stamp()}
