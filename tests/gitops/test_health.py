"""What Argo CD, Flux and Helm make of Flows and FlowRuns in every state: the real Lua interpreter, and kstatus itself.

Both are Go programs beside this file, built from Go modules; they need `go` on PATH, and PENSTOCK_GO=1 since the first build takes a minute.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock_operator.api.crd import UNSEEN
from penstock_operator.api.flowrun import State, StateType
from penstock_operator.core.conditions import conditions
from penstock_operator.core.flows.decide import decide
from penstock_operator.core.flows.model import FlowObserved
from penstock_operator.core.model import MISSING, UNKNOWN, ConfigMap
from penstock_operator.core.verdict import Degraded
from tests.support.builders import NOW, flow, flow_json, flow_spec, run_json

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
JSON = dict[str, Any]


def of_run(type_: StateType, name: str = "", *, behind: bool = False, degraded: bool = False) -> JSON:
    """A FlowRun in a state; `behind`: its spec was changed after the operator looked."""
    state = State(type=type_, name=name or type_.value, message="why", since=NOW, time=NOW)
    trouble = Degraded("ImagePullBackOff", "no such image") if degraded else None
    status = {
        "observedGeneration": 1,
        "state": state.to_json(),
        "conditions": [c.to_json() for c in conditions(None, state, trouble, 1, NOW)],
    }
    return run_json(None, status, generation=2 if behind else 1)


def of_flow(held: Any = None, *, behind: bool = False, **spec: Any) -> JSON:
    made = flow({**flow_spec(), **spec}, generation=1)
    status = decide(FlowObserved(made, NOW, source=held if held is not None else UNKNOWN)).status
    assert status is not None
    return {**flow_json({**flow_spec(), **spec}, generation=2 if behind else 1), "status": status.to_json()}


def deleted(body: JSON) -> JSON:
    return {**body, "metadata": {**body["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}


LARGE = ConfigMap("code", {"a.py": "x" * 900_001})
FILES: dict[str, Any] = {"source": {"configMap": {"name": "code"}}}
GOOD, WRONG = {"name": "good", "cron": "0 6 * * *"}, {"name": "wrong", "cron": "99 99 * * *"}
NEW_RUN = {**run_json(None, None, generation=1), "status": UNSEEN}
NEW_FLOW = {**flow_json(generation=1), "status": UNSEEN}


@dataclass(frozen=True)
class Row:
    """An object, and what the tools must say."""

    id: str
    make: Callable[[], JSON]
    argo: str
    kstatus: str


S = StateType
ROWS = [
    Row("created a moment ago", lambda: NEW_RUN, "Progressing", "InProgress"),
    Row("Scheduled", lambda: of_run(S.SCHEDULED), "Progressing", "InProgress"),
    Row("AwaitingRetry", lambda: of_run(S.SCHEDULED, "AwaitingRetry"), "Progressing", "InProgress"),
    Row("Pending", lambda: of_run(S.PENDING), "Progressing", "InProgress"),
    Row("Pending, no such image yet", lambda: of_run(S.PENDING, "ImagePullBackOff", degraded=True), "Progressing", "InProgress"),
    Row("Running", lambda: of_run(S.RUNNING), "Progressing", "InProgress"),
    Row("Paused", lambda: of_run(S.PAUSED), "Suspended", "InProgress"),
    Row("Suspended", lambda: of_run(S.PAUSED, "Suspended"), "Suspended", "InProgress"),
    Row("Paused, and answered a moment ago", lambda: of_run(S.PAUSED, behind=True), "Progressing", "InProgress"),
    Row("Cancelling", lambda: of_run(S.CANCELLING), "Progressing", "InProgress"),
    Row("Completed", lambda: of_run(S.COMPLETED), "Healthy", "Current"),
    Row("Completed from a cache", lambda: of_run(S.COMPLETED, "Cached"), "Healthy", "Current"),
    Row("Failed", lambda: of_run(S.FAILED), "Degraded", "Failed"),
    Row("TimedOut", lambda: of_run(S.FAILED, "TimedOut"), "Degraded", "Failed"),
    Row("Cancelled", lambda: of_run(S.CANCELLED), "Degraded", "InProgress"),
    Row("Crashed", lambda: of_run(S.CRASHED, "OOMKilled"), "Degraded", "Failed"),
    Row("being deleted", lambda: deleted(of_run(S.RUNNING)), "Progressing", "Terminating"),
    Row("Flow, created a moment ago", lambda: NEW_FLOW, "Progressing", "InProgress"),
    Row("Flow, usable", of_flow, "Healthy", "Current"),
    Row("Flow, its source not there yet", lambda: of_flow(MISSING, **FILES), "Progressing", "InProgress"),
    Row("Flow, its source too large", lambda: of_flow(LARGE, **FILES), "Degraded", "Failed"),
    Row("Flow, suspended", lambda: of_flow(suspend=True), "Healthy", "Current"),
    Row("Flow, one schedule of two wrong", lambda: of_flow(schedules=[GOOD, WRONG]), "Degraded", "Failed"),
    Row("Flow, changed a moment ago", lambda: of_flow(behind=True), "Progressing", "InProgress"),
]  # fmt: skip


@cache
def program(name: str) -> Path:
    """Build one of the Go programs, once."""
    if not os.environ.get("PENSTOCK_GO") or not shutil.which("go"):
        pytest.skip("Argo CD's interpreter and kstatus are Go programs: set PENSTOCK_GO=1, with go on PATH")
    target = ROOT / "build/gitops" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["go", "build", "-o", str(target), "."], cwd=HERE / name, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return target


def answers(name: str, questions: list[JSON]) -> list[JSON]:
    lines = "".join(json.dumps(q) + "\n" for q in questions)
    done = subprocess.run([str(program(name))], input=lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.timeout(600)
def test_argo_cd() -> None:
    """Healthy means that it is done, for a sync wave as for a hook."""
    folder = ROOT / "gitops/argocd/health"
    objects = [row.make() for row in ROWS]
    found = answers("lua", [{"script": str(folder / f"{o['kind']}.lua"), "object": o} for o in objects])
    assert {row.id: answer["status"] for row, answer in zip(ROWS, found, strict=True)} == {r.id: r.argo for r in ROWS}
    assert all(answer["message"] not in ("nil", "") for answer in found)


@pytest.mark.timeout(600)
def test_kstatus() -> None:
    """Current means that it is done: what Helm's --wait, Flux and cli-utils wait for."""
    found = answers("kstatus", [row.make() for row in ROWS])
    assert {row.id: answer["status"] for row, answer in zip(ROWS, found, strict=True)} == {
        r.id: r.kstatus for r in ROWS
    }
    # Why there is a status from the creation on: without it, and without conditions, it would be done at once.
    assert answers("kstatus", [{**NEW_RUN, "status": {}}])[0]["status"] == "Current"


