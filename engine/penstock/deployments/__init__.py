"""Prefect's name for what a Flow resource is here: `run_deployment` starts a run of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.clusterruns.functions import arun_deployment, run_deployment

if TYPE_CHECKING:
    from typing import Any

__all__ = ["arun_deployment", "run_deployment"]


def __getattr__(name: str) -> Any:
    from penstock.base.absent import absent_name

    return absent_name("penstock.deployments", name)
