"""What an operator has not written, and numbers at their edges: every status that the CRD takes is decided, healed where that can be told.

Statuses are drawn from the CRD's own schema, so that a new field can't be forgotten; each goes through the core with everything that it asks for,
in a world with and without its pod, and must come to rest in few writes, none of which the CRD refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import penstock_operator
from penstock_operator.api import constants as k
from penstock_operator.api.crd import FLOW, FLOW_RUN
from penstock_operator.api.flowrun import FlowRun
from penstock_operator.api.reading import read_flow, read_run
from penstock_operator.api.schema import structural
from penstock_operator.core.healing import heal
from penstock_operator.core.pod import pod_name
from tests.support.builders import NOW, at, flow_json, flow_spec, run_json
from tests.support.copies import copied
from tests.support.crdcheck import FLOWS, RUNS
from tests.support.stage import Stage, World

JSON = dict[str, Any]
STATUS = structural(FLOW_RUN.status)
SPEC = {"FlowRun": structural(FLOW_RUN.spec), "Flow": structural(FLOW.spec)}
NAME = pod_name(FlowRun.model_validate(run_json()), 1)
WRITES = 8

# Values that look like a status more often than chance would have them.
LIKELY: dict[str, list[Any]] = {
    "podName": [NAME, pod_name(FlowRun.model_validate(run_json()), 2), "other", ""],
    "podUID": ["pod-1", "other"],
    "number": [1, 2, 3, 11, 2**31 - 1],
    "attempt": [1, 2, 2**31 - 1],
    "revision": ["etl-0123456789", ""],
    "name": ["Running", "Submitting", "Terminating", "AwaitingRetry", "Starting", "Paused", "Suspended", "Odd", "etl"],
    "reason": ["Interrupted", "Evicted", "Odd"],
    "message": ["", "activeDeadlineSeconds (5 s) passed", "x; attempt 2 of 3"],
}
TIMES = [at(), at(-30), at(-100_000), at(50), "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2200-01-01T00:00:00Z"]


def values(schema: JSON, name: str = "") -> st.SearchStrategy[Any]:
    """Draw what a schema takes."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if kind == "object":
        return objects(schema)
    if kind == "array":
        keys = schema.get("x-kubernetes-list-map-keys")
        unique = (lambda item: tuple(item[key] for key in keys)) if keys else None
        return st.lists(values(schema["items"], name), max_size=3, unique_by=unique)
    if kind == "boolean":
        return st.booleans()
    if kind == "integer":
        low, high = schema.get("minimum", -(2**31)), schema.get("maximum", 2**31 - 1)
        likely = [n for n in LIKELY.get(name, [0, 1, 5, low, high]) if isinstance(n, int) and low <= n <= high]
        return st.sampled_from(likely)
    if kind == "number":
        return st.sampled_from([0, 0.5, 1e9])
    if schema.get("format") == "date-time":
        return st.sampled_from(TIMES)
    if "pattern" in schema:
        return st.sampled_from(
            ["Running", "Terminating", "Submitting", "AwaitingRetry", "Starting", "Suspended", "Odd"]
        )
    room = schema["maxLength"]
    texts = [text for text in LIKELY.get(name, ["", "a", "etl", "\x85 \u2028", "x" * room]) if isinstance(text, str)]
    return st.sampled_from([text[:room] for text in texts])


def objects(schema: JSON) -> st.SearchStrategy[JSON]:
    """Draw an object with some of its fields."""
    if "properties" not in schema:
        return st.sampled_from([{}, {"a": 1}, {"type": "object"}])
    fields = {name: values(node, name) for name, node in schema["properties"].items()}
    needed = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: drawn for name, drawn in fields.items() if name in needed},
        optional={name: drawn for name, drawn in fields.items() if name not in needed},
    )


SPECS: list[JSON] = [
    {"flowSpec": flow_spec()},
    {"flowRef": {"name": "etl"}},
    {"flowRef": {"name": "etl"}, "desiredState": "Cancelled"},
    {"flowSpec": flow_spec(), "runPolicy": {"activeDeadlineSeconds": 10, "retention": {"podSeconds": 0}}},
    {"flowSpec": flow_spec(), "desiredState": "Suspended"},
]


