"""A plugin of the scheduler that lets no task run execute twice unless its flow says so.

Dask executes a task again when the worker that ran it is lost, and once more when the only worker with its result is. Task
runs have retries of their own, which the flow counts: so the loss of a worker ends the task at once, and a finished run is
data from then on, which is lost as data are. Only tasks of Penstock are touched. Neighbours: `carrier` registers it.
"""

from __future__ import annotations

from typing import Any

from distributed import SchedulerPlugin

MARK = "-penstock-"
"""In the keys of all task runs."""


class Fence(SchedulerPlugin):  # type: ignore[misc]  # distributed is not typed
    """See the module."""

    name = "penstock-fence"
    idempotent = True

    def __init__(self) -> None:
        self.scheduler: Any = None

    async def start(self, scheduler: Any) -> None:
        """Called when it is registered."""
        self.scheduler = scheduler

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """Called at each change of a task's state."""
        if not isinstance(key, str) or MARK not in key:
            return
        task = self.scheduler.tasks.get(key)
        if task is None:
            return
        if finish == "processing":
            task.suspicious = self.scheduler.allowed_failures
        elif finish == "memory":
            task.run_spec = None
