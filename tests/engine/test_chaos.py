"""Interruptions and timeouts at random moments, in the middle of the engine's own work: nothing is torn, nothing hangs."""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from penstock import flow, task
from penstock.client.schemas.objects import FlowRun
from penstock.interruption.interrupt import Cause, Control

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 20260101


@task
def nothing(x: int = 0) -> int:
    return x


@task
async def anothing() -> None:
    pass


@flow
def child() -> Any:
    return nothing()


def direct() -> None:
    while True:
        nothing()


def submitted() -> None:
    while True:
        for future in nothing.map(range(5)):
            future.result()


def subflows() -> None:
    while True:
        child()


def mixed() -> None:
    while True:
        anothing()  # type: ignore[unused-coroutine]  # in a sync run the value comes back
        nothing.submit().wait()
        child()


def timed() -> None:
    inner = nothing.with_options(timeout_seconds=5)
    while True:
        inner()


def spins() -> None:
    while True:
        pass


BODIES = [direct, submitted, subflows, mixed, timed]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("penstock").setLevel(logging.CRITICAL)


@pytest.mark.parametrize("body", BODIES)
def test_timeouts_on_the_main_thread(body: Callable[[], Any]) -> None:
    chance = random.Random(SEED)
    for _ in range(10):
        f = flow(body, timeout_seconds=0.001 + chance.random() * 0.03)
        # The bodies never end by themselves.
        assert f(return_state=True).name == "TimedOut"


@pytest.mark.parametrize("how", ["timeout", "cancelled", "terminated"])
@pytest.mark.parametrize("body", [direct, submitted, subflows, spins])
def test_other_threads(body: Callable[[], Any], how: Any) -> None:
    chance = random.Random(SEED)
    for _ in range(5):
        control = Control()
        f = flow(body, timeout_seconds=0.001 + chance.random() * 0.03 if how == "timeout" else None)
        ended: list[Any] = []

        def run(f: Any = f, control: Control = control, ended: list[Any] = ended) -> None:
            ended.append(f.run_engine(flow_run=FlowRun(control=control)).name)

        thread = threading.Thread(target=run)
        thread.start()
        if how != "timeout":
            time.sleep(chance.random() * 0.03)
            control.interrupt(Cause(how))
        thread.join(10)
        assert not thread.is_alive()
        assert ended == [{"timeout": "TimedOut", "cancelled": "Cancelled", "terminated": "Crashed"}[how]]


@pytest.mark.parametrize("body", BODIES)
def test_cancellation_on_the_main_thread(body: Callable[[], Any]) -> None:
    chance = random.Random(SEED)
    for _ in range(5):
        control = Control()
        timer = threading.Timer(chance.random() * 0.03, control.interrupt, [Cause("cancelled")])
        timer.start()
        assert flow(body).run_engine(flow_run=FlowRun(control=control)).name == "Cancelled"
        timer.join()


class Finalized:
    """Its finalizer is where the interruption arrives; Python drops what is raised there."""

    def __del__(self) -> None:
        IN_FINALIZER.set()
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            pass


IN_FINALIZER = threading.Event()


@pytest.mark.parametrize("own_thread", [False, True])
def test_an_interruption_that_a_finalizer_would_lose_is_raised_afterwards(own_thread: bool) -> None:
    control = Control()
    IN_FINALIZER.clear()

    def body() -> None:
        Finalized()
        until = time.monotonic() + 10
        while time.monotonic() < until:
            pass

    def stop() -> None:
        assert IN_FINALIZER.wait(5)
        control.interrupt(Cause("cancelled"))

    ended: list[str] = []

    def run() -> None:
        ended.append(flow(body).run_engine(flow_run=FlowRun(control=control)).name)

    stopper = threading.Thread(target=stop)
    stopper.start()
    if own_thread:
        runner = threading.Thread(target=run)
        runner.start()
        runner.join(60)
    else:
        run()
    stopper.join()
    assert ended == ["Cancelled"]