class Checked(Stage):
    """A stage whose API server takes what the CRD takes."""

    def write(self, decision: Any) -> None:
        old = copied(self.run.get("status", {}))
        super().write(decision)
        wrong = RUNS.wrong_status(self.run["status"], old)
        assert wrong == [], wrong


def decided(run: JSON, *, pod: JSON | None, flow: JSON | None, waits: tuple[float, ...] = (0, 45, 400)) -> Checked:
    """Let the operator decide until it rests, and wait, and decide again."""
    stage = Checked(World(copied(run), flow=flow))
    if pod is not None:
        stage.world.pods[pod["metadata"]["name"]] = copied(pod)
    for seconds in waits:
        stage.wait(seconds)
        if stage.world.run is not None:
            _settle(stage)
    return stage


def _settle(stage: Stage) -> None:
    """Until nothing is left to do, or the run's own retention has taken it away."""
    for _ in range(WRITES):
        before = len(stage.writes)
        stage.step()
        if stage.world.run is None or len(stage.writes) == before:
            return
    raise AssertionError(f"no fixpoint: {stage.writes}")


def a_pod(status: JSON) -> JSON:
    """The pod that the status names, as a kubelet may show it."""
    name = status.get("attempt", {}).get("podName") or NAME
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": "pod-1",
            "resourceVersion": "7",
            "annotations": {k.ANNOTATION_INTENT: "Running"},
            "labels": {},
            "ownerReferences": [{"uid": run_json()["metadata"]["uid"], "controller": True}],
        },
        "spec": {"nodeName": "n", "containers": [{"name": "engine", "image": "x"}]},
        "status": {
            "phase": "Running",
            "startTime": at(-20),
            "containerStatuses": [{"name": "engine", "state": {"running": {"startedAt": at(-20)}}, "lastState": {}}],
        },
    }


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(status=objects(STATUS), spec=st.sampled_from(SPECS), with_pod=st.booleans())
@example(status={"attempt": {"number": 5, "podName": "x"}}, spec=SPECS[0], with_pod=False)
@example(
    status={"attempts": [{"number": 7}], "state": {"type": "Running", "name": "Running"}}, spec=SPECS[1], with_pod=False
)
@example(status={"state": {"type": "Completed", "name": "Completed"}}, spec=SPECS[0], with_pod=True)
@example(status={"state": {"type": "Pending", "name": "ConfigError"}}, spec=SPECS[4], with_pod=False)
@example(status={"completionTime": at(), "state": {"type": "Running", "name": "Running"}}, spec=SPECS[0], with_pod=True)
@example(
    status={
        "report": {"attempt": 1, "instance": "", "type": "Completed"},
        "state": {"type": "Scheduled", "name": "Odd"},
    },
    spec=SPECS[0],
    with_pod=False,
)
def test_any_status_is_decided_in_few_writes(status: JSON, spec: JSON, with_pod: bool) -> None:
    run = run_json(spec, status)
    if RUNS.wrong(run):
        return  # the CRD's own rules refuse it
    stage = decided(run, pod=a_pod(status) if with_pod else None, flow=flow_json())
    if stage.world.run is not None:
        state = stage.status.get("state")
        assert state is not None
        healed = heal(read_run(stage.run), stage.now)
        assert not healed.notes, "what was put right stays right"
        assert stage.decision.requeue_at is None or stage.decision.requeue_at - stage.now < timedelta(days=3_000_000)


def test_a_terminal_state_without_its_end_gets_one() -> None:
    stage = decided(run_json(status={"state": {"type": "Failed", "name": "Failed"}}), pod=None, flow=None)
    assert stage.status["completionTime"] == at()
    assert [e.reason for e in stage.emitted] == ["StatusRepaired"]


def test_what_was_judged_is_never_begun_again() -> None:
    """An attempt that somebody took away from the status is followed by the next, not by itself."""
    stage = decided(run_json(status={"attempts": [{"number": 4}]}), pod=None, flow=None)
    assert stage.status["attempt"]["number"] == 5
    assert [name for verb, name in stage.writes if verb == "create-pod"] == [pod_name(read_run(stage.run), 5)]


OPERATOR = Path(penstock_operator.__file__).parent
# Elsewhere they overflow, or read what no API server means.
ELSEWHERE = re.compile(r"\btimedelta\(|\bfromisoformat\(|\bastimezone\(|\bstrptime\(|datetime\.(min|max)\b")


