"""What the admission policies cost a write: the time that the API server counts for them, and that of its answers, with and without them.

    python -m benchmarks.admission [name=policies.yaml ...]

Each write is a dry run on a real API server (KUBEBUILDER_ASSETS): everything but etcd takes part. Other sets of policies (those of another
version, say) are named with a file each, and measured in the same turns.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from penstock_operator.api.admission import images_policy, policies
from tests.security.stage import TEMPLATE, Stage, flow, flow_run, staged
from tests.support.realserver import MISSING, RealServer, real_server
from tests.support.world import Answer, until

from .measure import Figure, save

ROUNDS = 5
WRITES = 150
GOAL = 1.0  # ms that all policies together may take of a write, which takes three to five
_SPENT = 'apiserver_admission_controller_admission_duration_seconds_sum{name="ValidatingAdmissionPolicy"'
_API = "/apis/admissionregistration.k8s.io/v1"
Write = Callable[[Stage], Answer]


def _change(actor: str, plural: str, name: str, sub: str, body: Any) -> Write:
    return lambda stage: stage.change(actor, plural, name, body, sub)


def _create(actor: str, body: dict[str, Any]) -> Write:
    return lambda stage: stage.create(actor, body)


WORK: Mapping[str, Write] = {
    "a run of a Flow": _create("editor", flow_run("x", flowRef={"name": "plain"}, parameters={"day": 1})),
    "a run with its source in a ConfigMap": _create(
        "admin", flow_run("x", flowSpec={"entrypoint": "a.py:f", "source": {"configMap": {"name": "private"}}})
    ),
    "a Flow with a template": _create("admin", flow("x", template=TEMPLATE)),
    "a report": lambda stage: stage.report("engine", "r"),
    "a status": _change("operator", "flowruns", "r", "status", {"status": {"state": {"message": "x"}}}),
}


def figures(others: Mapping[str, Sequence[dict[str, Any]]] | None = None) -> list[Figure]:
    """Measure each kind of write under each set of policies, in turns."""
    server = real_server()
    if not isinstance(server, RealServer):
        raise FileNotFoundError(MISSING)
    sets: dict[str, Sequence[dict[str, Any]]] = {"no policies": (), **(others or {}), "policies": policies()}
    sets["policies and restrict.images"] = [*policies(), *images_policy("[r'^registry\\.example/.*$']")]
    spent: dict[tuple[str, str], list[float]] = {}
    wall: dict[tuple[str, str], list[float]] = {}
    with staged(server) as stage:
        _remove(stage)
        for _ in range(ROUNDS):
            for name, documents in sets.items():
                _install(stage, documents)
                for what, write in WORK.items():
                    took, waited = _measure(stage, write)
                    spent.setdefault((name, what), []).append(took)
                    wall.setdefault((name, what), []).append(waited)
                _remove(stage)
    found = []
    for name in sets:
        for what in WORK:
            if name != "no policies":
                goal = GOAL if name.startswith("policies") else None
                found.append(Figure(f"{what}: spent in {name}", "ms", goal, tuple(spent[name, what])))
            found.append(Figure(f"{what}: answer with {name}", "ms", None, tuple(wall[name, what])))
    return found


def _measure(stage: Stage, write: Write) -> tuple[float, float]:
    """Return the milliseconds of a write that the server counts for policies, and the median of its answers' times."""
    for _ in range(10):
        assert write(stage).code in (200, 201)
    before, times = _spent(stage), []
    for _ in range(WRITES):
        begun = time.perf_counter()
        write(stage)
        times.append(1000 * (time.perf_counter() - begun))
    return 1000 * (_spent(stage) - before) / WRITES, statistics.median(times)


def _spent(stage: Stage) -> float:
    """Seconds that the server has spent in policies so far, by its own metrics."""
    token = {"Authorization": f"Bearer {stage.world.admin}"}
    lines = stage.world.client.get("/metrics", headers=token).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(_SPENT))


def _install(stage: Stage, documents: Sequence[dict[str, Any]]) -> None:
    stage.apply(documents)
    if documents:
        refused = flow("probe", template=TEMPLATE)
        until("the policies are in force", lambda: stage.create("editor", refused).code == 422)
        until("the policies are in force", lambda: stage.report("unbound", "waiting").code == 422)


def _remove(stage: Stage) -> None:
    for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
        for item in stage.world.call("GET", f"{_API}/{kind}").body["items"]:
            if item["metadata"]["name"].endswith(".penstock.dev"):
                stage.world.call("DELETE", f"{_API}/{kind}/{item['metadata']['name']}")
    allowed = flow("probe", template=TEMPLATE)
    until("the policies are gone", lambda: stage.create("editor", allowed).code == 201)
    until("the policies are gone", lambda: stage.report("unbound", "waiting").code == 200)


def main(words: Sequence[str]) -> int:
    """Measure, print a table, write JSON."""
    others = {
        name: list(yaml.safe_load_all(Path(file).read_text())) for name, _, file in (w.partition("=") for w in words)
    }
    found = figures(others)
    save("admission", found)
    for figure in found:
        print(figure.row(), flush=True)
    return int(not all(figure.met for figure in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
