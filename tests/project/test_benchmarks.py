"""The pure parts of the benchmarks: statistics and verdicts, what a command asks for, how the server's log and a watch's lines are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main, parts
from benchmarks.engine.running import HERE, least, measure, medians, sides_of
from benchmarks.engine.table import rows
from benchmarks.measure import Figure, percentile
from benchmarks.operator import ROWS
from benchmarks.operator.against import against
from benchmarks.operator.audit import JOB_CONTROLLER, OPERATOR, counted
from benchmarks.operator.kinds import JOB, PENSTOCK, name_in, version_in
from benchmarks.operator.profile import requests
from benchmarks.operator.seed import copies, key_of
from benchmarks.operator.stacks import CONCERNS, KINDS, REST, ROOMS, of_collapsed, of_traces, shares
from benchmarks.operator.standing import flips
from benchmarks.operator.throughput import Side
from penstock_operator.api.flowrun import FlowRun
from penstock_operator.core.pod import pod_name


def test_percentiles_are_samples() -> None:
    assert percentile([3.0], 99) == 3.0
    hundred = [float(n) for n in range(100, 0, -1)]
    assert (percentile(hundred, 50), percentile(hundred, 99), percentile(hundred, 100)) == (50, 99, 100)
    assert percentile([*hundred, 0.0], 99) == 99


@pytest.mark.parametrize(
    ("goal", "statistic", "at_least", "value", "met", "words"),
    [
        (2.0, "median", False, 2.0, True, "goal <= 2      meets"),
        (1.0, "median", False, 2.0, False, "misses by 2.00x"),
        (2.5, "max", False, 3.0, False, "misses by 1.20x"),
        (3.0, "p99", False, 3.0, True, "meets"),
        (2.0, "median", True, 2.0, True, "goal >= 2      meets"),
        (4.0, "median", True, 2.0, False, "misses by 2.00x"),
        (None, "median", False, 2.0, True, "median  "),
    ],
)
def test_a_figure_beside_its_goal(
    goal: float | None, statistic: str, at_least: bool, value: float, met: bool, words: str
) -> None:
    figure = Figure("thing", "s", goal, (1.0, 2.0, 3.0), statistic, at_least)
    assert (figure.value, figure.met) == (value, met)
    assert words in figure.row()
    assert {"value": value, "goal": goal, "met": met}.items() <= figure.to_json().items()


def test_what_a_command_asks_for() -> None:
    assert [part.name for part in parts(["operator", "burst", "writes"])] == ["operator/burst", "operator/writes"]
    assert [part.name for part in parts(["operator"])] == [f"operator/{row}" for row in ROWS]
    assert [part.name for part in parts(["dev"])] == ["dev"]
    assert {"pod", "dev", "operator/memory"} <= {part.name for part in parts([])}


@pytest.mark.parametrize("words", [["nonsense"], ["burst"], ["operator", "brst"]])
def test_what_there_is_not(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert f"no such benchmark: {words[-1]}" in capsys.readouterr().err


def test_the_costs_of_a_side() -> None:
    side = Side("FlowRun", PENSTOCK, rates=[600.0, 700.0, 500.0])
    side.costs = [{"operator": 10.0 * n, "kcm": 1.0, "apiserver": 50.0, "etcd": 5.0} for n in (1, 2, 3)]
    figures = {figure.name: figure for figure in side.figures("burst", operator=15, server=130)}
    assert figures["burst: FlowRun"].value == 600
    assert not figures["burst: FlowRun, CPU of operator a run"].met
    assert figures["burst: FlowRun, CPU of apiserver a run"].met
    job = Side("Job", JOB, rates=[1.0], costs=[{"kcm": 1.0, "apiserver": 1.0, "etcd": 1.0}])
    assert not [figure for figure in job.figures("burst") if "operator" in figure.name]


def line(verb: str, resource: str, user: str, *, sub: str = "", code: int = 200, namespace: str = "n") -> Any:
    reference = {"resource": resource, "namespace": namespace, **({"subresource": sub} if sub else {})}
    return {"verb": verb, "objectRef": reference, "user": {"username": user}, "responseStatus": {"code": code}}


def test_writes_are_counted_by_who_made_them() -> None:
    log = [
        line("patch", "flowruns", OPERATOR, sub="status"),
        line("create", "pods", OPERATOR),
        line("create", "events", OPERATOR),
        line("get", "configmaps", OPERATOR),
        line("patch", "flowruns", OPERATOR, sub="status", code=409),
        line("create", "pods", OPERATOR, namespace="other"),
        line("patch", "flowruns", "engine", sub="status"),
        line("patch", "pods", "kubelet", sub="status"),
        line("update", "jobs", JOB_CONTROLLER, sub="status"),
        {**line("list", "flowruns", OPERATOR), "objectRef": None},
    ]
    assert counted(log, "n") == {"controller": 3, "workload": 1}


def test_a_watchs_line_is_read_without_parsing_it() -> None:
    fields: dict[str, Any] = {"f:status": {'k:{"name":"engine"}': {}}, "f:name": {}}
    meta = {"managedFields": [{"fieldsV1": fields}], "name": "run-7", "ownerReferences": [{"name": "x"}]}
    said = json.dumps(
        {"type": "MODIFIED", "object": {"metadata": {**meta, "resourceVersion": "41"}}}, separators=(",", ":")
    ).encode()
    assert (name_in(said), version_in(said)) == ("run-7", "41")
    assert (name_in(b"{}"), version_in(b"{}")) == ("", "")


def test_copies_are_what_the_operator_would_have_made() -> None:
    meta = {"name": "model", "namespace": "n", "uid": "u", "resourceVersion": "5"}
    status = {"attempt": {"number": 1, "podName": "model-x-1", "podUID": "p"}, "report": {"instance": "i"}}
    run = {"kind": "FlowRun", "metadata": meta, "spec": {"flowRef": {"name": "f"}}, "status": status}
    pod = {
        "kind": "Pod",
        "metadata": {**meta, "name": "model-x-1", "labels": {}, "ownerReferences": [{"uid": "u"}]},
        "spec": {},
    }
    made = list(copies(run, pod, "copy", 2))
    assert [key_of(d).rsplit("/", 2)[0] for d in made] == ["/registry/penstock.dev/flowruns", "/registry/pods"] * 2
    first, its = made[0], made[1]
    parsed = FlowRun.model_validate({**first, "status": {}})
    assert its["metadata"]["name"] == first["status"]["attempt"]["podName"] == pod_name(parsed, 1)
    assert its["metadata"]["uid"] == first["status"]["attempt"]["podUID"] != made[3]["metadata"]["uid"]
    assert its["metadata"]["ownerReferences"][0]["uid"] == first["metadata"]["uid"]
    assert "resourceVersion" not in first["metadata"] | its["metadata"]
    assert len(list(copies(run, None, "alone", 3))) == 3


def test_a_flip_is_a_change_that_was_not_meant() -> None:
    before = {"a": "1", "b": "1", "c": "1"}
    assert flips(before, {"a": "1", "b": "2", "c": "1"}, frozenset("b")) == []
    assert flips(before, {"a": "2", "b": "2", "d": "1"}, frozenset("bc")) == ["a", "c", "d"]


TRACES = """File: kube-apiserver
Type: cpu
Duration: 4.10s, Total samples = 60ms ( 1.46%)
-----------+-------------------------------------------------------
      30ms   sigs.k8s.io/structured-merge-diff/v6/typed.AsTyped
             k8s.io/apimachinery/pkg/util/managedfields/internal.(*FieldManager).Update
             k8s.io/apiextensions-apiserver/pkg/registry/customresource.(*StatusREST).Update