def test_the_config_map_holds_the_scripts() -> None:
    """What is to be pasted into argocd-cm is what was tested."""
    data = yaml.safe_load((ROOT / "gitops/argocd/argocd-cm.yaml").read_text())["data"]
    for kind in ("Flow", "FlowRun"):
        script = (ROOT / f"gitops/argocd/health/{kind}.lua").read_text()
        assert data[f"resource.customizations.health.penstock.dev_{kind}"] == script


def test_flux_says_the_same() -> None:
    """Its expressions, by a CEL library, on the same objects: exactly one holds, and it is kstatus's word."""
    cel = pytest.importorskip("cel")
    document = yaml.safe_load((ROOT / "gitops/flux/healthchecks.yaml").read_text())
    checks = {check["kind"]: check for check in document["spec"]["healthCheckExprs"]}
    words = {"current": "Current", "failed": "Failed", "inProgress": "InProgress"}
    for row in ROWS:
        made = row.make()
        if row.kstatus == "Terminating":
            continue
        holds = [
            word
            for key, word in words.items()
            if cel.evaluate(checks[made["kind"]][key], {"status": made["status"], "metadata": made["metadata"]})
        ]
        # kstatus knows no end that is neither wanted nor an error; an expression does.
        assert ("Failed" if row.id == "Cancelled" else row.kstatus) in holds, row.id
        assert len(holds) == 1 or made["kind"] == "Flow", row.id
