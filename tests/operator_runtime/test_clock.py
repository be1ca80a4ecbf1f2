"""Somebody sets the operator's wall clock: no wait grows, and what a person waits for comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from penstock_operator.api.flowrun import State, StateType
from penstock_operator.core.model import CreatePod, Decision, Observed
from penstock_operator.runtime.clock import Reckoning, Steps
from tests.support.fakeapi import refusal
from tests.support.runtimeobjects import pod, state
from tests.support.runtimerig import START, Rig, on
from tests.support.smallcore import MANIFEST, nothing, server, to

HOUR = 3600.0


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_reckoning_is_never_set_back() -> None:
    one = Reckoning(START, 0.0)
    assert one.ahead(after(10), 10.0) == 0
    assert one.ahead(after(20 - HOUR), 20.0) == HOUR
    assert one.ahead(after(90 - HOUR), 90.0) == HOUR
    assert one.ahead(after(100 - HOUR / 2), 100.0) == HOUR / 2, "it was put right by half"
    assert one.ahead(after(110 + HOUR), 110.0) == 0, "a clock that is ahead is believed"
    assert one.ahead(after(120), 120.0) == HOUR


def test_small_corrections_are_none() -> None:
    one = Reckoning(START, 0.0)
    for second in range(1, 1000):  # slewed by half a second, again and again
        assert one.ahead(after(second * 0.9995), float(second)) == 0


@pytest.mark.parametrize("by", [HOUR, -HOUR, 2.0, 0.0])
def test_steps_are_noticed_once(by: float) -> None:
    times = [(START, 0.0), (after(15 + by), 15.0), (after(30 + by), 30.0)]
    left = iter([moment for wall, ticks in times for moment in (wall, ticks)])
    steps = Steps(lambda: next(left), lambda: next(left))  # type: ignore[arg-type,return-value]
    assert [steps.step(), steps.step()] == [by, 0.0]


def waits(seconds: float) -> Callable[[Observed], Decision]:
    """A core that waits for so long since its state began, by the run's time; then the run is Completed."""

    def decide(seen: Observed) -> Decision:
        now = seen.now + timedelta(seconds=seen.ahead)
        present = seen.run.status.state
        if present is None:
            begun = State(type=StateType.SCHEDULED, name="AwaitingRetry", since=now, time=now)
            return Decision(status=to(seen.run.status, state=begun))
        if present.type.terminal:
            return Decision()
        assert present.since is not None
        due = present.since + timedelta(seconds=seconds)
        if now < due:
            return Decision(requeue_at=due - timedelta(seconds=seen.ahead))
        return Decision(status=to(seen.run.status, state=State(type=StateType.COMPLETED, name="Completed")))

    return decide


@pytest.mark.parametrize("by", [-HOUR, -30.0, 0.0, HOUR])
@pytest.mark.parametrize("times", [1, 3])
def test_no_wait_grows_by_a_clock_that_is_set(by: float, times: int) -> None:
    """However often: between two decisions, and at the very end of the wait."""
    ended: list[float] = []

    async def story(rig: Rig) -> None:
        rig.sync()
        worker = asyncio.create_task(rig.controller.work())
        rig.queue.add(next(iter(rig.store.runs)))
        for number in range(times):
            await asyncio.sleep(15)
            rig.set_by += by
            if number % 2:
                rig.queue.add(next(iter(rig.store.runs)))  # something happens to the run
        for second in range(600):
            await asyncio.sleep(0.5)
            if rig.store.states() and dict(rig.store.states()).get("Completed"):
                ended.append(times * 15 + 0.5 * (second + 1))
                break
        rig.queue.close()
        await worker

    on(server(), waits(60), story)
    assert ended, "it waits for ever"
    assert ended[0] <= 61


def test_a_run_that_is_new_begins_with_the_clock_as_it_is() -> None:
    api = server()

    async def story(rig: Rig) -> None:
        rig.set_by = -HOUR
        await rig.settle()

    assert on(api, nothing, story).seen[-1].ahead == 0


def test_what_was_seen_before_keeps_its_distance() -> None:
    """A refusal, a pod that was asked to stop: so long ago by the run's time, whatever the wall clock says."""
    api = server(status={"state": state("Pending", "Submitting"), "attempt": {"number": 1, "podName": "etl-1"}})
    api.fail("create", "pods", refusal(403, "Forbidden", "exceeded quota"))
    wanted = [Decision(effects=(CreatePod(MANIFEST),))]

    async def story(rig: Rig) -> None:
        await rig.settle()
        api.put("pods", pod(annotations={"penstock.dev/intent": "Cancelled"}))
        await rig.settle()
        await asyncio.sleep(10)
        rig.set_by = -HOUR
        await rig.settle()

    seen = on(api, lambda _: wanted.pop() if wanted else Decision(), story).seen[-1]
    assert seen.ahead == HOUR
    assert seen.refusal is not None
    for moment in (seen.refusal.time, seen.stopped_at, seen.intent_at):
        assert moment is not None
        assert (seen.now - moment).total_seconds() == 10


def test_retention_of_a_finished_run_waits_no_longer_either() -> None:
    """Nothing is remembered of it."""
    api = server(status={"state": state("Completed")})

    async def story(rig: Rig) -> None:
        await rig.settle()
        assert len(rig.memories) == 0
        await asyncio.sleep(10)
        rig.set_by = -HOUR
        await rig.settle()
        await asyncio.sleep(10)
        await rig.settle()

    seen = on(api, nothing, story).seen
    assert [(s.now - START).total_seconds() + s.ahead for s in seen] == [0, 10, 20]
