"""Cancellation, termination, hooks, shields; what the process leaves behind."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from penstock import flow, task
from penstock.client.schemas.objects import FlowRun
from penstock.exceptions import CancelledRun, PausedRun, TerminationSignal
from penstock.flow_engine import request_cancellation, shield
from penstock.interruption.interrupt import Cause, Control, interrupt
from penstock.observers import subscribe
from tests.support.world import once

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

LOG: list[str] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    LOG.clear()


def hooks() -> dict[str, Any]:
    return {name: [lambda flow, run, state, name=name: LOG.append(name)] for name in ("on_cancellation", "on_crashed")}


def once_running(act: Callable[[], Any]) -> threading.Thread:
    """Act in another thread as soon as some body said that it runs."""
    RUNS.clear()
    return once(RUNS, act, 5)


RUNS = threading.Event()


@task
def naps() -> None:
    RUNS.set()
    time.sleep(100)


@task
async def anaps() -> None:
    RUNS.set()
    await asyncio.sleep(100)


def sleeps() -> None:
    RUNS.set()
    time.sleep(100)


def swallows() -> int:
    RUNS.set()
    try:
        time.sleep(100)
    except BaseException:  # noqa: BLE001
        LOG.append("swallowed")
    return 5


def ticks() -> None:
    """Sits in the callbacks of a loop: what one of them raises is logged by the loop, and lost."""

    async def busy() -> None:
        loop = asyncio.get_running_loop()

        def tick() -> None:
            RUNS.set()
            time.sleep(0.001)
            loop.call_soon(tick)

        tick()
        try:
            await loop.create_future()
        finally:
            LOG.append("left")

    asyncio.run(busy())
    LOG.append("on_and_on")


def sleeps_in_c() -> None:
    """Sits in a loop that is no Python: all that signals raise there, they raise in a callback."""

    async def sleepy() -> None:
        RUNS.set()
        await asyncio.sleep(100)

    uvloop.run(sleepy())


BODIES: list[tuple[str, Callable[[], Any]]] = [
    ("sleep", sleeps),
    ("direct task", lambda: naps()),
    ("submitted task, waited for", lambda: naps.submit().result()),
    ("submitted task, at the end", lambda: naps.submit() and None),
    ("subflow", lambda: flow(sleeps, name="child")()),
    ("async task in sync flow", lambda: anaps()),
    ("swallowed", swallows),
    ("a loop's callbacks", ticks),
    ("a loop in C", sleeps_in_c),
]


@pytest.mark.parametrize("body", [row[1] for row in BODIES], ids=[row[0] for row in BODIES])
@pytest.mark.parametrize(
    ("kind", "hook", "error"),
    [
        ("cancelled", "on_cancellation", CancelledRun),
        ("terminated", "on_crashed", TerminationSignal),
        ("suspended", None, PausedRun),
    ],
)
def test_whatever_runs_it_ends_at_once(body: Any, kind: Any, hook: str | None, error: type[BaseException]) -> None:
    f = flow(body, name="f", **hooks())
    thread = once_running(lambda: interrupt(Cause(kind)))
    # Whoever waited for the body would wait for longer than a test may take.
    with pytest.raises(error):
        f()
    thread.join()
    assert [entry for entry in LOG if entry.startswith("on_")] == ([hook] if hook else [])


@pytest.mark.parametrize("between", [False, True])
def test_an_async_generator(between: bool) -> None:
    """In a pull, or between two: it is left as it is closed, and its own clean-up runs."""

    @flow(**hooks())
    async def f() -> AsyncIterator[int]:
        try:
            yield 1
            RUNS.set()
            await asyncio.sleep(100)
        finally:
            LOG.append("left")

    async def pull() -> None:
        async for _ in f():
            if between:
                interrupt(Cause("terminated"))

    thread = None if between else once_running(lambda: interrupt(Cause("terminated")))
    with pytest.raises(TerminationSignal):
        asyncio.run(pull())
    if thread is not None:
        thread.join()
    assert LOG == ["left", "on_crashed"]


@pytest.mark.parametrize("gathered", [False, True])
def test_async_bodies(gathered: bool) -> None:
    @flow(**hooks())
    async def f() -> None:
        if gathered:
            await asyncio.gather(anaps(), anaps())
        else:
            RUNS.set()
            await asyncio.sleep(100)

    thread = once_running(lambda: request_cancellation(message="enough"))
    with pytest.raises(CancelledRun, match="enough"):
        asyncio.run(f())
    thread.join()
    assert LOG == ["on_cancellation"]


def test_states_go_innermost_first_through_cancelling() -> None:
    changes: list[str] = []
    subscribe(lambda run, old, new: changes.append(f"{run.address or 'root'} {new.name}") if old else None)
    f = flow(lambda: naps(), name="f")
    thread = once_running(request_cancellation)
    with pytest.raises(CancelledRun):
        f()
    thread.join()
    assert changes == ["root Running", "naps:0 Running", "naps:0 Cancelled", "root Cancelling", "root Cancelled"]


def test_a_shield_holds_it_back_and_a_body_that_ends_inside_keeps_its_outcome() -> None:
    @flow(**hooks())
    def f(rest: float) -> str:
        with shield():
            RUNS.set()
            until = time.monotonic() + 0.3
            while time.monotonic() < until:
                time.sleep(0.01)
            LOG.append("done inside")
        time.sleep(rest)
        return "kept"

    thread = once_running(request_cancellation)
    with pytest.raises(CancelledRun):
        f(5)
    thread.join()
    assert LOG == ["done inside", "on_cancellation"]


def test_queued_tasks_are_cancelled_and_not_run() -> None:
    from penstock.task_runners import ThreadPoolTaskRunner

    ran: list[int] = []

    @task
    def t(x: int) -> None:
        ran.append(x)
        RUNS.set()
        time.sleep(0.5)

    last: dict[str, str] = {}
    subscribe(lambda run, old, new: last.update({run.address: new.name}), "task")

    @flow(task_runner=ThreadPoolTaskRunner(1))
    def f() -> None:
        t.map(range(5))
        time.sleep(100)

    thread = once_running(request_cancellation)
    with pytest.raises(CancelledRun):
        f()
    thread.join()
    assert ran == [0]
    assert last == {f"t:0[{index}]": "Cancelled" for index in range(5)}


def test_hooks_past_their_deadline_are_named() -> None:
    def slow(flow: Any, run: Any, state: Any) -> None:
        time.sleep(0.2)

    def skipped(flow: Any, run: Any, state: Any) -> None:
        LOG.append("skipped")

    control = Control()
    f = flow(sleeps, name="f", on_cancellation=[slow, skipped])
    thread = once_running(lambda: control.interrupt(Cause("cancelled"), hooks_until=time.monotonic() + 0.1))
    state = f.run_engine(flow_run=FlowRun(control=control))
    thread.join()
    assert state.is_cancelled()
    assert (control.hooks.ran, control.hooks.not_run) == (["slow"], ["skipped"])
    assert state.flow_run.hooks is control.hooks
    assert LOG == []


def test_abandoning_a_body_that_does_not_react() -> None:
    control = Control()
    release = threading.Event()
    ended: list[Any] = []

    def body() -> None:
        with shield():
            RUNS.set()
            release.wait(10)

    f = flow(body, name="f", **hooks())

    def run() -> None:
        with pytest.raises(SystemExit):
            f.run_engine(flow_run=FlowRun(control=control))

    runner = threading.Thread(target=run)
    RUNS.clear()
    runner.start()
    assert RUNS.wait(5)
    assert control.interrupt(Cause("terminated", signal=15))
    ended.append(control.abandon())
    assert ended[0].is_crashed()
    assert LOG == ["on_crashed"]
    release.set()
    runner.join(5)
    assert not runner.is_alive()
    assert LOG == ["on_crashed"]


def test_a_cause_given_before_the_start_keeps_the_body_from_running() -> None:
    control = Control()
    assert control.interrupt(Cause("cancelled")) is False
    f = flow(lambda: LOG.append("body"), name="f")
    assert f.run_engine(flow_run=FlowRun(control=control)).is_cancelled()
    assert LOG == []


def test_the_gate_stands_before_each_task_and_subflow() -> None:
    seen: list[str] = []
    control = Control(gate=lambda run: seen.append(run.address))

    @task
    def t() -> None:
        pass

    child = flow(lambda: t(), name="child")

    @flow
    def f() -> None:
        t()
        t.submit().wait()
        child()

    f.run_engine(flow_run=FlowRun(control=control))
    assert [address for address in seen if address] == ["t:0", "t:1", "child:0", "child:0/t:0"]


def test_which_run_is_meant() -> None:
    assert request_cancellation() is False
    assert interrupt(Cause("cancelled")) is False


SCRIPT = """
import asyncio, signal, sys, threading, time, os
from penstock import flow, task
def crashed(flow, run, state): print("on_crashed", state.name, flush=True)
def ready():
    print("ready", flush=True)
