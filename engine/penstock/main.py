"""The public names once more, where Prefect keeps them. Neighbours: the package itself."""

from penstock import runtime
from penstock._state import State
from penstock.context import tags
from penstock.flow_runs import (
    apause_flow_run,
    aresume_flow_run,
    asuspend_flow_run,
    pause_flow_run,
    resume_flow_run,
    suspend_flow_run,
)
from penstock.flows import Flow, flow
from penstock.logging.loggers import get_run_logger
from penstock.tasks import Task, task
from penstock.transactions import Transaction
from penstock.utilities.annotations import allow_failure, unmapped

__all__ = [
    "Flow",
    "State",
    "Task",
    "Transaction",
    "allow_failure",
    "apause_flow_run",
    "aresume_flow_run",
    "asuspend_flow_run",
    "flow",
    "get_run_logger",
    "pause_flow_run",
    "resume_flow_run",
    "runtime",
    "suspend_flow_run",
    "tags",
    "task",
    "unmapped",
]
