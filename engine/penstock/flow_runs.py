"""Flow runs of the cluster: start, follow, stop and read other runs; pause, suspend and resume the own one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.base.exceptions import BadRequestError, ClusterError, NotAllowedError, NotJsonError, TooLargeError
from penstock.clusterruns.functions import (
    acancel_flow_run,
    acreate_flow_run,
    aget_result,
    aget_task_result,
    alist_flow_runs,
    aread_flow_run,
    arename_flow_run,
    arun_deployment,
    arun_flow_run,
    await_for_flow_run,
    cancel_flow_run,
    create_flow_run,
    get_result,
    get_task_result,
    list_flow_runs,
    read_flow_run,
    rename_flow_run,
    run_deployment,
    run_flow_run,
    wait_for_flow_run,
)
from penstock.clusterruns.pausing import (
    apause_flow_run,
    aresume_flow_run,
    asuspend_flow_run,
    pause_flow_run,
    resume_flow_run,
    suspend_flow_run,
)
from penstock.clusterruns.view import FlowRunView

if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "BadRequestError",
    "ClusterError",
    "FlowRunView",
    "NotAllowedError",
    "NotJsonError",
    "TooLargeError",
    "acancel_flow_run",
    "acreate_flow_run",
    "aget_result",
    "aget_task_result",
    "alist_flow_runs",
    "apause_flow_run",
    "aread_flow_run",
    "arename_flow_run",
    "aresume_flow_run",
    "arun_deployment",
    "arun_flow_run",
    "asuspend_flow_run",
    "await_for_flow_run",
    "cancel_flow_run",
    "create_flow_run",
    "get_result",
    "get_task_result",
    "list_flow_runs",
    "pause_flow_run",
    "read_flow_run",
    "rename_flow_run",
    "resume_flow_run",
    "run_deployment",
    "run_flow_run",
    "suspend_flow_run",
    "wait_for_flow_run",
]


def __getattr__(name: str) -> Any:
    from penstock.base.absent import absent_name

    return absent_name("penstock.flow_runs", name)