@task
def nap():
    ready(); time.sleep(100)
@flow(on_crashed=[crashed])
def sync_sleep():
    ready(); time.sleep(100)
@flow(on_crashed=[crashed])
def submitted():
    nap.submit()
@flow(on_crashed=[crashed])
async def in_async():
    ready(); await asyncio.sleep(100)
@flow(on_crashed=[crashed])
def in_greenlets():
    from gevent import monkey, spawn, sleep
    monkey.patch_all(thread=False)
    def on_and_on():
        ready()
        while True: sleep(0)
    spawn(on_and_on).join()
@flow(on_crashed=[crashed])
def own_handler():
    ready(); time.sleep(100)
name = sys.argv[1]
if name == "own_handler":
    signal.signal(signal.SIGTERM, lambda *a: print("handled", flush=True))
try:
    if name == "in_async":
        asyncio.run(in_async())
    else:
        globals()[name]()
except BaseException as exc:
    print("left", type(exc).__name__, flush=True)
"""


@pytest.mark.parametrize(
    ("name", "number", "code", "lines"),
    [
        ("sync_sleep", signal.SIGTERM, -15, ["on_crashed Crashed"]),
        ("submitted", signal.SIGTERM, -15, ["on_crashed Crashed"]),
        ("in_async", signal.SIGTERM, -15, ["on_crashed Crashed"]),
        ("in_greenlets", signal.SIGTERM, -15, ["on_crashed Crashed"]),
        ("own_handler", signal.SIGTERM, 0, ["on_crashed Crashed", "handled", "left TerminationSignal"]),
        ("sync_sleep", signal.SIGINT, 0, ["on_crashed Crashed", "left KeyboardInterrupt"]),
    ],
)
def test_signals_in_a_plain_process(tmp_path: Path, name: str, number: int, code: int, lines: list[str]) -> None:
    file = tmp_path / "script.py"
    file.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(file), name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out = process.stdout.read().splitlines()
    process.stdout.close()
    assert process.wait(60) == code
    assert out == lines


def test_an_interruption_that_comes_when_the_body_has_ended_hits_no_other_run() -> None:
    def last_words() -> int:
        interrupt(Cause("cancelled"))
        return 3

    assert flow(last_words)() == 3, "it was not reached"
    assert flow(lambda: naps.fn.__name__, name="f")() == "naps"
