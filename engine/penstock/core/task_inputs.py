"""What is told of where a task run's inputs came from. Neighbours: `runs` has it as `TaskRun.task_inputs`, `readiness` notes the ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class TaskRunResult(NamedTuple):
    """A task run as the source of an input."""

    id: Any
    input_type: str = "task_run"


def as_task_inputs(names: Iterable[str], sources: Mapping[str, list[Any]]) -> dict[str, list[TaskRunResult]]:
    """The sources of each parameter; those that are none of a parameter under their names, if there are any."""
    also = [name for name in ("wait_for", "__parents__") if sources.get(name)]
    return {name: [TaskRunResult(each) for each in sources.get(name, ())] for name in [*names, *also]}
