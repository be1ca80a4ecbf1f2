"""The same pods as on a real node, and the same statuses: recordings of a kubelet, run again here.

`kubelet.jsonl` holds what a kubelet (Kubernetes 1.36, containerd) wrote, one scenario a line: the pod, what was done to it, and each
status that differed from the one before. The node may leave out what passes quickly (as the kubelet does); what it writes must
come in the same order, and the last must be the same. Left out on purpose: whatever follows from a container's first process being PID 1.
"""

from __future__ import annotations

import asyncio
import copy
import json
from pathlib import Path

import pytest

from penstock_dev.node.client import Json
from tests.support.node import LABELS, Bench, bench, state, until
from tests.support.realserver import RealServer

pytestmark = pytest.mark.anyio
RECORDINGS = [json.loads(line) for line in (Path(__file__).parent / "kubelet.jsonl").read_text().splitlines()]


def shown(status: Json) -> Json:
    """A status without times, addresses and identities."""
    out: Json = {key: status[key] for key in ("phase", "reason", "message") if status.get(key)}
    out["conditions"] = {
        c["type"]: [c["status"], c.get("reason") or "", c.get("message") or ""] for c in status.get("conditions") or []
    }
    for key in ("initContainerStatuses", "containerStatuses"):
        if status.get(key):
            out[key] = [[c["name"], _state(c["state"]), bool(c["ready"]), bool(c.get("started"))] for c in status[key]]
    return out


def _state(found: Json) -> Json:
    kind, detail = next(iter(found.items()))
    if kind == "waiting":
        return {"waiting": detail.get("reason", "")}
    if kind == "running":
        return {"running": True}
    started = {None: "unknown", "1970-01-01T00:00:00Z": "never"}.get(detail.get("startedAt"), "real")
    # Every runtime has words of its own for what it could not start.
    message = detail.get("message", "") if detail["reason"] != "StartError" else ""
    return {"terminated": [detail["exitCode"], detail["reason"], message.splitlines()[-1:], started]}


def recorded(step: Json) -> Json:
    """A recorded status in the same form."""
    step = copy.deepcopy(step)
    for key in ("initContainerStatuses", "containerStatuses"):
        for container in step.get(key, []):
            if "terminated" in container[1]:
                container[1]["terminated"][2] = container[1]["terminated"][2].splitlines()[-1:]
    return step


async def watched(at: Bench, version: str, into: dict[str, list[Json]]) -> None:
    """Collect every status of every pod."""
    query = {"resourceVersion": version}
    async for event in at.client.watch(at.pods, query):
        pod = event["object"]
        if event["type"] in ("ADDED", "MODIFIED") and pod["status"].get("startTime"):
            found = into.setdefault(pod["metadata"]["name"], [])
            if not found or found[-1] != shown(pod["status"]):
                found.append(shown(pod["status"]))


async def act(at: Bench, scenario: Json) -> None:
    """Create the pod and do to it what was done to the recorded one."""
    name, action = scenario["name"], dict(scenario["action"])
    finalizers = {"finalizers": ["penstock.dev/hold"]} if scenario["held"] else {}
    body = {"metadata": {"name": name, "labels": LABELS, **finalizers}, "spec": scenario["spec"]}
    pod = await at.client.request("POST", at.pods, body=body)
    if not action:
        return
    for container in [*scenario["spec"].get("initContainers", []), *scenario["spec"]["containers"]]:
        if "print('ready'" in container["command"][-1]:
            await at.says(pod, "ready", container["name"])
    if after := action.pop("after", None):
        await at.until(name, lambda p: "terminated" in state(p, after), f"{after} has ended")
    if "delete" in action:
        await at.delete(name, action["delete"])
    else:
        await at.patch(name, {"spec": {"activeDeadlineSeconds": action["deadline"]}})


def strange(ours: list[Json], theirs: list[Json]) -> list[Json]:
    """Those of our statuses that a kubelet would not have written: out of order, or of a phase and readiness that it never showed."""
    found, at = [], 0
    readiness = [(step["phase"], step["conditions"]["Ready"][:2]) for step in theirs]
    for one in ours:
        if one in theirs[at:]:
            at += theirs[at:].index(one)
        elif one in theirs or (one["phase"], one["conditions"]["Ready"][:2]) not in readiness[at:]:
            found.append(one)
    return found


async def test_as_a_kubelet(plane: RealServer | None, tmp_path: Path) -> None:
    """All recordings side by side, for most of them spend their time waiting."""
    seen: dict[str, list[Json]] = {}
    async with bench(plane, tmp_path, max_pods=len(RECORDINGS)) as at:
        listed = await at.client.request("GET", at.pods)
        watcher = asyncio.create_task(watched(at, listed["metadata"]["resourceVersion"], seen))
        await asyncio.gather(*(act(at, scenario) for scenario in RECORDINGS))

        async def met() -> bool:
            return all(
                any(s["phase"] in ("Succeeded", "Failed") for s in seen.get(scenario["name"], []))
                for scenario in RECORDINGS
            )

        def missing() -> str:
            return str({s["name"]: seen.get(s["name"], [])[-1:] for s in RECORDINGS})

        await until("all pods have ended", met, missing)
        watcher.cancel()
        for scenario in RECORDINGS:
            if scenario["held"]:
                await at.patch(scenario["name"], {"metadata": {"finalizers": None}})
    wrong: list[str] = []
    for scenario in RECORDINGS:
        theirs = [recorded(step) for step in scenario["steps"]]
        ours = seen[scenario["name"]]
        if ours[-1] != theirs[-1]:
            wrong += [f"{scenario['name']}: at last {ours[-1]}", f"  a kubelet: {theirs[-1]}"]
        elif odd := strange(ours, theirs):
            wrong += [
                f"{scenario['name']}: a kubelet does not write:",
                *(f"  {one}" for one in odd),
            ]
    assert not wrong, "\n".join(wrong)
