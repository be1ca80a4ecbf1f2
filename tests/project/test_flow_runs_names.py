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
# Prefect 3: module prefect.flow_runs, running a deployment, and the client's methods about flow runs. Prefect 1: prefect.tasks.prefect, and the
# views of prefect.backend that its functions give.
PREFECT = [
    "run_deployment", "arun_deployment", "wait_for_flow_run", "pause_flow_run", "apause_flow_run", "resume_flow_run",
    "aresume_flow_run", "suspend_flow_run", "asuspend_flow_run", "create_flow_run_from_deployment", "create_flow_run", "read_flow_run",
    "read_flow_run_by_name", "read_flow_runs", "set_flow_run_state", "resume_flow_run", "update_flow_run", "delete_flow_run",
    "read_flow_run_states", "read_logs", "read_task_runs", "read_flow_run_input", "create_flow_run_input", "StartFlowRun",
    "RenameFlowRun", "CancelFlowRun", "get_task_run_result", "FlowRunView", "TaskRunView", "FlowRunTask",
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
