"""The small policies, each by its own rule: run policy, parameters, revisions, hashes, budgets, bounds, the scheduler's words, parsing."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_operator.api.execution import RunPolicy
from penstock_operator.api.flowrun import FinishedAttempt, FlowRunSpec, FlowRunStatus, Used
from penstock_operator.core.budgets import backoff, count_loss, forgiven
from penstock_operator.core.canonical import canonical_json, digest
from penstock_operator.core.faults import Unusable
from penstock_operator.core.intent import Intent, parse_intent, wanted_intent
from penstock_operator.core.limits import cut, size, within_bounds
from penstock_operator.core.model import MISSING, ConfigMap, Look
from penstock_operator.core.observe import parse_event, parse_pod, parse_time
from penstock_operator.core.parameters import bad_parameter
from penstock_operator.core.policy import Policy, effective_parameters, effective_policy
from penstock_operator.core.reconcile import reconcile
from penstock_operator.core.revisions import (
    current_definition,
    of_flow,
    recorded_definition,
    revision_name,
)
from penstock_operator.core.spec_hash import spec_hash
from penstock_operator.core.unschedulable import parse_scheduler_message
from penstock_operator.core.verdict import Budget
from tests.support.builders import (
    SOURCE,
    at,
    files,
    flow,
    flow_spec,
    observed,
    pod,
    report,
    revision,
    run,
    running,
    status_json,
)
from tests.support.cases import decide, state_of

JSON = dict[str, Any]


def policy(**fields: Any) -> RunPolicy:
    return RunPolicy.model_validate(fields)


# --- run policy ---------------------------------------------------------------------------------------------------------------------------


def test_the_defaults_of_the_run_policy() -> None:
    assert effective_policy(None, None) == Policy(
        active_deadline=None,
        pending_deadline=None,
        image_pull_grace=300,
        grace=30,
        liveness=None,
        infrastructure=3,
        never_started=10,
        application=0,
        backoff_initial=10,
        backoff_maximum=300,
        keep_pods=86_400,
        keep_run=None,
    )


def test_a_runs_own_policy_wins_field_by_field() -> None:
    theirs = policy(
        gracePeriodSeconds=5,
        activeDeadlineSeconds=100,
        retries={"infrastructure": 1, "application": 2},
        backoff={"initialSeconds": 1},
        retention={"podSeconds": 7},
    )
    ours = policy(
        gracePeriodSeconds=0, retries={"infrastructure": 0}, backoff={"maximumSeconds": 9}, retention={"podSeconds": -1}
    )
    assert effective_policy(theirs, ours) == Policy(
        grace=0,
        active_deadline=100,
        infrastructure=0,
        application=2,
        backoff_initial=1,
        backoff_maximum=9,
        keep_pods=-1,
    )


def test_parameters_lie_over_each_other_at_the_top_level_and_null_is_a_value() -> None:
    assert effective_parameters({"a": {"x": 1}, "b": 1}, {"a": {"y": 2}, "b": None}) == {"a": {"y": 2}, "b": None}
    assert effective_parameters(None, None) == {}


@pytest.mark.parametrize(
    ("schema", "parameters", "says"),
    [
        (None, {"a": 1}, None),
        ({"required": ["a"]}, {"a": None}, None),
        ({"required": ["a"]}, {}, "parameters: 'a' is a required property"),
        ({"properties": {"a": {"type": "string"}}}, {"a": None}, "parameters.a: None is not of type 'string'"),
        (
            {"properties": {"rows": {"items": {"properties": {"id": {"minimum": 1}}}}}},
            {"rows": [{"id": 1}, {"id": 0}]},
            "parameters.rows[1].id: 0 is less than the minimum of 1",
        ),
        (
            {"additionalProperties": False},
            {"b": 1},
            "parameters: Additional properties are not allowed ('b' was unexpected)",
        ),
        (
            {"$defs": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/n"}}},
            {"a": "x"},
            "parameters.a: 'x' is not of type 'integer'",
        ),
    ],
)
def test_parameters_against_a_schema(schema: JSON | None, parameters: JSON, says: str | None) -> None:
    assert bad_parameter(schema, parameters) == says


CLOSED = {"properties": {"n": {"type": "integer"}, "on": {}}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "parameters", "hint"),
    [
        (CLOSED, {"false": 5}, "; YAML reads the key n as false: write 'n'"),
        (CLOSED, {"true": 5}, "; YAML reads the key on as true: write 'on'"),
        ({**CLOSED, "required": ["n"]}, {"false": 5, "on": 1}, "; YAML reads the key n as false: write 'n'"),
        (CLOSED, {"n": "x"}, ""),
        (CLOSED, {"off": 5}, ""),
        ({"properties": {"m": {}}, "additionalProperties": False}, {"false": 5}, ""),
        ({"properties": {"n": {}, "false": {"type": "string"}}}, {"false": 5}, ""),
    ],
)
def test_a_key_that_yaml_reads_as_a_truth_value(schema: JSON, parameters: JSON, hint: str) -> None:
    said = bad_parameter(schema, parameters) or ""
    assert said.startswith("parameters")
    assert said.partition(";")[1] + said.partition(";")[2] == hint


def test_a_long_value_is_not_told_whole() -> None:
    text = bad_parameter({"properties": {"a": {"type": "integer"}}}, {"a": "x" * 10_000})
    assert text is not None
    assert len(text) < 500
    assert text.endswith("is not of type 'integer'")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"properties": []},
        {"$ref": "https://example.com/x"},
        {"$ref": "#/nowhere"},
        {"$ref": "#"},
        {"properties": {"a": {"pattern": "("}}},
    ],
)
def test_a_schema_that_is_none(schema: JSON) -> None:
    with pytest.raises(Unusable, match="parametersSchema"):
        bad_parameter(schema, {"a": "x"})


# --- revisions ----------------------------------------------------------------------------------------------------------------------------


def test_a_revision_holds_the_flow_and_its_file() -> None:
    definition = of_flow(flow(flow_spec(parameters={"day": None}, description="not executed", suspend=True)), None)
    manifest = definition.manifest
    assert manifest is not None
    assert manifest["immutable"] is True
    assert manifest["data"] == {
        "flow.json": '{"entrypoint":"etl.py:main","parameters":{"day":null}}',
        "etl.py": SOURCE,
    }
    assert manifest["metadata"]["name"] == definition.revision
    assert re.fullmatch(r"etl-[0-9a-f]{10}", definition.revision or "")
    assert manifest["metadata"]["labels"]["penstock.dev/flow"] == "etl"
    assert manifest["metadata"]["ownerReferences"][0]["uid"] == "flow-1"


def test_what_is_not_executed_does_not_change_the_revision() -> None:
    first = of_flow(flow(flow_spec()), None).revision
    assert (
        of_flow(
            flow(flow_spec(description="x", suspend=True, schedules=[{"name": "s", "cron": "* * * * *"}])), None
        ).revision
        == first
    )
    assert of_flow(flow(flow_spec(image="x:2")), None).revision != first
    assert of_flow(flow({**flow_spec(), "source": {"inline": SOURCE + "\n"}}), None).revision != first


def test_the_data_of_the_source_is_part_of_the_revision() -> None:
    spec = {"entrypoint": "etl.py:main", "source": {"configMap": {"name": "code"}}}
    one, two = (of_flow(flow(spec), files({"etl.py": text})) for text in ("1", "2"))
    assert one.revision != two.revision
    assert one.manifest is not None
    assert one.manifest["data"]["etl.py"] == "1"
    renamed = {"entrypoint": "etl.py:main", "source": {"configMap": {"name": "code-2"}}}
    assert of_flow(flow(renamed), files({"etl.py": "1"})).revision == one.revision


def recorded(name: str, **more: Any) -> Any:
    status = status_json("Running", "Running", flow={"name": "etl", "revision": name})
    return observed(run({"flowRef": {"name": "etl"}}, status), **more)


def test_a_run_takes_its_recorded_revision() -> None:
    now = of_flow(flow(), None)
    assert now.revision is not None
    assert recorded_definition(recorded(now.revision, flow=flow())) == now
    before = flow(flow_spec(entrypoint="etl.py:old"))
    stored = revision(before)
    name = stored.name
    old = recorded_definition(recorded(name, flow=flow(), revision=stored))
    assert old is not None
    assert (old.execution.entrypoint, old.revision, old.manifest) == ("etl.py:old", name, None)
    assert recorded_definition(recorded(name, flow=flow(), revision=MISSING)) is None
    assert recorded_definition(recorded(name, revision=ConfigMap(name, {}))) is None


def test_the_name_that_is_looked_for() -> None:
    assert revision_name(recorded("etl-0123456789")) == "etl-0123456789"
    fresh = observed(run({"flowRef": {"name": "etl"}}), flow=flow())
    definition = current_definition(fresh)
    assert definition is not None
    assert revision_name(fresh) == definition.revision
    assert revision_name(observed(run({"flowRef": {"name": "etl"}}))) is None
    assert revision_name(observed(run())) is None


def test_the_spec_hash_covers_what_must_not_change() -> None:
    def hashed(**more: Any) -> str:
        return spec_hash(FlowRunSpec.model_validate({"flowSpec": flow_spec(), **more}))

    plain = hashed()
    assert len(plain) == 64
    for changeable in (
        {"desiredState": "Paused"},
        {"inputs": {"a": 1}},
        {"priority": 3},
        {"displayName": "x"},
        {"scheduledTime": at(5)},
    ):
        assert hashed(**changeable) == plain
    assert hashed(runPolicy={"retention": {"podSeconds": 1}}) == hashed(runPolicy={})
    fixed: JSON
    for fixed in (
        {"parameters": {"a": None}},
        {"context": {"a": 1}},
        {"image": "x"},
        {"env": [{"name": "A", "value": "1"}]},
        {"resources": {}},
        {"template": {}},
        {"rerunOf": {"name": "x"}},
        {"runPolicy": {"gracePeriodSeconds": 1}},
    ):
        assert hashed(**fixed) != plain


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda c: st.lists(c) | st.dictionaries(st.text(), c),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values))
def test_canonical_json_does_not_depend_on_the_order_of_keys(value: JSON) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical_json(backwards) == canonical_json(value)
    assert digest(backwards) == digest(value)


def nested(levels: int) -> JSON:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return {"a": value}


@pytest.mark.parametrize(
    ("spec", "state"),
    [
        ({"flowSpec": flow_spec(), "parameters": nested(90)}, "Pending/Submitting"),
        ({"flowSpec": flow_spec(), "parameters": nested(2000)}, "Failed/InvalidParameters"),
        ({"flowSpec": flow_spec(), "context": nested(300)}, "Failed/InvalidFlow"),
        ({"flowSpec": flow_spec(), "template": {"spec": nested(300)}}, "Failed/InvalidFlow"),
        ({"flowSpec": flow_spec(), "env": [{"name": "A", "valueFrom": nested(300)}]}, "Failed/InvalidFlow"),
        ({"flowSpec": flow_spec(parameters=nested(300))}, "Failed/InvalidFlow"),
        ({"flowSpec": flow_spec(parametersSchema=nested(300))}, "Failed/InvalidFlow"),
    ],
)
def test_what_is_nested_too_deep_ends_with_a_word(spec: JSON, state: str) -> None:
    decision = decide(observed(run(spec)))
    assert state_of(decision) == state
    assert decision.status is not None
    assert decision.status.state is not None
    assert state.startswith("Pending") or "nested deeper than 100 levels" in (decision.status.state.message or "")


def test_a_flow_that_is_nested_too_deep_is_told() -> None:
    decision = decide(observed(run({"flowRef": {"name": "etl"}}), flow=flow(flow_spec(parameters=nested(300)))))
    assert state_of(decision) == "Scheduled/AwaitingFlow"


def test_that_there_is_no_flow_is_a_conclusion_from_a_live_read() -> None:
    """A Flow and its run are applied together, and the run is seen first: it does not wait for what is there."""
    seen = observed(run({"flowRef": {"name": "etl"}}))
    assert reconcile(seen).looks == {Look.FLOW}
    assert state_of(reconcile(replace(seen, flow=MISSING))) == "Scheduled/AwaitingFlow"


def test_inputs_that_are_nested_too_deep_do_not_hold_up_a_cancellation() -> None:
    status = status_json("Running", report=report(), started=1)
    spec = {"flowSpec": flow_spec(), "inputs": nested(2000), "desiredState": "Cancelled"}
    assert state_of(decide(observed(run(spec, status), pod=pod(running())))) == "Cancelling/Cancelling"


# --- intent -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Running", ("Running", "", 0)),
        ("Paused 015abd7f", ("Paused", "015abd7f", 0)),
        ("Suspended 015abd7f.2", ("Suspended", "015abd7f", 2)),
        ("Cancelled .3", ("Cancelled", "", 3)),
        ("", ("Running", "", 0)),
        ("nonsense at all", ("Running", "at all", 0)),
    ],
)
def test_the_intent_annotation(text: str, intent: tuple[str, str, int]) -> None:
    parsed = parse_intent(text)
    assert (parsed.state.value, parsed.token, parsed.repeated) == intent
    if text and not text.startswith("nonsense"):
        assert str(parsed) == text


def test_a_run_that_is_being_deleted_is_to_be_cancelled() -> None:
    assert wanted_intent(run(deletionTimestamp=at(1))) == Intent(parse_intent("Cancelled").state)


# --- budgets ------------------------------------------------------------------------------------------------------------------------------


def test_an_attempt_of_ten_minutes_is_forgiven_what_the_infrastructure_did() -> None:
    used = Used(infrastructure=3, never_started=4, application=1)
    assert forgiven(used, 599) == used
    assert forgiven(used, None) == used
    assert forgiven(used, 600) == Used(infrastructure=0, never_started=0, application=1)


def test_a_loss_is_counted_in_its_budget() -> None:
    assert count_loss(Used(), Budget.NEVER_STARTED).never_started == 1
    assert count_loss(Used(application=1), Budget.APPLICATION).application == 2


@pytest.mark.parametrize(("losses", "seconds"), [(1, 10), (2, 20), (3, 40), (5, 160), (6, 300), (100, 300)])
def test_backoff_doubles_up_to_its_maximum(losses: int, seconds: float) -> None:
    assert backoff(Policy(), losses, 0.5) == seconds


@given(st.floats(0, 1), st.integers(1, 200))
def test_the_jitter_is_a_fifth(jitter: float, losses: int) -> None:
    middle = backoff(Policy(), losses, 0.5)
    assert 0.8 * middle <= backoff(Policy(), losses, jitter) <= 1.2 * middle


# --- bounds -------------------------------------------------------------------------------------------------------------------------------


def test_a_message_is_one_line() -> None:
    assert cut(" a\n  b\tc ", 100) == "a b c"
    assert cut("abcdef", 4) == "abc…"


def huge() -> FlowRunStatus:
    attempts = [
        FinishedAttempt(number=n, pod_name="p" * 253, state="Crashed", reason="Killed", message="ü" * 512)
        for n in range(1, 11)
    ]
    whole = status_json("Failed", "Failed", message="x" * 1024)
    whole["error"] = {"type": "E", "message": "é" * 1024, "traceback": "\u4e00" * 2048, "location": "z" * 512}
    whole["result"] = {"json": "1" * 1024, "location": "s" * 2048}
    whole["pause"] = {"key": "k", "input": {"schema": {f"f{n}": "\u4e00" * 400 for n in range(60)}}}
    return FlowRunStatus.model_validate(whole).model_copy(update={"attempts": tuple(attempts)})


def test_a_status_is_cut_to_its_cap_and_keeps_what_matters() -> None:
    status = huge()
    assert size(status) > 65_536
    bounded = within_bounds(status)
    assert size(bounded) <= 32_768
    assert bounded.state == status.state
    assert bounded.result == status.result
    assert bounded.error is not None
    assert bounded.error.message == status.error.message if status.error is not None else False
    # The last attempts stay longest.
    assert (bounded.attempts or ())[-1].number == 10


def test_a_small_status_stays_as_it_is() -> None:
    status = FlowRunStatus.model_validate(status_json("Running"))
    assert within_bounds(status) is status


# --- the scheduler's words ------------------------------------------------------------------------------------------------------------------


PREEMPTION = (
    "no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
)
SCHEDULER = [
    (
        f"0/1 nodes are available: 1 Insufficient cpu. {PREEMPTION}",
        "InsufficientCpu",
        "0 of 1 nodes fit: 1 Insufficient cpu",
    ),
    (f"0/1 nodes are available: 1 Insufficient memory. {PREEMPTION}", "InsufficientMemory", "1 Insufficient memory"),
    (
        "0/9 nodes are available: 9 Insufficient nvidia.com/gpu.",
        "InsufficientResource",
        "9 Insufficient nvidia.com/gpu",
    ),
    ("0/9 nodes are available: 9 Insufficient ephemeral-storage.", "InsufficientEphemeralStorage", "9 Insufficient"),
    ("0/2 nodes are available: 2 Too many pods.", "InsufficientPods", "2 Too many pods"),
    (
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate",
        "NodeSelector",
        "node affinity/selector",
    ),
    ("0/3 nodes are available: 3 node(s) had untolerated taint {gpu: true}.", "Taint", "{gpu: true}"),
    (
        "0/3 nodes are available: 3 node(s) had untolerated taint(s). no new claims to deallocate",
        "Taint",
        "untolerated taint(s)",
    ),
    ("0/3 nodes are available: 3 node(s) were unschedulable.", "Taint", "unschedulable"),
    ("0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.", "Affinity", "anti-affinity"),
    ("0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints.", "Topology", "topology spread"),
    (
        "0/3 nodes are available: 3 node(s) had volume node affinity conflict.",
        "Volume",
        "volume node affinity conflict",
    ),
    (
        '0/1 nodes are available: persistentvolumeclaim "none" not found. not found',
        "Volume",
        'persistentvolumeclaim "none" not found',
    ),
    ("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.", "Volume", "unbound immediate"),
    (
        "0/3 nodes are available: 3 node(s) didn't have free ports for the requested pod ports.",
        "HostPort",
        "free ports",
    ),
    (
        "0/5 nodes are available: 1 node(s) had untolerated taint {a: b}, 4 Insufficient memory.",
        "InsufficientMemory",
        "0 of 5 nodes fit",
    ),
    ("no nodes available to schedule pods", "NoNodes", "no nodes"),
    ("0/0 nodes are available.", "NoNodes", "no nodes"),
    ("something new", "Other", "something new"),
    ("", "Unknown", "no reason"),
]


@pytest.mark.parametrize(("message", "cause", "says"), SCHEDULER)
def test_the_schedulers_message(message: str, cause: str, says: str) -> None:
    parsed = parse_scheduler_message(message)
    assert parsed.cause == cause
    assert says in parsed.line
    assert "reemption" not in parsed.line


# --- parsing --------------------------------------------------------------------------------------------------------------------------------


def test_a_pod_of_which_little_is_known() -> None:
    empty = parse_pod({"metadata": {"name": "x"}, "spec": {"containers": [{"name": "engine"}]}})
    assert (empty.uid, empty.phase, empty.owner_uid, empty.start_time, empty.conditions) == ("", "", "", None, ())
    assert empty.container("engine") is not None
    assert not empty.terminal


def test_a_sidecar_is_an_init_container_that_restarts() -> None:
    seen = pod(running(), init={"prepare": running()}, sidecars={"proxy": running()})
    assert [(c.name, c.init, c.sidecar) for c in seen.containers] == [
        ("prepare", True, False),
        ("proxy", True, True),
        ("engine", False, False),
    ]


@pytest.mark.parametrize("text", ["", "yesterday", None, 3])
def test_a_time_that_is_none(text: Any) -> None:
    assert parse_time(text) is None


def test_an_event_of_either_api() -> None:
    core = parse_event(
        {
            "type": "Warning",
            "reason": "Unhealthy",
            "message": "m",
            "count": 3,
            "lastTimestamp": at(),
            "involvedObject": {"fieldPath": "spec.containers{engine}"},
        }
    )
    assert (core.reason, core.message, core.count, core.container) == ("Unhealthy", "m", 3, "engine")
    newer = parse_event({"reason": "Evicted", "note": "n", "eventTime": at(), "series": {"count": 2}, "regarding": {}})
    assert (newer.message, newer.count, newer.container, newer.time) == ("n", 2, "", parse_time(at()))