-----------+-------------------------------------------------------
      20ms   runtime.scanobject
             runtime.gcBgMarkWorker
-----------+-------------------------------------------------------
         0.01s   crypto/tls.(*Conn).Write
             net/http.(*conn).serve
-----------+-------------------------------------------------------
"""


def test_a_profile_is_told_by_kind_and_by_concern() -> None:
    found = of_traces(TRACES)
    assert [(stack.weight, len(stack.frames)) for stack in found] == [(0.03, 3), (0.02, 2), (0.01, 2)]
    kinds, concerns = shares(found, KINDS), shares(found, CONCERNS)
    assert {name: round(part, 3) for name, part in kinds.items() if part} == {
        "collecting garbage": 0.333,
        "FlowRuns: status": 0.5,
        "connections and filters": 0.167,
    }
    assert round(concerns["managed fields"], 3) == 0.5
    assert sum(concerns.values()) == pytest.approx(1)
    assert shares([], KINDS) == {}, "where nobody could read the profile, nothing is told"


def test_the_operators_stacks_are_told_by_room() -> None:
    text = "main (a.py:1);settle (penstock_operator/runtime/controller.py:9);decide (penstock_operator/core/reconcile.py:3) 3\nidle (x.py:1) 1\n\n"
    found = shares(of_collapsed(text), ROOMS)
    assert (found["core: deciding"], found[REST]) == (0.75, 0.25)


def test_requests_are_counted_by_what_was_asked() -> None:
    metrics = """# TYPE apiserver_request_total counter
apiserver_request_total{code="200",component="apiserver",group="penstock.dev",resource="flowruns",subresource="status",verb="PATCH"} 40
apiserver_request_total{code="409",component="apiserver",group="penstock.dev",resource="flowruns",subresource="status",verb="PATCH"} 2
apiserver_request_total{code="201",component="apiserver",group="",resource="pods",subresource="",verb="POST"} 10
apiserver_request_duration_seconds_count{resource="pods"} 99
"""
    assert requests(metrics) == {"PATCH flowruns/status": 40, "PATCH flowruns/status 409": 2, "POST pods": 10}


def test_another_build_must_be_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("AGAINST", "/nowhere")
    assert against() == []
    assert "set AGAINST to a checkout of another build (now: /nowhere)" in capsys.readouterr().err


def test_a_row_is_run_by_each_build_in_turn(tmp_path: Path) -> None:
    scripts = tmp_path / "older" / "benchmarks" / "engine" / "rows"
    scripts.mkdir(parents=True)
    (scripts / "python_pass.py").write_text(
        "import os\nprint('{\"of_older\": 1, \"path\": %d}' % len(os.environ['PYTHONPATH']))\n"
    )
    sides = sides_of(None, [str(tmp_path / "older")])
    assert [(side.name, side.library, side.folder) for side in sides] == [
        ("penstock", "penstock", HERE), ("older", "penstock", tmp_path / "older"),
    ]  # fmt: skip
    seen = measure(rows()[0], 1, sides)
    assert "of_older" not in seen["penstock"][0]
    assert seen["older"][0]["path"] == len(str(tmp_path / "older" / "engine"))
    assert [side.name for side in sides_of("python", [])] == ["penstock", "prefect"]
    runs = [{"ms": 3.0, "kb": 7.0}, {"ms": 1.0}, {"ms": 2.0}]
    assert (medians(runs), least(runs)) == ({"ms": 2.0, "kb": 7.0}, {"ms": 1.0, "kb": 7.0})
