"""One task run to execute, as a runner of one's own gets it. Neighbours: `executing` does it; `starting` hands it over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.runners.executing import execute_submitted

if TYPE_CHECKING:
    import contextvars

    from penstock.core.runs import TaskRun
    from penstock.core.state import State


class Call:
    """One task run to execute: called without arguments, it does so and returns the final state.

    Attributes:
        task: the definition, for placement.
        address: of the run.
        tags: of the run.
    """

    __slots__ = ("_context", "_run", "address", "tags", "task")

    def __init__(self, run: TaskRun, context: contextvars.Context) -> None:
        self._run = run
        self._context = context
        self.task = run.definition
        self.address = run.address
        self.tags = set(run.tags)

    def __call__(self) -> State:
        """Execute the task run; its final state."""
        return self._context.run(execute_submitted, self._run)
