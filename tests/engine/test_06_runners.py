"""Task runners as objects: left inside flows, told to cancel all, duplicated, pickled, subclassed."""

from __future__ import annotations

import threading
from typing import Any

import cloudpickle
import pytest

from penstock import flow, task
from penstock.context import FlowRunContext
from penstock.exceptions import CancelledRun
from penstock.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner


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


def _cancelled_all(runner: Any) -> list[str]:
    """What becomes of a run under way, of a queued one and of one with an upstream; then the runner is used no more."""
    held = Held()
    first = runner.submit(held.task, {})
    rest = [runner.submit(same, {"x": 1}), runner.submit(same, {"x": 2}, wait_for=[first])]
    assert held.begun.wait(20)
    threading.Timer(0.01, held.go.set).start()
    runner.cancel_all()
    runner.cancel_all()
    with pytest.raises(RuntimeError, match="not started"):
        runner.submit(same, {"x": 3})
    with pytest.raises(RuntimeError, match="not started"):
        same.submit(3)
    with pytest.raises(CancelledRun):
        rest[0].result()
    return [future.state.name for future in (first, *rest)]


def _entered() -> list[str]:
    with ThreadPoolTaskRunner(max_workers=1) as runner:
        return _cancelled_all(runner)


def _entered_in_a_flow() -> list[str]:
    return flow(_entered, name="f")()


def _of_the_flow() -> list[str]:
    def body() -> list[str]:
        same.submit(0).wait()
        return _cancelled_all(FlowRunContext.get().task_runner)  # type: ignore[union-attr]

    return flow(body, task_runner=ThreadPoolTaskRunner(max_workers=1))()


@pytest.mark.parametrize("where", [_entered, _entered_in_a_flow, _of_the_flow])
def test_cancel_all_ends_what_has_not_begun(where: Any) -> None:
    assert where() == ["Completed", "Cancelled", "Cancelled"]


def test_a_task_may_cancel_all_others() -> None:
    with ThreadPoolTaskRunner(max_workers=1) as runner:
        go = threading.Event()

        @task
        def ends_it() -> None:
            go.wait(20)
            runner.cancel_all()

        futures = [runner.submit(ends_it, {}), runner.submit(same, {"x": 1})]
        go.set()
    assert [future.state.name for future in futures] == ["Completed", "Cancelled"]
    ThreadPoolTaskRunner().cancel_all()  # never started: nothing to do


class Narrow(ProcessPoolTaskRunner):
    """Takes one option."""

    def __init__(self, *, max_workers: int | None = None) -> None:
        super().__init__(max_workers=max_workers)


class NarrowThreads(ThreadPoolTaskRunner):
    """Takes one option."""

    def __init__(self, *, max_workers: int | None = None) -> None:
        super().__init__(max_workers)


def _sent(runner: TaskRunner) -> Any:
    return cloudpickle.loads(cloudpickle.dumps(runner))


@pytest.mark.parametrize("make", [lambda runner: runner.duplicate(), _sent], ids=["duplicate", "pickle"])
def test_what_a_copy_of_a_runner_keeps(make: Any) -> None:
    narrow = Narrow(max_workers=3)
    narrow.initializer, narrow.initargs = print, ("hello",)
    for runner in (narrow, ProcessPoolTaskRunner(3, None, print, ("hello",)), NarrowThreads(max_workers=3)):
        copy = make(runner)
        assert type(copy) is type(runner)
        assert copy is not runner
        assert copy == runner
        if isinstance(copy, ProcessPoolTaskRunner):
            assert (copy.initializer, copy.initargs) == (print, ("hello",))


def test_message_processors_are_kept_and_said_not_to_be_called(caplog: pytest.LogCaptureFixture) -> None:
    lock = threading.Lock()  # cannot be pickled

    def factory() -> Any:
        return lock

    runner = ProcessPoolTaskRunner(1, [factory])
    assert runner.duplicate().subprocess_message_processor_factories == (factory,)
    assert _sent(runner).subprocess_message_processor_factories == ()
    assert ProcessPoolTaskRunner().subprocess_message_processor_factories == ()
    with runner, pytest.raises(RuntimeError, match="while task runner is started"):
        runner.subprocess_message_processor_factories = ()
    assert ["never called" in record.getMessage() for record in caplog.records] == [True]
    runner.set_subprocess_message_processor_factories()
    with runner:
        assert runner.subprocess_message_processor_factories == ()
    assert len(caplog.records) == 1
