"""Pausing and resuming in one process."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

from penstock import apause_flow_run, flow, pause_flow_run, resume_flow_run, runtime, suspend_flow_run, task
from penstock.exceptions import FlowPauseTimeout, NotPausedError, ObjectNotFound
from penstock.input import RunInput, receive_input, send_input
from penstock.observers import subscribe
from penstock.states import Paused, State

if TYPE_CHECKING:
    from collections.abc import Callable


def when_paused(act: Callable[[Any], None]) -> threading.Thread:
    """Call `act(flow_run)` in another thread as soon as a flow run is paused."""
    found: list[Any] = []
    bell = threading.Event()

    def watch(run: Any, old: Any, new: Any) -> None:
        if new.is_paused():
            found.append(run)
            bell.set()

    subscribe(watch, "flow")

    def wait() -> None:
        assert bell.wait(5)
        act(found[0])

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_pause_is_resumed_at_once() -> None:
    @flow
    def f() -> int:
        pause_flow_run(timeout=60)
        return 3

    thread = when_paused(lambda run: resume_flow_run(run.id))
    assert f() == 3
    thread.join()


class Answer(RunInput):
    name: str
    count: int = 3


class Plain(pydantic.BaseModel):
    x: int


@pytest.mark.parametrize(
    ("asked", "given", "want"),
    [
        (int, "5", 5),
        (Answer, {"name": "a"}, ("a", 3)),
        (Answer.with_initial_data(count=7), {"name": "b"}, ("b", 7)),
        (Plain, {"x": "4"}, 4),
    ],
)
def test_inputs(asked: Any, given: Any, want: Any) -> None:
    @flow
    def f() -> Any:
        value = pause_flow_run(wait_for_input=asked, timeout=10)
        return (value.name, value.count) if isinstance(value, Answer) else getattr(value, "x", value)

    thread = when_paused(lambda run: resume_flow_run(run.id, given))
    assert f() == want
    thread.join()


def test_an_invalid_input_leaves_the_run_paused() -> None:
    errors: list[str] = []

    def act(run: Any) -> None:
        try:
            resume_flow_run(run.id, "not a number")
        except RuntimeError as exc:
            errors.append(str(exc))
        assert run.state.is_paused()
        resume_flow_run(run.id, 3)

    @flow
    def f() -> Any:
        return pause_flow_run(wait_for_input=int, timeout=10)

    thread = when_paused(act)
    assert f() == 3
    thread.join()
    assert "value: " in errors[0]


def test_a_pause_that_nobody_resumes_fails_the_flow() -> None:
    @flow
    def f() -> None:
        pause_flow_run(timeout=0.05)

    with pytest.raises(FlowPauseTimeout):
        f()


def test_a_key_met_again_returns_at_once() -> None:
    @flow
    def f() -> Any:
        return [pause_flow_run(wait_for_input=int, key="k", timeout=5) for _ in range(2)]

    thread = when_paused(lambda run: resume_flow_run(run.id, 4))
    assert f() == [4, 4]
    thread.join()


def test_the_clocks_of_timeouts_stand_still() -> None:
    def act(run: Any) -> None:
        time.sleep(0.3)
        resume_flow_run(run.id)

    @flow(timeout_seconds=0.25)
    def f() -> int:
        pause_flow_run(timeout=10)
        return 1

    thread = when_paused(act)
    assert f() == 1
    thread.join()


def test_other_tasks_go_on() -> None:
    @task
    def pauses() -> None:
        pause_flow_run(timeout=5)

    @task
    def goes_on() -> str:
        return "on"

    @flow
    def f() -> Any:
        held = pauses.submit()
        result = goes_on.submit().result(timeout=5)
        held.result()
        return result

    thread = when_paused(lambda run: resume_flow_run(run.id))
    assert f() == "on"
    thread.join()


def test_async_pauses() -> None:
    @flow
    async def f() -> Any:
        return await pause_flow_run(wait_for_input=str, timeout=5)

    thread = when_paused(lambda run: resume_flow_run(run.id, "hi"))
    assert asyncio.run(f()) == "hi"
    thread.join()


def test_what_is_refused() -> None:
    @flow
    def f() -> None:
        with pytest.raises(NotPausedError):
            resume_flow_run(runtime.flow_run.id)
        for wait in (pause_flow_run, suspend_flow_run):
            with pytest.raises(ValueError, match="'timeout' must be a non-negative number, got -1"):
                wait(timeout=-1)
        with pytest.raises(RuntimeError, match="pod"):
            suspend_flow_run()
        for inner, what in ((flow, "subflows"), (task, "task runs")):
            with pytest.raises(RuntimeError, match=f"Cannot suspend {what}."):
                inner(lambda: suspend_flow_run(), name="inner")()

    f()
    with pytest.raises(RuntimeError, match="within a flow run"):
        pause_flow_run()
    with pytest.raises(ObjectNotFound):
        resume_flow_run("00000000-0000-0000-0000-000000000000")


def test_a_given_paused_state_waits_for_resume() -> None:
    @flow
    def f() -> int:
        return 3

    thread = when_paused(lambda run: resume_flow_run(run.id))
    assert f.run_engine(state=Paused(timeout_seconds=5)).result() == 3
    thread.join()


@pytest.mark.parametrize("given", [True, False], ids=["given", "paused by code"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_an_answer_that_comes_before_anybody_waits(given: bool, is_async: bool) -> None:
    """Whoever sees the state may answer as soon as the run is known."""
    answers: list[threading.Thread] = []

    def resume(run: Any) -> None:
        while True:
            try:
                resume_flow_run(run.id)
            except ObjectNotFound:
                continue
            return

    def answer(run: Any, old: State | None, new: State) -> None:
        if new.is_paused():
            answers.append(threading.Thread(target=resume, args=(run,)))
            answers[-1].start()

    @flow
    def f() -> int:
        if not given:
            pause_flow_run(timeout=5)
        return 3

    @flow
    async def g() -> int:
        if not given:
            await apause_flow_run(timeout=5)
        return 3

    state = Paused(timeout_seconds=5) if given else None
    end = subscribe(answer, runs="flow")
    try:
        ended = asyncio.run(g.run_engine(state=state)) if is_async else f.run_engine(state=state)
    finally:
        end()
    assert ended.result() == 3
    assert len(answers) == 1
    answers[0].join()


def test_messages_between_threads() -> None:
    @flow
    def f() -> Any:
        send_input(5, runtime.flow_run.id)
        send_input("x", runtime.flow_run.id)
        return next(iter(receive_input(int, timeout=1))), list(receive_input(float, timeout=0.01))

    assert f() == (5, [])
