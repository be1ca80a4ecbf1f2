"""The public names once more, where Prefect keeps them. Neighbours: the package itself."""

from penstock import runtime
from penstock.base.annotations import allow_failure, unmapped
from penstock.clusterruns.pausing import (
    apause_flow_run,
    aresume_flow_run,
    asuspend_flow_run,
    pause_flow_run,
    resume_flow_run,
    suspend_flow_run,
)
from penstock.core.state import State
from penstock.definitions.flow import Flow, flow
from penstock.definitions.task import Task, task
from penstock.inside.views import tags
from penstock.logging.loggers import get_run_logger
from penstock.storage.transactions import Transaction

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
