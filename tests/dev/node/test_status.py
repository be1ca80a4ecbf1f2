"""A pod's status is a function of what its containers did: every step that a kubelet wrote, worked out again from its containers alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from penstock_dev.node.status import (
    NEVER,
    Container,
    Fate,
    Record,
    Running,
    Terminated,
    Waiting,
    seconds,
    status_of,
    timestamp,
)

RECORDINGS = [json.loads(line) for line in (Path(__file__).parent / "kubelet.jsonl").read_text().splitlines()]
DEADLINE = Fate("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
NOW = 1795262402.5
STARTED = {"unknown": None, "never": NEVER, "real": NOW}


def container(name: str, state: dict[str, Any], *, init: bool = False, sidecar: bool = False) -> Container:
    kind, detail = next(iter(state.items()))
    made: Waiting | Running | Terminated
    if kind == "waiting":
        made = Waiting(detail)
    elif kind == "running":
        made = Running(NOW)
    else:
        code, reason, message, started = detail
        made = Terminated(code, reason, message, started=STARTED[started], finished=NOW)
    return Container(name, "image", made, init=init, sidecar=sidecar)


def record(scenario: dict[str, Any], step: dict[str, Any]) -> Record:
    """What the node would know at this step."""
    sidecars = {c["name"] for c in scenario["spec"].get("initContainers", []) if c.get("restartPolicy") == "Always"}
    inits = [container(n, s, init=True, sidecar=n in sidecars) for n, s, *_ in step.get("initContainerStatuses", [])]
    mains = [container(n, s) for n, s, *_ in step["containerStatuses"]]
    over = step["phase"] in ("Succeeded", "Failed")
    running = any(isinstance(c.state, Running) for c in mains)
    deadline = "deadline" in scenario["action"] and (
        over or (running and step["conditions"]["Ready"][1] == "PodFailed")
    )
    sandbox = step["conditions"]["PodReadyToStartContainers"][0] == "True"
    return Record(NOW, (*inits, *mains), sandbox=sandbox or over, fate=DEADLINE if deadline else None, over=over)


def shown(status: dict[str, Any]) -> dict[str, Any]:
    found = {key: status[key] for key in ("phase", "reason", "message") if status.get(key)}
    found["conditions"] = {
        c["type"]: [c["status"], c["reason"] or "", c["message"] or ""] for c in status["conditions"]
    }
    for key in ("initContainerStatuses", "containerStatuses"):
        if key in status:
            found[key] = [[c["name"], c["ready"], c["started"]] for c in status[key]]
    return found


@pytest.mark.parametrize("scenario", RECORDINGS, ids=lambda scenario: scenario["name"])
def test_every_step_of_a_kubelet(scenario: dict[str, Any]) -> None:
    for step in scenario["steps"]:
        if "containerStatuses" not in step or len(step["conditions"]) < 5:
            continue
        made = status_of(record(scenario, step), generation=1, address="127.0.0.1", before={}, now=NOW)
        wanted = {**step}
        for key in ("initContainerStatuses", "containerStatuses"):
            if key in wanted:
                wanted[key] = [[name, ready, started] for name, _, ready, started in wanted[key]]
        assert shown(made) == wanted


def one(state: Waiting | Running | Terminated, **more: Any) -> Record:
    return Record(NOW, (Container("main", "image", state),), **more)


def test_a_container_that_waits_keeps_the_pod_pending() -> None:
    both = (Container("a", "", Running(NOW)), Container("b", "", Waiting("CreateContainerConfigError", "why")))
    made = status_of(Record(NOW, both, sandbox=True), generation=None, address="a", before={}, now=NOW)
    assert made["phase"] == "Pending"
    assert "observedGeneration" not in made


@pytest.mark.parametrize(("code", "phase", "reason"), [(0, "Succeeded", None), (143, "Failed", "Terminated")])
def test_a_disruption_hides_behind_exit_code_0(code: int, phase: str, reason: str | None) -> None:
    """The condition tells of it in both cases, the reason only when the pod failed: so a kubelet has it."""
    fate = Fate("Terminated", "node shutdown", "TerminationByKubelet")
    made = status_of(
        one(Terminated(code, "x", started=NOW), fate=fate, over=True), generation=1, address="a", before={}, now=NOW
    )
    assert (made["phase"], made.get("reason")) == (phase, reason)
    assert made["conditions"][0]["type"] == "DisruptionTarget"


def test_conditions_keep_their_time() -> None:
    before = status_of(one(Waiting("x")), generation=1, address="a", before={}, now=NOW - 60)["conditions"]
    made = status_of(
        one(Running(NOW), sandbox=True), generation=1, address="a", before={c["type"]: c for c in before}, now=NOW
    )
    since = {c["type"]: c["lastTransitionTime"] for c in made["conditions"]}
    assert since["Initialized"] == timestamp(NOW - 60)
    assert since["Ready"] == timestamp(NOW)


def test_times() -> None:
    assert timestamp(NEVER) == "1970-01-01T00:00:00Z"
    assert timestamp(None) is None
    assert seconds("2026-11-21T12:00:02Z") == int(NOW)
