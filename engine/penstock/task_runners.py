"""Task runners: where submitted task runs execute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.runners.call import Call
from penstock.runners.task_runners import ConcurrentTaskRunner, TaskRunner, ThreadPoolTaskRunner

if TYPE_CHECKING:
    from penstock.core.away import LostElsewhereError
    from penstock.runners.far import Far, MismatchError, perform
    from penstock.runners.process_pool import ProcessPoolTaskRunner
    from penstock.runners.remote import RemoteCall

__all__ = [
    "Call",
    "ConcurrentTaskRunner",
    "Far",
    "LostElsewhereError",
    "MismatchError",
    "ProcessPoolTaskRunner",
    "RemoteCall",
    "TaskRunner",
    "ThreadPoolTaskRunner",
    "perform",
]

_WHERE = {
    "DaskTaskRunner": "penstock_dask",
    "Far": "penstock.runners.far",
    "LostElsewhereError": "penstock.core.away",
    "MismatchError": "penstock.runners.far",
    "ProcessPoolTaskRunner": "penstock.runners.process_pool",
    "RayTaskRunner": "penstock_ray",
    "RemoteCall": "penstock.runners.remote",
    "perform": "penstock.runners.far",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        import importlib

        return getattr(importlib.import_module(_WHERE[name]), name)
    from penstock.base.absent import absent_name

    return absent_name("penstock.task_runners", name)
