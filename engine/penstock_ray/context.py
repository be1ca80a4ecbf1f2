"""Options of `ray.remote` for the tasks that are submitted in a block. Neighbours: `task_runners` reads them."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import ray

from penstock.base.managers import contextmanager

if TYPE_CHECKING:
    from collections.abc import Iterator


class Options:
    """The options of a block, and a text that equal ones share."""

    __slots__ = ("given", "key")

    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given
        self.key = repr(sorted(given.items()))


_NONE = Options({})
_options: ContextVar[Options] = ContextVar("penstock_ray_options", default=_NONE)


@contextmanager
def remote_options(**new_remote_options: Any) -> Iterator[None]:
    """Options of `ray.remote` for the block, as `num_cpus=4`; over those of the blocks around it.

    Raises:
        ValueError: Ray has no such option or does not take its value, or it is the runner's own.
    """
    if "num_returns" in new_remote_options:
        raise ValueError(
            "remote_options() cannot set `num_returns`: a task run has one result, and the runner its own."
        )
    given = {**_options.get().given, **new_remote_options}
    ray.remote(_checked).options(**given)  # raises here rather than in each submit
    token = _options.set(Options(given))
    try:
        yield
    finally:
        _options.reset(token)


def current_options() -> Options:
    """The options that hold here."""
    return _options.get()


def _checked() -> None:
    """What options are tried on."""
