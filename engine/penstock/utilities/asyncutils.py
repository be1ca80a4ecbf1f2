"""Between sync and async code."""

from __future__ import annotations

from typing import Any

from penstock.base.asyncutils import in_async_code, in_async_run, is_async_fn, is_async_gen_fn, is_gen_fn, running_loop
from penstock.base.both_forms import sync_compatible
from penstock.base.loops import gather, kept_loop, run_coro_as_sync, run_sync_in_worker_thread

__all__ = [
    "gather",
    "in_async_code",
    "in_async_run",
    "is_async_fn",
    "is_async_gen_fn",
    "is_gen_fn",
    "kept_loop",
    "run_coro_as_sync",
    "run_sync_in_worker_thread",
    "running_loop",
    "sync_compatible",
]


def __getattr__(name: str) -> Any:
    from penstock.base.absent import absent_name

    return absent_name("penstock.utilities.asyncutils", name)
