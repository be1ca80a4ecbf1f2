"""The records of runs and states, where Prefect's users import them from."""

from __future__ import annotations

from typing import Any

from penstock.core.inputs import TaskRunResult
from penstock.core.runs import FlowRun, TaskRun
from penstock.core.state import State, StateDetails
from penstock.core.state_parts import TERMINAL_STATES, StateType

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


class _Policy:
    """Retries and their delay, as values."""

    __slots__ = ("retries", "retry_delay", "retry_jitter_factor")

    def __init__(
        self, retries: int | None = None, retry_delay: Any = None, retry_jitter_factor: float | None = None
    ) -> None:
        self.retries = retries
        self.retry_delay = retry_delay
        self.retry_jitter_factor = retry_jitter_factor


class FlowRunPolicy(_Policy):
    """How a flow run is retried."""

    __slots__ = ()


class TaskRunPolicy(_Policy):
    """How a task run is retried."""

    __slots__ = ()
