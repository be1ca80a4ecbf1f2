"""Runs that are sent away, carried as bytes within this process."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from penstock import flow, task
from penstock.drivers.world import WORLD
from penstock.runners import far
from penstock.task_runners import Far, TaskRunner, perform

if TYPE_CHECKING:
    from collections.abc import Iterator


class Wanted(Far):
    """Somebody waits for its run, until nobody does."""

    answer = True

    def wanted(self) -> bool:
        """See the class."""
        return self.answer


class Across(TaskRunner):
    """Lives each call at once, here."""

    remote = True

    def run(self, call: Any) -> None:
        """Carry the call over, and its answer back."""
        line = Wanted()
        lines.append(line)
        call.ended(perform(call.parts.message(), call.parts.inputs, line)[0])


lines: list[Wanted] = []


@pytest.fixture(autouse=True)
def own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a worker does to the logger of its process ends with the test."""
    monkeypatch.setattr(far, "_process", far._Process())
    logger = logging.getLogger("penstock")
    before = list(logger.handlers), logger.propagate, logger.level, WORLD.observers
    lines.clear()
    yield
    logger.handlers[:], logger.propagate, WORLD.observers = before[0], before[1], before[3]
    logger.setLevel(before[2])


def test_a_watch_that_is_late_interrupts_no_other_run(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    real = far.Executing

    def making(line: Far, level: int) -> Any:
        made.append(real(line, level))
        return made[-1]

    def late() -> None:
        lines[0].answer = False
        made[0].look()  # at a run that is over

    monkeypatch.setattr(far, "Executing", making)
    monkeypatch.setattr(far, "late", late, raising=False)  # where the body finds it, as tasks travel by value

    @task
    def first() -> int:
        return 1

    @task
    def second() -> int:
        import penstock.runners.far

        penstock.runners.far.late()  # type: ignore[attr-defined]
        return sum(range(1000))

    def body() -> Any:
        one = first.submit()
        one.wait()
        return one.result(), second.submit().result()

    assert flow(body, name="body", task_runner=Across())() == (1, 499500)
    assert [each.stopped for each in made] == [True, False]