def test_times_are_read_and_waits_are_added_in_one_place() -> None:
    modules = [*OPERATOR.glob("api/*.py"), *OPERATOR.glob("core/*.py")]
    assert len(modules) > 40
    using = {path.name for path in modules if ELSEWHERE.search(path.read_text())}
    assert using == {"times.py"}


# --- numbers ------------------------------------------------------------------------------------------------------------------------------


def numbers(schema: JSON, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], JSON]]:
    """Every integer of a schema, with the way to it."""
    if schema.get("type") == "integer":
        yield path, schema
    for name, node in schema.get("properties", {}).items():
        yield from numbers(node, (*path, name))
    if isinstance(schema.get("items"), dict):
        yield from numbers(schema["items"], (*path, "[]"))


def holding(path: tuple[str, ...], value: Any, schema: JSON) -> Any:
    """The least object that has a value at a place."""
    if not path:
        return value
    head, *rest = path
    if head == "[]":
        return [holding(tuple(rest), value, schema["items"])]
    node = schema["properties"][head]
    fields = {name: _least(schema["properties"][name]) for name in schema.get("required", ()) if name != head}
    return {**fields, head: holding(tuple(rest), value, node)}


def _least(schema: JSON) -> Any:
    return {"integer": schema.get("minimum", 1), "string": (schema.get("enum") or ["a:f"])[0]}.get(
        schema.get("type", ""), {}
    )


EDGES = [2**63 - 1, 1e15]
SPEC_NUMBERS = [(kind, path, node) for kind, schema in SPEC.items() for path, node in numbers(schema)]


@pytest.mark.parametrize(
    ("kind", "path", "node"), SPEC_NUMBERS, ids=lambda v: ".".join(v) if isinstance(v, tuple) else ""
)
def test_every_number_of_a_spec_is_decided_at_its_bounds_and_beyond(
    kind: str, path: tuple[str, ...], node: JSON
) -> None:
    """The CRD refuses what lies beyond; where an older one did not, it counts as the bound."""
    low, high = node["minimum"], node["maximum"]
    for value in [low, high, low - 1, high + 1, *EDGES]:
        spec = holding(path, value, SPEC[kind])
        taken = low <= value <= high
        if kind == "FlowRun":
            run = run_json(
                {"flowSpec": flow_spec(), **spec}
                if "flowSpec" not in spec
                else {"flowSpec": {**spec["flowSpec"], **flow_spec()}}
            )
            flow = None
            assert (RUNS.wrong(run) == []) is taken, value
            assert read_run(run).unreadable == ()
        else:
            flow = flow_json({**flow_spec(), **{name: field for name, field in spec.items() if name != "entrypoint"}})
            run = run_json({"flowRef": {"name": "etl"}})
            assert ([w for w in FLOWS.wrong(flow) if path[-1] in w] == []) is taken, value
            assert read_flow(flow).unreadable == ()
        stage = decided(run, pod=None, flow=flow, waits=(0,))
        if stage.world.run is not None:
            assert stage.status["state"]["message"]
            stage.world.patch_spec(desiredState="Cancelled")
            _settle(stage)


STATUS_NUMBERS = list(numbers(STATUS))


@pytest.mark.parametrize(("path", "node"), STATUS_NUMBERS, ids=lambda v: ".".join(v) if isinstance(v, tuple) else "")
def test_every_number_of_a_status_is_decided_at_its_bounds(path: tuple[str, ...], node: JSON) -> None:
    for value in {node.get("minimum", -(2**31)), 2**31 - 1 if node.get("format") == "int32" else 2**63 - 1, 1}:
        status = holding(path, value, STATUS)
        status.setdefault("state", {"type": "Scheduled", "name": "AwaitingRetry"})
        run = run_json(status=status)
        if not RUNS.wrong(run):
            assert decided(run, pod=a_pod(status), flow=None).status["state"]


def test_the_fuzz_can_fail() -> None:
    """An attempt under another name than its pod's goes in circles, if nobody puts it right."""
    run = read_run(run_json(status={"attempt": {"number": 5, "podName": "x"}}))
    assert heal(run, NOW).notes
    assert heal(run, NOW).run.status.attempt is not None
    assert heal(heal(run, NOW).run, NOW).notes == ()
