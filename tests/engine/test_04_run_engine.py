"""Runs that start from given states, handlers, kept states, engine classes."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from penstock import flow, runtime, task
from penstock.core.address import quote_name
from penstock.core.address_patterns import parse
from penstock.exceptions import InvalidTransition, ParameterBindError
from penstock.flow_engine import AsyncFlowRunEngine, FlowRunEngine, load_flow_run, run_flow
from penstock.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Completed,
    Failed,
    Pending,
    Running,
    Scheduled,
    State,
)
from penstock.task_engine import SyncTaskRunEngine, run_task
from penstock.task_runners import ThreadPoolTaskRunner

RAN: list[str] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    RAN.clear()


@task
def load(x: int = 1) -> int:
    RAN.append("load")
    return x


@task
def train(x: int) -> int:
    RAN.append("train")
    return x * 10


@flow
def child(x: int) -> int:
    RAN.append("child")
    return train(x)


@flow
def pipeline(n: int = 2) -> Any:
    RAN.append("body")
    first = load(n)
    mapped = train.map([first, first + 1])
    return first, mapped.result(), child(first)


def test_addresses() -> None:
    state = pipeline.run_engine(return_tasks="*")
    assert set(state.task_states) == {"load:0", "train:0[0]", "train:0[1]", "child:0", "child:0/train:0"}
    assert state.flow_run.address == ""
    assert state.result() == (2, [20, 30], 20)


def test_addresses_count_calls_by_task_and_restart_at_a_retry() -> None:
    seen: list[str] = []

    @task
    def other() -> str:
        address: str = runtime.task_run.address
        seen.append(address)
        return address

    same_name = task(lambda: runtime.task_run.address, name="other")

    @flow(retries=1)
    def f() -> Any:
        other()
        addresses = [same_name(), other(), other.submit().result()]
        if runtime.flow_run.run_count == 1:
            raise ValueError
        return addresses

    assert f() == ["other~2:0", "other:1", "other:2"]
    assert seen == ["other:0", "other:1", "other:2"] * 2


@pytest.mark.parametrize(("name", "want"), [("plain", "plain"), ("a/b", "a%2Fb"), ("a b:[%]", "a%20b%3A%5B%25%5D")])
def test_names_are_quoted(name: str, want: str) -> None:
    assert quote_name(name) == want


@pytest.mark.parametrize(
    ("pattern", "address", "fits"),
    [
        ("t:0", "t:0", True), ("t:0", "t:1", False), ("t", "t:5", True), ("t", "c:0/t:5", False),
        ("**/t", "c:0/t:5", True), ("t:0[*]", "t:0[7]", True), ("t:0[*]", "t:0", False), ("t:0[3]", "t:0[3]", True),
        ("c:0/t:1", "c:0/t:1", True),
    ],
)  # fmt: skip
def test_patterns(pattern: str, address: str, fits: bool) -> None:
    assert parse(pattern).matches(address) is fits


@pytest.mark.parametrize("bad", ["", ":0", "t:x", "t:0[", "t:0[x]", "a//b"])
def test_unparsable_addresses(bad: str) -> None:
    with pytest.raises(ValueError):
        pipeline.run_engine(task_states={bad: 1})
    assert RAN == []


def test_a_task_given_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        pipeline.run_engine(task_states={load: 1, "load:0": 2})


def test_given_values_and_states_are_used() -> None:
    state = pipeline.run_engine(task_states={load: 5, "train:0[1]": Completed(data=99), "child:0": 7})
    assert state.result() == (5, [50, 99], 7)
    assert RAN == ["body", "train"]
    assert state.flow_run.progress.cached >= 2


def test_a_map_takes_a_list_of_results() -> None:
    assert pipeline.run_engine(task_states={"train:0": Completed(data=[1, 2])}).result()[1] == [1, 2]
    wrong = pipeline.run_engine(task_states={"train:0": Completed(data=[1])})
    assert wrong.is_failed()
    assert type(wrong.data).__name__ == "MappingLengthMismatch"


def test_given_failures_end_the_call_at_once() -> None:
    error = ValueError("given")
    state = pipeline.run_engine(task_states={"load:0": Failed(data=error)})
    assert state.is_failed()
    assert state.data is error
    assert RAN == ["body"]


def test_unreached_addresses_are_told(caplog: pytest.LogCaptureFixture) -> None:
    state = pipeline.run_engine(task_states={"nope:0": 1}, task_contexts={"load:0": {"k": 1}})
    assert state.unused == ("nope:0",)
    assert "nope:0" in caplog.text


def test_rerun_from_the_point_of_failure() -> None:
    broken = [True]

    @task
    def last() -> str:
        if broken[0]:
            raise ValueError
        return "done"

    @flow
    def f() -> Any:
        return load(), last()

    first = f.run_engine(return_tasks="*")
    assert first.is_failed()
    broken[0] = False
    again = f.run_engine(task_states={a: s for a, s in first.task_states.items() if s.is_completed()})
    assert again.result() == (1, "done")
    assert RAN == ["load"]


PAST = datetime.now(UTC) - timedelta(seconds=1)
FUTURE = datetime.now(UTC) + timedelta(hours=1)


@pytest.mark.parametrize(
    ("given", "kind", "ran", "running_hooks"),
    [
        (None, "COMPLETED", True, 1),
        (Pending(), "COMPLETED", True, 1),
        (Scheduled(scheduled_time=PAST), "COMPLETED", True, 1),
        (Scheduled(scheduled_time=FUTURE), "SCHEDULED", False, 0),
        (Running(), "COMPLETED", True, 0),
        (Cancelling(), "CANCELLED", False, 0),
        (Completed(data=3), "COMPLETED", False, 0),
        (Failed(message="m"), "FAILED", False, 0),
        (Cancelled(), "CANCELLED", False, 0),
    ],
    ids=str,
)
def test_initial_flow_states(given: State | None, kind: str, ran: bool, running_hooks: int) -> None:
    seen: list[str] = []
    f = flow(
        lambda: RAN.append("body"),
        name="f",
        on_running=[lambda flow, run, state: seen.append("running")],
        on_cancellation=[lambda flow, run, state: seen.append("cancellation")],
    )
    state = f.run_engine(state=given)
    assert state.type == kind
    assert (["body"] if ran else []) == RAN
    assert seen.count("running") == running_hooks
    assert ("cancellation" in seen) is (given is not None and given.is_cancelling())


def test_awaiting_retry_goes_on_counting() -> None:
    counts: list[int] = []

    @flow(retries=2)
    def f() -> None:
        counts.append(runtime.flow_run.run_count)
        raise ValueError

    given = AwaitingRetry(scheduled_time=PAST)
    given.state_details.run_count = 2
    f.run_engine(state=given)
    assert counts == [3]


def test_long_retry_delays_leave_the_process_as_scheduled() -> None:
    @task(retries=1, retry_delay_seconds=1000)
    def slow() -> None:
        raise ValueError

    alone = slow.run_engine()
    assert (alone.type, alone.name) == ("SCHEDULED", "AwaitingRetry")
    assert alone.state_details.run_count == 1

    @flow
    def f() -> None:
        try:
            slow()
        finally:
            RAN.append("finally")
        RAN.append("after")

    state = f.run_engine()
    assert (state.type, state.name) == ("SCHEDULED", "AwaitingRetry")
    assert RAN == ["finally"]
    assert slow.run_engine(state=AwaitingRetry(scheduled_time=PAST)).is_failed()


def test_contexts() -> None:
    @task
    def t() -> Any:
        return runtime.task_run.context

    @flow
    def f() -> Any:
        return runtime.flow_run.context, t(), t()

    state = f.run_engine(context={"a": 1}, task_contexts={"t:1": {"b": 2}})
    assert state.result() == ({"a": 1}, {"a": 1}, {"a": 1, "b": 2})


def test_a_runner_that_is_entered_is_used_as_it_is() -> None:
    with ThreadPoolTaskRunner(1) as runner:
        state = pipeline.run_engine(task_runner=runner)
        assert state.result()[1] == [20, 30]
        assert runner._started


def test_handlers_see_each_transition_and_their_chain_decides() -> None:
    seen: list[tuple[str, str]] = []

    def watch(engine: Any, old: State, new: State) -> State | None:
        seen.append((old.name, new.name))
        return None

    def rescue(engine: Any, old: State, new: State) -> State | None:
        return Completed(data="rescued") if new.is_failed() else None

    @flow
    def f() -> None:
        raise ValueError

    state = f.run_engine(state_handlers=[watch, rescue])
    assert state.result() == "rescued"
    assert seen == [("Pending", "Running"), ("Running", "Failed")]


@pytest.mark.parametrize(
    ("returned", "match"),
    [("text", "TypeError"), (Scheduled, "cannot follow"), (ZeroDivisionError, "ZeroDivisionError")],
)
def test_bad_handlers_fail_the_run(returned: Any, match: str) -> None:
    def bad(engine: Any, old: State, new: State) -> Any:
        if new.type != "COMPLETED":
            return None
        if returned is ZeroDivisionError:
            raise ZeroDivisionError("z")
        return Pending() if returned is Scheduled else returned

    state = load.run_engine(state_handlers=[bad])
    assert state.is_failed()
    assert "'bad'" in (state.message or "")
    assert match in (state.message or "")


def test_task_handlers_reach_every_task_but_not_into_subflows() -> None:
    seen: list[str] = []

    def watch(engine: Any, old: State, new: State) -> None:
        seen.append(engine.task_run.address)

    pipeline.run_engine(task_state_handlers=[watch])
    assert "load:0" in seen
    assert not any("child" in address for address in seen)


def test_async_handlers_only_in_async_flows() -> None:
    async def handler(engine: Any, old: State, new: State) -> None:
        await asyncio.sleep(0)
        RAN.append(new.name)

    with pytest.raises(ValueError, match="async"):
        pipeline.run_engine(state_handlers=[handler])

    @flow
    async def f() -> int:
        return 1

    assert asyncio.run(f.run_engine(state_handlers=[handler])).result() == 1
    assert RAN == ["Running", "Completed"]


def test_upstream_states() -> None:
    assert train.run_engine(upstream_states={"x": Completed(data=4)}).result() == 40
    held = train.run_engine(upstream_states={"x": Failed()})
    assert (held.type, held.name) == ("PENDING", "NotReady")
    with pytest.raises(ParameterBindError):
        train.run_engine(upstream_states={"nope": Completed(data=4)})


def test_mapped_parents() -> None:
    state = train.run_engine(parameters={"x": [1, 2]}, is_mapped_parent=True)
    assert (state.name, state.data, len(state.map_states)) == ("Mapped", [10, 20], 2)


def test_the_steps_of_an_engine() -> None:
    engine = FlowRunEngine(flow=child, parameters={"x": 1})
    with engine.start():
        assert engine.is_running()
        assert engine.state.is_running()
        while engine.is_running():
            with engine.run_context():
                engine.call_flow_fn()
    assert engine.result() == 10
    with pytest.raises(InvalidTransition):
        engine.set_state(Running())
    engine.set_state(Running(), force=True)

    task_engine = SyncTaskRunEngine(task=train, parameters={"x": 2})
    with task_engine.start():
        task_engine.handle_exception(ValueError("by hand"))
    assert task_engine.state.is_failed()

    @flow
    async def aflow() -> int:
        return 3

    async def drive() -> Any:
        aengine = AsyncFlowRunEngine(flow=aflow)
        async with aengine.start():
            while aengine.is_running():
                await aengine.call_flow_fn()
        return aengine.result()

    assert asyncio.run(drive()) == 3


def test_run_flow_and_run_task() -> None:
    assert run_flow(child, parameters={"x": 1}) == 10
    assert run_flow(child, parameters={"x": 1}, return_type="state").is_completed()
    assert run_task(train, parameters={"x": 1}) == 10

    @flow
    def knows_itself() -> Any:
        return load_flow_run(runtime.flow_run.id).id

    assert knows_itself() is not None


def test_a_scheduled_time_within_the_limit_is_waited_for() -> None:
    began = time.time()
    due = datetime.now(UTC) + timedelta(seconds=0.15)
    assert load.run_engine(state=Scheduled(scheduled_time=due)).is_completed()
    assert time.time() - began >= 0.14


def test_a_submitted_task_that_waits_for_long_ends_the_root_when_the_rest_is_done() -> None:
    @task(retries=1, retry_delay_seconds=1000)
    def slow() -> None:
        raise ValueError

    @task
    def other() -> None:
        time.sleep(0.05)
        RAN.append("other")

    @flow
    def looks() -> None:
        other.submit()
        try:
            slow.submit().result()
        except Exception:  # noqa: BLE001
            RAN.append("swallowed")

    @flow
    def leaves() -> None:
        slow.submit()
        other.submit()

    for f in (looks, leaves):
        RAN.clear()
        state = f.run_engine()
        assert (state.type, state.name) == ("SCHEDULED", "AwaitingRetry")
        assert RAN == ["other"]
