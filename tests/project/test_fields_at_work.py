"""No field is accepted that does nothing: each field of both CRDs, and the test that shows it at work.

A row names a test (and, where it is a table, words of the row in brackets) and the fields that it shows. A field that no row names is red, a
row of a field that there is not, a test that is not there, or whose file does not speak of the field.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from penstock_operator.api.crd import FLOW, FLOW_RUN, Kind, crd

ROOT = Path(__file__).parents[2]
CORE, RUNTIME = "tests/operator_core", "tests/operator_runtime"
BOTH, FL, FR = ("Flow", "FlowRun"), ("Flow",), ("FlowRun",)

# (kinds, path in front of the names, names of fields, test)
ROWS: list[tuple[tuple[str, ...], str, str, str]] = [
    # --- what a flow is
    (FL, "spec.", "entrypoint source.inline", f"{CORE}/test_policies.py::test_a_revision_holds_the_flow_and_its_file"),
    (FL, "spec.", "source.configMap.name", f"{CORE}/test_policies.py::test_the_data_of_the_source_is_part_of_the_revision"),
    (FL, "spec.", "parameters", f"{CORE}/test_policies.py::test_parameters_lie_over_each_other_at_the_top_level_and_null_is_a_value"),
    (FL, "spec.", "parametersSchema", f"{CORE}/test_stories.py::test_a_wrong_parameter_fails_before_a_pod_exists"),
    (BOTH, "spec.", "image env[].name env[].value resources", f"{CORE}/test_pod.py::test_merge_order_the_later_wins"),
    (
        BOTH,
        "spec.template.",
        "metadata.labels metadata.annotations spec",
        f"{CORE}/test_pod.py::test_merge_order_the_later_wins",
    ),
    (
        BOTH,
        "spec.env[].valueFrom.",
        "configMapKeyRef.name configMapKeyRef.key configMapKeyRef.optional secretKeyRef.name secretKeyRef.key"
        " secretKeyRef.optional fieldRef.fieldPath resourceFieldRef.resource resourceFieldRef.containerName",
        f"{CORE}/test_pod.py::test_references_of_variables_reach_the_engine_as_they_are",
    ),
    (FL, "spec.results.", "storage persist preview", f"{CORE}/test_pod.py::test_results_and_grace_reach_the_engine"),
    # --- the run policy, of a Flow and of a run
    (
        BOTH,
        "spec.runPolicy.",
        "activeDeadlineSeconds backoff.initialSeconds backoff.maximumSeconds retention.podSeconds",
        f"{CORE}/test_policies.py::test_a_runs_own_policy_wins_field_by_field",
    ),
    (
        BOTH,
        "spec.runPolicy.",
        "pendingDeadlineSeconds",
        f"{CORE}/test_awaiting_its_flow.py::test_awaiting[the Flow's own deadline counts as well]",
    ),
    (
        BOTH,
        "spec.runPolicy.",
        "imagePullGraceSeconds",
        f"{CORE}/test_not_running_yet.py::test_row[imagePullGraceSeconds]",
    ),
    (BOTH, "spec.runPolicy.", "gracePeriodSeconds livenessSeconds", f"{CORE}/test_pod.py::test_the_policy_of_a_run_reaches_its_pod"),
    (
        BOTH,
        "spec.runPolicy.retries.",
        "infrastructure neverStarted application",
        f"{CORE}/test_stories.py::test_a_killed_attempt_is_repeated_by_budget_and_then_crashes",
    ),
    (
        BOTH,
        "spec.runPolicy.retention.",
        "runSeconds",
        f"{CORE}/test_status_and_retention.py::test_the_flows_retention_counts_where_the_run_has_none",
    ),
    # --- a Flow's own
    (FL, "spec.", "description", "tests/cli/test_building.py::test_a_file_that_stands_alone"),
    (FL, "spec.", "suspend", f"{RUNTIME}/test_flows.py::test_suspended_a_moment_ago"),
    (
        FL,
        "spec.schedules[].",
        "cron suspend startingDeadlineSeconds missedRunPolicy",
        f"{CORE}/test_schedules.py::test_schedule",
    ),
    (FL, "spec.schedules[].", "timeZone", f"{CORE}/test_cron.py::test_where_a_clock_jumps"),
    (FL, "spec.schedules[].", "intervalSeconds anchorTime", f"{CORE}/test_cron.py::test_intervals_are_elapsed_seconds"),
    (FL, "spec.schedules[].", "name parameters", f"{CORE}/test_schedules.py::test_a_run_of_a_schedule"),
    (FL, "spec.concurrency.", "limit policy", f"{CORE}/test_concurrency.py::test_row"),
    (FL, "spec.", "concurrencyGroups", f"{CORE}/test_concurrency.py::test_the_limits_of_groups_are_read_only_where_they_decide"),
    (FL, "spec.", "runOnChange", f"{CORE}/test_onchange.py::test_change"),
    (FL, "spec.historyLimits.", "completed failed", f"{CORE}/test_history.py::test_one_decision_deletes_a_bounded_number_and_comes_back"),
    (FL, "status.", "observedGeneration revision", f"{CORE}/test_onchange.py::test_change[Never becomes Always: what is there is not run]"),
    (FL, "status.", "activeRuns", f"{RUNTIME}/test_flows.py::test_one_run_is_counted_soon"),
    (FL, "status.", "queuedRuns", f"{CORE}/test_flow_status.py::test_the_runs_that_hold_a_slot_and_those_that_wait_are_counted"),
    (FL, "status.lastOutcome.", "runName state reason completionTime", f"{RUNTIME}/test_flows.py::test_one_run_is_counted_soon"),
    (FL, "status.changes[].", "revision digest runName runs pending", f"{CORE}/test_onchange.py::test_change"),
    (FL, "status.", "lastScheduledTime nextScheduledTime", f"{CORE}/test_schedules.py::test_schedule"),
    (FL, "status.schedules[].", "name rule lastScheduledTime nextScheduledTime overdueTimes", f"{CORE}/test_schedules.py::test_schedule"),
    (
        BOTH,
        "status.conditions[].",
        "type status reason message lastTransitionTime observedGeneration",
        f"{CORE}/test_status_and_retention.py::test_a_transition_time_changes_with_its_conditions_status_only",
    ),
    # --- a run's own
    (FR, "spec.", "flowRef.name", f"{CORE}/test_stories.py::test_a_flow_ref_runs_by_a_revision_that_is_made_once"),
    (FR, "spec.", "flowSpec", f"{CORE}/test_pod.py::test_a_flow_spec_mounts_its_config_map_itself"),
    (FR, "spec.", "parameters context displayName", "tests/pod/test_assignment.py::test_the_rest_of_the_spec"),
    (FR, "spec.", "desiredState inputs", f"{CORE}/test_pod.py::test_the_intent_is_what_is_wanted_when_the_pod_is_made"),
    (FR, "spec.", "scheduledTime", f"{CORE}/test_not_running_yet.py::test_row[scheduledTime ahead]"),
    (FR, "spec.", "priority", f"{RUNTIME}/test_slots.py::test_the_counts_are_those_by_hand"),
    (FR, "spec.", "rerunOf.name", f"{CORE}/test_not_running_yet.py::test_lineage_is_that_of_the_run_which_it_repeats"),
    (FR, "spec.", "managedBy", f"{CORE}/test_stories.py::test_a_run_of_another_controller_is_left_alone"),
    (FR, "status.", "observedGeneration", f"{CORE}/test_status_and_retention.py::test_the_generation_that_was_looked_at_is_written"),
    (FR, "status.state.", "type name message since time", f"{CORE}/test_status_and_retention.py::test_times_are_the_operators_own"),
    (FR, "status.flow.", "name uid revision revisionDigest", f"{CORE}/test_revisions.py::test_the_digest_is_recorded_with_attempt_1"),
    (
        FR,
        "status.flow.retention.",
        "podSeconds runSeconds",
        f"{CORE}/test_status_and_retention.py::test_the_flows_retention_is_recorded_with_the_first_attempt",
    ),
    (
        FR,
        "status.attempt.",
        "podUID nodeName",
        f"{CORE}/test_status_and_retention.py::test_the_pods_uid_and_node_go_with_a_write_and_never_alone",
    ),
    (FR, "status.attempt.", "number podName", f"{CORE}/test_running_and_ending.py::test_judging_switches_to_the_next_attempt_in_one_patch"),
    (FR, "status.attempt.", "startTime", f"{CORE}/test_status_and_retention.py::test_times_are_the_operators_own"),
    (FR, "status.attempt.", "restarts", f"{CORE}/test_running_and_ending.py::test_a_restart_before_the_claim_is_kept_in_mind"),
    (FR, "status.attempt.", "suspendTime", f"{CORE}/test_stopping.py::test_a_suspension_is_written_down_before_its_pod_is_touched"),
    (FR, "status.", "pod", f"{CORE}/test_status_and_retention.py::test_the_pods_uid_and_node_go_with_a_write_and_never_alone"),
    (
        FR,
        "status.attempts[].",
        "number podName state reason message startTime endTime exitCode budget",
        f"{CORE}/test_running_and_ending.py::test_an_attempt_that_was_judged_is_written_down",
    ),
    (FR, "status.retries.", "infrastructure neverStarted application", f"{CORE}/test_policies.py::test_a_loss_is_counted_in_its_budget"),
    (FR, "status.", "scheduledTime", f"{CORE}/test_running_and_ending.py::test_judging_switches_to_the_next_attempt_in_one_patch"),
    (FR, "status.", "startTime", f"{CORE}/test_status_and_retention.py::test_the_runs_start_is_the_first_attempts"),
    (FR, "status.", "completionTime", f"{CORE}/test_status_and_retention.py::test_times_are_the_operators_own"),
    (FR, "status.", "duration", f"{CORE}/test_status_and_retention.py::test_how_long_a_run_took_is_written_when_it_ends"),
    (
        FR,
        "status.",
        "result.json result.type result.preview result.size result.kept result.location error.type error.message error.location"
        " error.traceback",
        f"{CORE}/test_running_and_ending.py::test_a_result_comes_with_its_state_and_an_error_with_its_own",
    ),
    (FR, "status.queue.", "position group", f"{CORE}/test_concurrency.py::test_the_group_is_told"),
    (
        FR,
        "status.pause.",
        "key since deadline seen input.schema input.description input.error",
        f"{CORE}/test_stopping.py::test_a_pause_says_how_it_ends",
    ),
    (FR, "status.", "specHash", f"{CORE}/test_status_and_retention.py::test_a_spec_that_changed_after_the_run_began_is_told"),
    (
        FR,
        "status.",
        "parameters",
        f"{CORE}/test_not_running_yet.py::test_parameters_that_are_not_given_are_those_of_the_run_which_it_repeats[it took some itself]",
    ),
    (FR, "status.", "lineage", f"{CORE}/test_not_running_yet.py::test_lineage_is_that_of_the_run_which_it_repeats"),
    # --- what the engine says
    (
        FR,
        "status.report.",
        "attempt instance type name message time startTime resumeTime waiting ending signal intent hooks.ran hooks.failed"
        " hooks.notRun result.json result.type result.kept result.location error.type error.message error.location error.traceback"
        " progress.summary progress.total progress.running progress.completed progress.failed progress.cached"
        " progress.activity pause.key pause.since pause.deadline pause.seen pause.input.schema pause.input.description"
        " pause.input.error",
        "tests/pod/test_report.py::test_a_full_report",
    ),
    (FR, "status.report.result.", "preview size", "tests/pod/test_report.py::test_every_text_is_cut_to_its_bound"),
    (FR, "status.report.", "notDurable", f"{CORE}/test_lasting.py::test_what_the_code_of_a_flow_persists_is_told_by_its_report"),
    (
        FR,
        "status.report.tasks.",
        "runs[].address runs[].name runs[].state runs[].type runs[].startTime runs[].durationSeconds runs[].tries"
        " runs[].cached runs[].subflow omitted",
        "tests/cli/test_reading.py::test_task_runs_of_a_report",
    ),
]  # fmt: skip
# flowSpec has the fields of a Flow's spec, and the same code reads both.
SHARED = "FlowRun.spec.flowSpec"


def leaves(kind: Kind) -> Iterator[str]:
    """Every field of a CRD below which no other field of ours is."""
    schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for part in ("spec", "status"):
        yield from _below(schema["properties"][part], f"{kind.kind}.{part}")


def _below(node: dict[str, Any], path: str) -> Iterator[str]:
    inner = node.get("items", node)
    fields = inner.get("properties", {}) if path != SHARED else {}
    if not fields:
        yield path
    for name, field in fields.items():
        yield from _below(field, f"{path}[].{name}" if inner is not node else f"{path}.{name}")


def shown() -> dict[str, str]:
    """Every field of the table, with its test."""
    found: dict[str, str] = {}
    for kinds, path, names, test in ROWS:
        for field in (f"{kind}.{path}{name}" for kind in kinds for name in names.split()):
            assert field not in found, f"{field} is in the table twice"
            found[field] = test
    return found


def test_every_field_has_a_test_that_shows_it_at_work() -> None:
    fields = {field for kind in (FLOW, FLOW_RUN) for field in leaves(kind)}
    assert len(fields) > 200, "the walk has lost its way"
    listed = set(shown())
    assert fields - listed == set(), "a field that no test shows at work"
    assert listed - fields == set(), "a field that there is not"


@cache
def _source(path: str) -> tuple[str, frozenset[str]]:
    text = (ROOT / path).read_text()
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
    return text, frozenset(node.name for node in functions)


@pytest.mark.parametrize(("kinds", "path", "names", "test"), ROWS, ids=[f"{row[1]}{row[2].split()[0]}" for row in ROWS])
def test_the_tests_are_there_and_speak_of_the_fields(kinds: tuple[str, ...], path: str, names: str, test: str) -> None:
    file, _, function = test.partition("::")
    name, _, words = function.rstrip("]").partition("[")
    text, functions = _source(file)
    assert name in functions, test
    assert words in text, test
    for field in names.split():
        leaf = f"{path}{field}".rpartition(".")[2].removesuffix("[]")
        snake = re.sub(r"(?<!^)(?=[A-Z])", "_", leaf.replace("UID", "Uid")).lower()
        assert re.search(rf"\b{leaf}\b|{snake}", text), f"{file} does not speak of {kinds[0]}.{path}{field}"
