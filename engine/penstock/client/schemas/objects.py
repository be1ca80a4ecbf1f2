"""The records of runs and states, where Prefect's users import them from."""

from __future__ import annotations

from typing import Any

from penstock.core.run_fields import FlowRunPolicy, TaskRunPolicy
from penstock.core.runs import FlowRun, TaskRun
from penstock.core.state import State, StateDetails
from penstock.core.state_parts import TERMINAL_STATES, StateType
from penstock.core.task_inputs import TaskRunResult

__all__ = [
    "TERMINAL_STATES",
    "FlowRun",
    "FlowRunPolicy",
    "State",
    "StateDetails",
    "StateType",
    "TaskRun",
    "TaskRunPolicy",
    "TaskRunResult",
]


def __getattr__(name: str) -> Any:
    from penstock.base.absent import absent_name

    return absent_name("penstock.client.schemas.objects", name)
