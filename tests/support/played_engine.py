"""One healthy pod of a run, played step by step: scheduled, claimed, ended. Neighbours: `played` sends the requests."""

from __future__ import annotations

import time
from typing import Any

from tests.support.builders import INSTANCE, RUN_UID, termination_message
from tests.support.played import Stage

NODE = "played"
Json = dict[str, Any]


def begin(stage: Stage, name: str) -> None:
    """Schedule the pod, start its engine, claim."""
    stage.bind(name, NODE)
    stage.patch_pod_status(name, pod_status("Running", {"running": {"startedAt": now()}}))
    stage.claim(name)


def complete(stage: Stage, name: str, *, reported: bool = True, result: str = "1") -> None:
    """The engine completes and its container ends.

    Args:
        stage: where.
        name: of the run.
        reported: False: the API server refused its last word, and only the termination message has it.
        result: as JSON.
    """
    if reported:
        stage.report(name, said("Completed", result={"json": result, "type": "int"}))
    _end(stage, name, "Completed", 0)


def fail(stage: Stage, name: str) -> None:
    """The flow raises."""
    stage.report(name, said("Failed", message="no"))
    _end(stage, name, "Failed", 1)


def said(kind: str, **more: Any) -> Json:
    """A report of the engine's."""
    return {"attempt": 1, "instance": INSTANCE, "type": kind, "name": kind, **more}


def pod_status(phase: str, state: Json) -> Json:
    """What a kubelet writes of a pod with the engine's container in this state."""
    runs = "running" in state
    container = {"name": "engine", "image": "x", "imageID": "", "restartCount": 0, "ready": runs, "started": runs}
    return {"phase": phase, "startTime": now(), "containerStatuses": [{**container, "state": state}]}


def now() -> str:
    """This second, as Kubernetes writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _end(stage: Stage, name: str, kind: str, code: int) -> None:
    uid = str(stage.send("GET", f"{stage.runs}/{name}")["metadata"]["uid"])
    message = termination_message(kind, kind, instance=INSTANCE, time=now()).replace(RUN_UID, uid)
    ended = {"exitCode": code, "reason": "Completed" if code == 0 else "Error", "startedAt": now(), "finishedAt": now()}
    phase = "Succeeded" if code == 0 else "Failed"
    stage.patch_pod_status(name, pod_status(phase, {"terminated": {**ended, "message": message}}))
