"""Interruptions and timeouts at random moments, in the middle of the engine's own work: nothing is torn, nothing hangs."""

from __future__ import annotations

import gc
import logging
import pickle
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from penstock import flow, task
from penstock.client.schemas.objects import FlowRun
from penstock.interruption.interrupt import Cause, Control
from penstock.interruption.section import Section
from tests.support.world import until

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
    others = set(threading.enumerate())  # bodies that other tests have left behind in a long call
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
    bodies = [each for each in threading.enumerate() if each.name.startswith("penstock ") and each not in others]
    until("no body goes on", lambda: not any(each.is_alive() for each in bodies))


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
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            pass


IN_FINALIZER = threading.Event()


def in_a_callback() -> None:
    """As Hypothesis has one; what it raises is dropped as well."""

    def callback(phase: str, info: Any) -> None:
        IN_FINALIZER.set()
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            pass
        gc.callbacks.remove(callback)

    gc.callbacks.append(callback)
    gc.collect()


def in_a_callback_that_is_none_any_more() -> None:
    """It has taken itself out, and still runs: nobody can tell by the interpreter's list what becomes of what it raises."""

    def callback(phase: str, info: Any) -> None:
        gc.callbacks.remove(callback)
        IN_FINALIZER.set()
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            pass

    gc.callbacks.append(callback)
    gc.collect()


@pytest.mark.parametrize("own_thread", [False, True])
@pytest.mark.parametrize("lose", [Finalized, in_a_callback, in_a_callback_that_is_none_any_more])
def test_an_interruption_that_the_collector_would_lose_is_raised_afterwards(
    lose: Callable[[], object], own_thread: bool
) -> None:
    control = Control()
    IN_FINALIZER.clear()

    def body() -> None:
        lose()
        end = time.monotonic() + 10
        while time.monotonic() < end:
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


class Interruption(BaseException):
    pass


def test_what_an_inner_body_did_not_get_any_more_is_for_the_body_around_it() -> None:
    """It was injected, and the inner body ended before the interpreter looked."""
    section = Section()
    told = Interruption("told")

    def inner() -> None:
        section.injected, section.owed = True, told

    def outer() -> None:
        section.call(inner, (), {})
        section.reopen(True)
        raise AssertionError("never comes here")

    with pytest.raises(Interruption) as caught:
        section.call(outer, (), {})
    assert caught.value is told
    section.call(inner, (), {})
    assert (section.pending, section.owed, section.injected) == (None, None, False), "there is no body around it"


@pytest.mark.parametrize("swallowed", [True, False])
def test_what_was_raised_is_not_owed(swallowed: bool) -> None:
    section = Section()
    section.is_main = False
    told = Interruption("told")

    def inner() -> None:
        try:
            threading.Thread(target=section.deliver, args=(told,)).start()
            while True:
                pass
        except Interruption:
            if not swallowed:
                raise

    def outer() -> str:
        section.call(inner, (), {})
        section.reopen(True)
        return "goes on"

    if swallowed:
        assert section.call(outer, (), {}) == "goes on"
    else:
        with pytest.raises(Interruption) as caught:
            section.call(outer, (), {})
        assert type(pickle.loads(pickle.dumps(caught.value))) is Interruption
    assert (section.pending, section.owed, section.injected) == (None, None, False)


def test_what_a_finalizer_lost_waits_while_the_engine_works() -> None:
    section = Section()
    told = Interruption("told")

    def outer() -> None:
        section.open = False  # as in a call of the engine
        section.injected, section.injected_type, section.owed = True, Interruption, told
        section.inject_again()
        section.reopen(True)

    with pytest.raises(Interruption) as caught:
        section.call(outer, (), {})
    assert caught.value is told
