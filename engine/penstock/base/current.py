"""The one context variable that holds the current run, and those for tags, runners and transactions.

The run is a record of `core.runs`, which this floor does not know: whoever reads it says what it is.
Neighbours: drivers set it around a run's life; contexts, runtime values and the loggers read it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

current_run: ContextVar[Any] = ContextVar("penstock_run", default=None)
current_tags: ContextVar[frozenset[str]] = ContextVar("penstock_tags", default=frozenset())
current_runner: ContextVar[Any] = ContextVar("penstock_runner", default=None)
current_transaction: ContextVar[Any] = ContextVar("penstock_transaction", default=None)
plain_run: ContextVar[Any] = ContextVar("penstock_plain", default=None)  # whose sync function is being called
awaiting_run: ContextVar[Any] = ContextVar("penstock_awaiting", default=None)  # the sync run whose coroutine is awaited
