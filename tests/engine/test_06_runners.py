"""Task runners as objects: left inside flows."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from penstock import flow, task
from penstock.task_runners import ThreadPoolTaskRunner


@task
def same(x: Any) -> Any:
    return x


class Held:
    """A task whose run holds the only worker until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.task = task(self.hold, name="hold")

    def hold(self) -> str:
        self.begun.set()
        assert self.go.wait(20)
        return "held"


def test_leaving_a_runner_in_a_flow_waits_for_what_is_queued() -> None:
    held = Held()

    @flow
    def f() -> list[str]:
        with ThreadPoolTaskRunner(max_workers=1) as runner:
            first = runner.submit(held.task, {})
            futures = [first, runner.submit(same, {"x": 1}), same.submit(2), same.submit(3, wait_for=[first])]
            held.go.set()
        return [future.state.name for future in futures]

    assert f() == ["Completed"] * 4


def test_a_runner_left_by_an_exception_in_a_flow_cancels_what_is_queued() -> None:
    held = Held()

    @flow
    def f() -> list[str]:
        def left() -> None:
            with ThreadPoolTaskRunner(max_workers=1) as runner:
                futures.append(runner.submit(held.task, {}))
                futures.append(same.submit(1))
                held.begun.wait(20)
                raise KeyError

        futures: list[Any] = []
        with pytest.raises(KeyError):
            left()
        held.go.set()
        return [future.state.name for future in futures if future.wait() is None]

    assert f() == ["Completed", "Cancelled"]
