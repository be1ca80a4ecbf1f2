"""The future of a task run on Ray. Neighbours: `task_runners`."""

from __future__ import annotations

from typing import Any

from penstock.futures import PrefectConcurrentFuture


class PrefectRayFuture(PrefectConcurrentFuture[Any]):
    """The future of a task run on Ray."""

    handle: Any = None

    @property
    def wrapped_future(self) -> Any:
        """The `ray.ObjectRef` of the result, once the run was sent."""
        return self.handle


PenstockRayFuture = PrefectRayFuture
