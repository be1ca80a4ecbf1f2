"""The one context variable that holds the current run, and those for tags and runners outside runs.

Neighbours: drivers set it around a run's life; `context`, `runtime` and the loggers read it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.core.runs import Run

current_run: ContextVar[Run | None] = ContextVar("penstock_run", default=None)
current_tags: ContextVar[frozenset[str]] = ContextVar("penstock_tags", default=frozenset())
current_runner: ContextVar[Any] = ContextVar("penstock_runner", default=None)
current_transaction: ContextVar[Any] = ContextVar("penstock_transaction", default=None)
