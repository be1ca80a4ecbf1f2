"""Options of `ray.remote` for the tasks that are submitted in a block. Neighbours: `task_runners` reads them."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_options: ContextVar[dict[str, Any]] = ContextVar("penstock_ray_options", default={})  # noqa: B039  (never changed)


@contextmanager
def remote_options(**new_remote_options: Any) -> Iterator[None]:
    """Options of `ray.remote` for the block, as `num_cpus=4`; over those of the blocks around it."""
    token = _options.set({**_options.get(), **new_remote_options})
    try:
        yield
    finally:
        _options.reset(token)


def current_options() -> dict[str, Any]:
    """The options that hold here."""
    return _options.get()
