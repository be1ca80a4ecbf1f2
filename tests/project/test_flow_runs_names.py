"""The page about flow runs says for each name of Prefect's pages what it is here, and what it says is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import penstock.deployments
import penstock.flow_runs
import penstock.tasks.flow_runs

PAGE = (Path(__file__).parents[2] / "docs/flow_runs.md").read_text()
TABLES = PAGE[PAGE.index("## From Prefect") :]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")] for line in TABLES.splitlines() if line.startswith("| ")
]
# As the releases 3.9.1 and 1.4.1 have them. Prefect 3: the functions of `prefect.flow_runs` and `prefect.deployments.flow_runs`, and the client's
# methods about flow runs, their logs, inputs and task runs. Prefect 1: `prefect.tasks.prefect`, `prefect.backend.flow_run`, and the client's.
PREFECT = [
    "wait_for_flow_run", "pause_flow_run", "apause_flow_run", "suspend_flow_run", "asuspend_flow_run", "resume_flow_run",
    "aresume_flow_run", "run_deployment", "arun_deployment",
    "create_flow_run", "update_flow_run", "delete_flow_run", "read_flow_run", "read_flow_runs", "count_flow_runs",
    "set_flow_run_state", "read_flow_run_state", "read_flow_run_states", "set_flow_run_name", "create_flow_run_input",
    "filter_flow_run_input", "read_flow_run_input", "delete_flow_run_input", "update_flow_run_labels",
    "create_flow_run_from_deployment", "get_scheduled_flow_runs_for_deployments", "read_deployment_by_name", "read_flow_by_name",
    "create_logs", "read_logs", "read_task_run", "read_task_runs",
    "StartFlowRun", "RenameFlowRun", "CancelFlowRun", "get_task_run_result", "FlowRunView", "TaskRunView", "watch_flow_run",
    "stream_flow_run_logs", "get_flow_run_info", "get_flow_run_state", "cancel_flow_run",
]  # fmt: skip


@pytest.mark.parametrize("name", PREFECT)
def test_every_name_of_prefects_pages_has_a_row(name: str) -> None:
    assert any(re.search(rf"\b{name}\b", row[0]) for row in ROWS), "no row for it"


def test_every_function_of_ours_is_on_the_page() -> None:
    ours = {*penstock.flow_runs.__all__, *penstock.tasks.flow_runs.__all__, *penstock.deployments.__all__}
    # The async forms are told once, for all.
    names = {name for name in ours if name[0] != "a" or name[1:] not in ours}
    assert {name for name in names if not re.search(rf"\b{name}\b", PAGE)} == set()


def test_what_the_tables_name_is_there() -> None:
    known = {*penstock.flow_runs.__all__, *penstock.tasks.flow_runs.__all__, *penstock.deployments.__all__}
    for row in ROWS:
        for called in re.findall(r"`(?:penstock\.\w+\.)?(\w+_(?:flow_runs?|deployment|result))\b", row[1]):
            assert called in known, row
