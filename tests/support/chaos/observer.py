"""Watches FlowRuns and pods straight at the API server, and writes down every version that it shows.

After an outage a watch may be behind what the server still knows; then everything is listed again, and what is not there any more counts as
deleted. Neighbours: `history` (what is written), `kubelet` (is told about pods).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from .api import AGAIN_SECONDS, JSON, Api
from .history import History, PodSeen, Version

SELECTOR = "labelSelector=penstock.dev%2Fflow-run-uid"
QUIET_SECONDS = 30  # a watch that says nothing for so long is asked for again: nothing is lost by it


@dataclass
class Observer:
    """The watches of one namespace.

    Attributes:
        api: the way to the API server, not by the proxy.
        history: what is written.
        told: is called with each event about a pod.
        runs: the newest version of each FlowRun that is there.
        pods: the newest object of each pod that is there, by UID.
    """

    api: Api
    history: History
    told: Callable[[str, JSON], None] = lambda _event, _pod: None
    runs: dict[str, Version] = field(default_factory=dict)
    pods: dict[str, JSON] = field(default_factory=dict)

    async def watch_runs(self) -> None:
        """Follow the FlowRuns, for ever."""
        await self._follow(self.api.runs(), "", self._run)

    async def watch_pods(self) -> None:
        """Follow the pods, for ever."""
        await self._follow(self.api.pods(), SELECTOR, self._pod)

    async def _follow(self, path: str, selector: str, take: Callable[[str, JSON], None]) -> None:
        known: dict[str, JSON] = {}
        version = ""
        while True:
            if not version:
                version = await self._list(path, selector, known, take)
            version = await self._watch(path, selector, version, known, take)

    async def _list(self, path: str, selector: str, known: dict[str, JSON], take: Callable[[str, JSON], None]) -> str:
        code, listing = await self.api.send("GET", f"{path}?{selector}")
        assert code == 200, listing
        version = str(listing["metadata"]["resourceVersion"])
        there = {item["metadata"]["uid"]: item for item in listing["items"]}
        for uid in set(known) - set(there):
            gone = known.pop(uid)
            take("DELETED", {**gone, "metadata": {**gone["metadata"], "resourceVersion": version}})
        for uid, item in there.items():
            before = known.get(uid)
            if before is None or before["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
                known[uid] = item
                take("ADDED" if before is None else "MODIFIED", item)
        return version

    async def _watch(
        self, path: str, selector: str, version: str, known: dict[str, JSON], take: Callable[[str, JSON], None]
    ) -> str:
        """Return where to go on; empty: by a listing."""
        query = f"watch=1&allowWatchBookmarks=true&resourceVersion={version}&{selector}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=QUIET_SECONDS)
        try:
            async with self.api.session.get(f"{self.api.url}{path}?{query}", timeout=timeout) as answer:
                if answer.status != 200:
                    await asyncio.sleep(AGAIN_SECONDS)
                    return "" if answer.status == 410 else version
                rest = b""
                async for piece in answer.content.iter_any():
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            return ""
                        raw = event["object"]
                        version = str(raw["metadata"]["resourceVersion"])
                        if event["type"] == "BOOKMARK":
                            continue
                        uid = raw["metadata"]["uid"]
                        if event["type"] == "DELETED":
                            known.pop(uid, None)
                        else:
                            known[uid] = raw
                        take(event["type"], raw)
        except (aiohttp.ClientError, OSError, TimeoutError):
            await asyncio.sleep(AGAIN_SECONDS)
        return version

    def _run(self, event: str, raw: JSON) -> None:
        meta = raw["metadata"]
        version = Version(
            at=self.history.now(),
            run=meta["name"],
            uid=meta["uid"],
            rv=int(meta["resourceVersion"]),
            spec=raw["spec"],
            status=raw.get("status") or {},
            deleting="deletionTimestamp" in meta,
            deleted=event == "DELETED",
        )
        self.history.add(version)
        if version.deleted:
            self.runs.pop(version.run, None)
        else:
            self.runs[version.run] = version

    def _pod(self, event: str, raw: JSON) -> None:
        meta, status = raw["metadata"], raw.get("status") or {}
        if event == "DELETED":
            self.pods.pop(meta["uid"], None)
        else:
            self.pods[meta["uid"]] = raw
        self.history.add(
            PodSeen(
                at=self.history.now(),
                run=meta["labels"]["penstock.dev/flow-run"],
                pod=meta["name"],
                uid=meta["uid"],
                attempt=int(meta["labels"]["penstock.dev/attempt"]),
                rv=int(meta["resourceVersion"]),
                event=event,
                phase=_phase(status),
                words=_words(raw, status),
            )
        )
        self.told(event, raw)


def _phase(status: JSON) -> str:
    phase = str(status.get("phase", ""))
    engine = next((c for c in status.get("containerStatuses") or () if c["name"] == "engine"), None)
    ended = engine is not None and "terminated" in (engine.get("state") or {})
    return "EngineEnded" if ended and phase not in ("Succeeded", "Failed") else phase


def _words(raw: JSON, status: JSON) -> str:
    """What a person wants to know of a pod, in a few words."""
    meta, words = raw["metadata"], []
    for container in status.get("containerStatuses") or ():
        for kind, detail in (container.get("state") or {}).items():
            words.append(
                " ".join(str(x) for x in (kind, detail.get("exitCode"), detail.get("reason")) if x is not None)
            )
    words += [status[key] for key in ("reason",) if status.get(key)]
    intent = (meta.get("annotations") or {}).get("penstock.dev/intent", "Running")
    if intent != "Running":
        words.append(f"intent {intent}")
    if raw["spec"].get("activeDeadlineSeconds"):
        words.append(f"deadline {raw['spec']['activeDeadlineSeconds']} s")
    if "deletionTimestamp" in meta:
        words.append("being deleted")
    return ", ".join(words)
