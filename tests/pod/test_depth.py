"""What a spec may hold, however deep: the claim survives it, and what is too deep is refused in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.kube import jsontext
from penstock.kube.client import _parse
from penstock.pod.assignment import TooDeepError, assign
from penstock.pod.pauses import digest, validated
from penstock_operator.core import canonical
from penstock_operator.core.pause import input_hash
from penstock_operator.runtime import jsontext as operators
from tests.pod.conftest import StartPod
from tests.support.pod_server import PodServer, flow_run

FLOW = {"entrypoint": "etl.py:etl"}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def text(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize("levels", [1, 99, 500, 2_000, 9_000])
@pytest.mark.parametrize("kind", ["objects", "lists"])
def test_an_answer_is_read_however_deep_it_is(levels: int, kind: str) -> None:
    """And everything beside the deep value is there."""
    deep = text(levels) if kind == "objects" else "[" * levels + "]" * levels
    answer = _parse(f'{{"spec": {{"inputs": {{"x": {deep}}}}}, "status": {{"says": "] }} [ \\""}}}}'.encode())
    assert answer["status"] == {"says": '] } [ "'}
    assert jsontext.too_deep(answer["spec"]["inputs"]["x"]) == (levels > jsontext.DEEPEST)


def test_both_sides_bound_depth_alike() -> None:
    """By the same numbers and the same hash: an answer that is too deep for one is too deep for the other."""
    assert (jsontext.DEEPEST, jsontext.CUT_LEVELS) == (canonical.DEEPEST, operators.CUT_LEVELS)
    values: tuple[Any, ...] = (
        nested(99),
        nested(100),
        nested(101),
        nested(500),
        [[]],
        {},
        "\ud800",
        None,
        {"b": 1, "a": [2.5]},
    )
    for value in values:
        assert jsontext.too_deep(value) == canonical.too_deep(value)
        assert digest(value) == input_hash(value)


@pytest.mark.parametrize("field", ["parameters", "context"])
def test_what_is_too_deep_is_told(field: str) -> None:
    deep: dict[str, Any] = {field: {"x": nested(150)}}
    allowed: dict[str, Any] = {field: {"x": nested(90)}}
    with pytest.raises(TooDeepError, match=f"{field} is nested deeper than 100 levels"):
        assign(flow_run(flowRef={"name": "etl"}, **deep), FLOW, None)
    assert getattr(assign(flow_run(flowRef={"name": "etl"}, **allowed), FLOW, None), field) == {"x": nested(90)}


def test_a_flows_own_parameters_count() -> None:
    with pytest.raises(TooDeepError, match="parameters"):
        assign(flow_run(flowRef={"name": "etl"}), {**FLOW, "parameters": {"x": nested(150)}}, None)


def test_inputs_that_nobody_asks_for_hold_up_nothing() -> None:
    """An answer that is too deep is the pause's matter."""
    assert assign(flow_run(flowRef={"name": "etl"}, inputs={"x": nested(150)}), FLOW, None).entrypoint == "etl.py:etl"
    with pytest.raises(ValueError, match="nested deeper than 100 levels"):
        validated(None, nested(150))


@pytest.mark.parametrize("deep", [text(9_000), "[" * 9_000 + "]" * 9_000])
def test_a_pod_claims_and_runs_with_inputs_of_nine_thousand_levels(
    start: StartPod, server: PodServer, deep: str
) -> None:
    server.values["@deep"] = deep
    server.change(lambda run: run["spec"].update(inputs={"x": "@deep"}))
    pod = start("@flow\ndef main():\n    mark('body')\n    return 3\n")
    assert pod.wait() == 0, pod.output
    assert server.accepted[-1]["type"] == "Completed"


@pytest.mark.parametrize("field", ["parameters", "context"])
def test_a_pod_refuses_what_is_too_deep_in_words(start: StartPod, server: PodServer, field: str) -> None:
    """Before any user code."""
    server.values["@deep"] = text(9_000)
    server.change(lambda run: run["spec"].update({field: {"x": "@deep"}}))
    pod = start("@flow\ndef main(x=None):\n    mark('body')\n")
    pod.wait()
    outcome = server.accepted[-1]
    assert (outcome["type"], outcome["name"]) == ("Failed", "InvalidParameters")
    assert outcome["message"] == f"{field} is nested deeper than 100 levels"
    assert not pod.has_mark("body")


def test_a_pause_tells_of_an_answer_that_is_too_deep(start: StartPod, server: PodServer) -> None:
    """It goes on waiting for one that it can use."""
    server.values["@deep"] = text(9_000)
    server.change(lambda run: run["spec"].update(inputs={"approve": "@deep"}))
    pod = start("from penstock import pause_flow_run\n@flow\ndef main():\n    return pause_flow_run(key='approve')\n")
    told = server.wait(lambda: ((server.report or {}).get("pause") or {}).get("input", {}).get("error"))
    assert told == "the answer is nested deeper than 100 levels"
    assert (server.report or {})["pause"]["seen"] == input_hash(json.loads(text(150)))
    server.change(lambda run: run["spec"].update(inputs={"approve": "yes"}))
    pod.intend("Running 12345678")
    assert pod.wait() == 0, pod.output
    assert server.accepted[-1]["result"] == {"json": '"yes"', "type": "str", "kept": True}
