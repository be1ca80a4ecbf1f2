"""From the claim's answer to what is run: where everything is, what goes over what."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.pod.assignment import NoEntrypointError, assign, given_up_last
from penstock.pod.intent import Intent
from tests.support.pod_server import UID, flow_run

FLOW = {"entrypoint": "etl.py:etl", "parameters": {"day": "today", "limit": 10}}


def test_a_flow_of_a_mounted_revision() -> None:
    run = flow_run(flowRef={"name": "etl"}, parameters={"day": "2026-11-21", "extra": None}, displayName="Daily")
    given = assign(run, FLOW, None)
    assert given.entrypoint == "etl.py:etl"
    assert given.inline is None
    assert given.parameters == {"day": "2026-11-21", "limit": 10, "extra": None}
    assert (given.flow_name, given.display_name, given.lineage) == ("etl", "Daily", UID)


def test_a_flow_of_its_own_brings_its_source() -> None:
    spec = {"entrypoint": "hello.py:hello", "source": {"inline": "code"}, "parameters": {"name": "world"}}
    given = assign(flow_run(flowSpec=spec), FLOW, None)
    assert (given.entrypoint, given.inline, given.parameters) == ("hello.py:hello", "code", {"name": "world"})


def test_parameters_are_merged_at_the_top_level_only_and_null_is_a_value() -> None:
    spec = {"entrypoint": "a:b", "parameters": {"a": {"x": 1, "y": 2}, "b": 1, "c": 1}}
    given = assign(flow_run(flowSpec=spec, parameters={"a": {"x": 3}, "b": None}), None, None)
    assert given.parameters == {"a": {"x": 3}, "b": None, "c": 1}


def test_the_entrypoint_of_the_environment_wins() -> None:
    assert assign(flow_run(flowSpec={"entrypoint": "a:b"}), None, "c:d").entrypoint == "c:d"


def test_without_any_entrypoint() -> None:
    with pytest.raises(NoEntrypointError, match=r"flow\.json"):
        assign(flow_run(flowRef={"name": "etl"}), None, None)


@pytest.mark.parametrize(
    ("spec", "field", "want"),
    [
        ({"context": {"a": 1}}, "context", {"a": 1}),
        ({"inputs": {"approve": True}}, "inputs", {"approve": True}),
        ({"desiredState": "Paused"}, "desired", Intent.PAUSED),
        ({}, "desired", Intent.RUNNING),
        ({"parameters": None}, "parameters", {}),
        ({"context": "nonsense"}, "context", {}),
    ],
)
def test_the_rest_of_the_spec(spec: dict[str, Any], field: str, want: object) -> None:
    assert getattr(assign(flow_run(flowSpec={"entrypoint": "a:b"}, **spec), None, None), field) == want


def test_the_lineage_is_the_one_of_the_status_and_the_uid_where_it_is_absent() -> None:
    run = flow_run(flowSpec={"entrypoint": "a:b"})
    run["status"]["lineage"] = "of-another-run"
    assert assign(run, None, None).lineage == "of-another-run"
    del run["status"]["lineage"]
    assert assign(run, None, None).lineage == UID


def test_what_was_taken_over_goes_between_the_flows_and_the_runs_own() -> None:
    run = flow_run(flowRef={"name": "etl"}, parameters={"day": "2026-11-21"})
    run["status"]["parameters"] = '{"day": "before", "limit": null, "rows": 12345678901234567890}'
    assert assign(run, FLOW, None).parameters == {"day": "2026-11-21", "limit": None, "rows": 12345678901234567890}


@pytest.mark.parametrize("text", ["[1]", "{", '"a"', "1"])
def test_what_was_taken_over_cannot_be_read(text: str) -> None:
    run = flow_run(flowRef={"name": "etl"})
    run["status"]["parameters"] = text
    with pytest.raises(ValueError, match=r"status\.parameters is no JSON object"):
        assign(run, FLOW, None)


@pytest.mark.parametrize(
    ("attempts", "number"),
    [
        (None, 0),
        ("nonsense", 0),
        ([None, {"state": "Scheduled"}, {"number": "1", "state": "Scheduled"}], 0),
        ([{"number": 1, "state": "Scheduled"}, {"number": 2, "state": "Crashed"}], 1),
        ([{"number": 1, "state": "Scheduled"}, {"number": 2, "state": "Scheduled"}], 2),
        ([{"number": 1, "state": "Crashed", "reason": "Interrupted"}], 0),
    ],
)
def test_after_which_attempt_was_waited(attempts: object, number: int) -> None:
    assert given_up_last({"status": {"attempts": attempts}}) == number
