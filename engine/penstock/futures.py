"""Futures: the handle on a task run that was submitted.

Neighbours: `task_runners` make them; `core.inputs` finds them in inputs (`Upstream`); `drivers.waiting` blocks.
A future keeps the record of its run, and so its state; inputs are gone by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.runners.future_sets import (
    DoneAndNotDoneFutures,
    PrefectFutureIterator,
    PrefectFutureList,
    as_completed,
    resolve_futures_to_results,
    resolve_futures_to_states,
    wait,
)
from penstock.runners.futures import PrefectConcurrentFuture, PrefectFuture, PrefectTaskRunFuture, PrefectWrappedFuture

if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "DoneAndNotDoneFutures",
    "PenstockConcurrentFuture",
    "PenstockFuture",
    "PenstockFutureIterator",
    "PenstockFutureList",
    "PenstockTaskRunFuture",
    "PenstockWrappedFuture",
    "PrefectConcurrentFuture",
    "PrefectFuture",
    "PrefectFutureIterator",
    "PrefectFutureList",
    "PrefectTaskRunFuture",
    "PrefectWrappedFuture",
    "as_completed",
    "resolve_futures_to_results",
    "resolve_futures_to_states",
    "wait",
]

PenstockFuture = PrefectFuture
PenstockTaskRunFuture = PrefectTaskRunFuture
PenstockWrappedFuture = PrefectWrappedFuture
PenstockConcurrentFuture = PrefectConcurrentFuture
PenstockFutureList = PrefectFutureList
PenstockFutureIterator = PrefectFutureIterator


def __getattr__(name: str) -> Any:
    from penstock.base.absent import absent_name

    return absent_name("penstock.futures", name)
