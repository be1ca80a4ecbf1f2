"""Signals, intents, deletions and lost answers at random moments: what is said always fits what was done."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.pod.conftest import StartPod
from tests.support import pod_server
from tests.support.pod_process import PodProcess
from tests.support.pod_server import Fault, Operations, PodServer

SOURCES = {
    "sleep": "@flow(**HOOKS)\ndef main():\n    time.sleep({})\n    return 1\n",
    "async": "@flow(**HOOKS)\nasync def main():\n    await asyncio.sleep({})\n    return 1\n",
    "tasks": (
        "@task\ndef step():\n    return 1\n@flow(**HOOKS)\ndef main():\n    end = time.monotonic() + {}\n"
        "    while time.monotonic() < end:\n        step()\n    return 1\n"
    ),
    "submitted": (
        "@task\ndef step():\n    time.sleep(0.01)\n@flow(**HOOKS)\ndef main():\n    end = time.monotonic() + {}\n"
        "    while time.monotonic() < end:\n        [f.result() for f in [step.submit() for _ in range(3)]]\n    return 1\n"
    ),
    "fails": "@flow(**HOOKS)\ndef main():\n    time.sleep({})\n    raise ValueError\n",
}
EVENTS = ("signal", "cancel", "cancel and signal", "delete and signal", "answer and signal", "two signals")
EXITS = {"Completed": 0, "Failed": 1, "Cancelled": 0, "Interrupted": 143, "Refused": 77, "Superseded": 77}
ROUNDS = 5


def faults(chance: random.Random) -> Callable[[Operations], Fault | None]:
    kinds = [None, None, None, pod_server.LOST_ANSWER, pod_server.LOST_REQUEST, pod_server.UNAVAILABLE]
    return lambda operations: chance.choice(kinds)


def strike(event: str, pod: PodProcess, server: PodServer) -> None:
    if event.startswith("cancel"):
        pod.intend("Cancelled")
    if event.startswith("delete"):
        server.delete()
    if event.startswith("answer"):
        server.change(lambda run: run["spec"].update(desiredState="Cancelled"))
    if "signal" in event:
        pod.signal()
    if event == "two signals":
        pod.signal()


@pytest.mark.parametrize("seed", range(4))
def test_what_is_said_fits_what_was_done(start: StartPod, server: PodServer, seed: int) -> None:
    chance = random.Random(seed)
    for number in range(ROUNDS):
        event, kind = chance.choice(EVENTS), chance.choice(list(SOURCES))
        flaky = chance.random() < 0.3
        told = f"seed {seed}, round {number}: {event}, {kind}, flaky {flaky}"
        server.document = pod_server.flow_run()
        server.requests.clear()
        server.delay = chance.choice([0.0, 0.005, 0.03])
        server.always(faults(random.Random(chance.random())) if flaky else None)
        pod = start(SOURCES[kind].format(chance.uniform(0, 0.2)))
        moment = time.monotonic() + chance.uniform(0.0, 0.5)
        while time.monotonic() < moment and pod.process.poll() is None:
            time.sleep(0.001)
        if pod.process.poll() is None:
            strike(event, pod, server)
        check(pod, server, pod.wait(), event, flaky, told)


def check(pod: PodProcess, server: PodServer, code: int, event: str, flaky: bool, told: str) -> None:
    told = f"{told}, exit {code}\n{pod.output}"
    if code == -15:
        # It came before the handlers: here the process is not number 1, and the default action ends it.
        assert server.accepted == [], told
        return
    said: dict[str, Any] = pod.termination
    assert (said["exit"], EXITS[said["type"]]) == (code, code), told
    report = server.report
    if event not in ("delete and signal", "two signals"):
        assert said["delivered"] or flaky or said["type"] == "Refused", told
    if said["delivered"] and event != "delete and signal":
        assert report is not None, told
        assert report["type"] == said["type"], told
    if event == "two signals" or report is None or "startTime" not in report:
        return
    hook = {"Interrupted": "crashed", "Cancelled": "cancelled", "Completed": "completed", "Failed": "failed"}
    if report["type"] in hook:
        assert pod.has_mark(f"hook-{hook[report['type']]}"), told
