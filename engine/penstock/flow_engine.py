"""Running flows, step by step or as a whole; stopping them; heartbeats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.base.exceptions import FlowRunTimeoutError
from penstock.engines.flow_engine import (
    load_flow,
    load_flow_and_flow_run,
    load_flow_run,
    request_cancellation,
    run_flow,
    run_flow_async,
    run_flow_sync,
    run_generator_flow_async,
    run_generator_flow_sync,
    send_heartbeats_async,
    send_heartbeats_sync,
)
from penstock.interruption.shielding import shield

if TYPE_CHECKING:
    from penstock.engines.engines import AsyncFlowRunEngine, BaseFlowRunEngine, FlowRunEngine
    from penstock.runners.flow_process import run_flow_in_subprocess

__all__ = [
    "AsyncFlowRunEngine",
    "BaseFlowRunEngine",
    "FlowRunEngine",
    "FlowRunTimeoutError",
    "load_flow",
    "load_flow_and_flow_run",
    "load_flow_run",
    "request_cancellation",
    "run_flow",
    "run_flow_async",
    "run_flow_in_subprocess",
    "run_flow_sync",
    "run_generator_flow_async",
    "run_generator_flow_sync",
    "send_heartbeats_async",
    "send_heartbeats_sync",
    "shield",
]


def __getattr__(name: str) -> Any:
    if name in ("AsyncFlowRunEngine", "BaseFlowRunEngine", "FlowRunEngine"):
        from penstock.engines import engines

        return getattr(engines, name)
    if name == "run_flow_in_subprocess":
        from penstock.runners import flow_process

        return getattr(flow_process, name)
    from penstock.base.absent import absent_name

    return absent_name("penstock.flow_engine", name)
