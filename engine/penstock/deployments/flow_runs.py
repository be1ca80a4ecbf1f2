"""`run_deployment`, where Prefect keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.clusterruns.functions import arun_deployment, run_deployment

if TYPE_CHECKING:
    from typing import Any

__all__ = ["arun_deployment", "run_deployment"]


def __getattr__(name: str) -> Any:
    from penstock.base.absent import absent_name

    return absent_name("penstock.deployments.flow_runs", name)
