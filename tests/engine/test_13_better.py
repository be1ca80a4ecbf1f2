"""Deliberate differences from Prefect 3.9.1: what Prefect does, what we do, and a check of ours.

Those of the pod (one process, report first, fenced claim, delivery) are in tests/pod/test_better.py.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from types import GeneratorType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from penstock import flow, pause_flow_run, resume_flow_run, runtime, task
from penstock.cache_policies import INPUTS
from penstock.client.schemas.objects import FlowRun
from penstock.exceptions import CancelledRun, UnfinishedRun
from penstock.flow_engine import FlowRunEngine, send_heartbeats_sync
from penstock.interruption.interrupt import Cause, interrupt
from penstock.observers import subscribe, subscribe_heartbeat
from penstock.settings import temporary_settings
from penstock.states import Cancelling, Completed, Pending, Running, State
from penstock.task_runners import ThreadPoolTaskRunner
from penstock.transactions import transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Row(NamedTuple):
    number: str
    prefect: str
    ours: str
    check: Callable[[], None]


def in_background(act: Callable[[], Any]) -> Any:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def names_of(run: Callable[[], Any], kind: Any = "all") -> list[str]:
    names: list[str] = []
    end = subscribe(lambda run, old, new: names.append(new.name), kind)
    run()
    end()
    return names


@task
def one() -> int:
    return 1


@task
def fails() -> None:
    raise ValueError("failed")


def b1() -> None:
    tries: list[int] = []

    @flow(retries=1)
    def f() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError

    assert names_of(f) == ["Pending", "Running", "Retrying", "Completed"]


def numbers() -> Iterator[int]:
    yield 1


def b2() -> None:
    result: Any = flow(lambda: numbers(), name="f")()
    assert isinstance(result, GeneratorType)
    assert list(result) == [1]


def b3() -> None:
    assert names_of(lambda: flow(lambda: Cancelling(), name="f")(return_state=True))[-2:] == ["Cancelling", "Cancelled"]


def b4() -> None:
    returned: list[State] = []
    f = flow(lambda: returned[-1], name="f")
    for state in (Running(), Pending()):
        returned.append(state)
        ended = f(return_state=True)
        assert ended.is_failed()
        assert "cannot return it" in ended.message


def b5() -> None:
    with pytest.raises(ValueError, match="retries"):
        flow(retries=-1)(lambda: 1)


def b6() -> None:
    with pytest.raises(TypeError, match="task_runner"):
        flow(task_runner="threads")(lambda: 1)


def b7() -> None:
    with pytest.raises(ValueError, match="timeout_seconds"):
        flow(timeout_seconds=-1)(lambda: 1)


def b8() -> None:
    with pytest.raises(ValueError, match="failed"):
        flow(lambda: [one(return_state=True), fails(return_state=True)], name="f")()


def b9() -> None:
    def body() -> None:
        raise TimeoutError("of the user")

    assert flow(body, timeout_seconds=5)(return_state=True).name == "Failed"


def b10() -> None:
    release, ended = threading.Event(), list[int]()

    @task(timeout_seconds=0.1)
    def in_a_c_call() -> None:
        release.wait(60)
        ended.append(1)

    @flow
    def f() -> str:
        future = in_a_c_call.submit()
        future.wait()
        return str(future.state.name)

    assert f() == "TimedOut"
    assert ended == [], "recorded before the call returned"
    release.set()


def b11() -> None:
    release, ended = threading.Event(), list[int]()

    @task
    def slow() -> None:
        release.wait(60)
        ended.append(1)

    @flow(timeout_seconds=0.2)
    def f() -> None:
        slow.submit().result()

    assert f(return_state=True).name == "TimedOut"
    assert ended == [], "recorded before the task ended"
    release.set()


def b12() -> None:
    with pytest.raises(ValueError, match="return_state"):
        flow(numbers)(return_state=True)


def b13() -> None:
    pulls: list[int] = []

    @flow(retries=2)
    def f() -> Iterator[int]:
        pulls.append(1)
        yield 1
        raise ValueError

    with pytest.raises(ValueError):
        list(f())
    assert pulls == [1]


def b14() -> None:
    def body() -> None:
        with pytest.raises(UnfinishedRun):
            one(wait_for=[fails.submit()])

    flow(body)()


def b15() -> None:
    tries: list[int] = []

    @task(retries=1, retry_delay_seconds=60)
    def waits() -> None:
        tries.append(1)
        raise ValueError

    @flow(task_runner=ThreadPoolTaskRunner(1))
    def f() -> None:
        waits.submit()
        assert one.submit().result() == 1
        interrupt(Cause("cancelled"))

    with pytest.raises(CancelledRun):
        f()
    assert tries == [1], "the only worker was free during the delay"


def b16() -> None:
    record = FlowRun()
    assert task(lambda run: run)(record) is record


def b17() -> None:
    @flow
    def f() -> int:
        others = threading.active_count()
        futures = [one.submit() for _ in range(500)]
        most = threading.active_count() - others
        for future in futures:
            future.wait()
        return most

    assert f() <= 33


def b18() -> None:
    @task
    def down(n: int) -> int:
        return 0 if n == 0 else down.submit(n - 1).result() + 1

    assert flow(lambda: down.submit(4).result(), name="f", task_runner=ThreadPoolTaskRunner(2))() == 4


def b19() -> None:
    gate = threading.Event()

    @task
    def slow() -> bool:
        return gate.wait(30)

    @flow(task_runner=ThreadPoolTaskRunner(2))
    def f() -> bool:
        up = slow.submit()
        for _ in range(4):
            one.submit(wait_for=[up])
        one.submit().result(timeout=30)
        waits = not up.state.is_final()
        gate.set()
        return waits

    assert f()


def b20() -> None:
    @flow
    async def f() -> Any:
        return await one.submit()

    assert asyncio.run(f()) == 1


def b21() -> None:
    def body() -> None:
        with pytest.raises(ValueError, match="0 or more"):
            one.submit().result(timeout=-1)

    flow(body)()


def b22() -> None:
    ran: list[int] = []

    @task
    def t(x: int) -> None:
        time.sleep(0.01)
        ran.append(x)

    @flow(task_runner=ThreadPoolTaskRunner(4))
    def f() -> None:
        t.map(range(12))

    f()
    assert len(ran) == 12


def b23() -> None:
    ready = threading.Event()

    def stop() -> None:
        assert ready.wait(5)
        interrupt(Cause("cancelled"))

    @flow
    def f() -> str:
        try:
            ready.set()
            time.sleep(5)
        except BaseException:  # noqa: BLE001
            return "swallowed"
        return "slept"

    thread = in_background(stop)
    with pytest.raises(CancelledRun, match="swallowed the signal and returned"):
        f()
    thread.join()


def b28() -> None:
    @flow(timeout_seconds=0.25)
    def f() -> int:
        run_id = runtime.flow_run.id

        def resume() -> None:
            time.sleep(0.4)
            resume_flow_run(run_id)

        thread = in_background(resume)
        pause_flow_run(timeout=5)
        thread.join()
        return 1

    assert f() == 1


def b29() -> None:
    @flow
    def f() -> Any:
        run_id = runtime.flow_run.id
        in_background(lambda: until_paused(run_id, "5"))
        return pause_flow_run(wait_for_input=int, timeout=5)

    assert f() == 5


def until_paused(run_id: Any, value: Any) -> None:
    from penstock.exceptions import NotPausedError

    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            resume_flow_run(run_id, value)
        except NotPausedError:
            continue
        return


def b30() -> None:
    first = task(lambda x: "first", name="a", cache_policy=INPUTS)
    first.__qualname__ = "first"
    second = task(lambda x: "second", name="b", cache_policy=INPUTS)
    second.__qualname__ = "second"
    assert flow(lambda: (first(1), second(1)), name="f")() == ("first", "second")


def b31() -> None:
    log: list[str] = []
    staged = task(lambda: 1, name="staged")
    staged.on_rollback(lambda txn: log.append("rolled back"))
    staged.on_commit(lambda txn: log.append("committed"))

    @flow
    def f() -> None:
        with transaction():
            staged()
            fails(return_state=True)
            staged()

    f()
    assert log == ["committed", "committed"]


def b32() -> None:
    seen: list[Any] = []
    flow(lambda: 1, name="f", on_completion=[lambda a, b, c: seen.append(c.name)])()
    assert seen == ["Completed"]


def b33() -> None:
    seen: list[int] = []

    @flow(on_running=[lambda flow, run, state: seen.append(1)])
    def f() -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        f()
    assert seen == [1]


def b34() -> None:
    counts: list[int] = []
    flow(lambda: 1, name="f", on_running=[lambda flow, run, state: counts.append(run.run_count)])()
    assert counts == [1]


def b35() -> None:
    with temporary_settings({"PENSTOCK_FLOWS_HEARTBEAT_FREQUENCY": 30}):
        engine = FlowRunEngine(flow=flow(lambda: 1, name="f"))
        beats, release, ended = threading.Event(), threading.Event(), list[int]()

        def slow(_run: object) -> None:
            beats.set()
            release.wait(60)
            ended.append(1)

        leave = subscribe_heartbeat(slow)
        with engine.start():
            with send_heartbeats_sync(engine):
                assert beats.wait(60)
            assert ended == [], "nobody waited for the thread"
        release.set()
        leave()


def b36() -> None:
    script = """if True:
        import asyncio
        from penstock import flow

        @flow
        async def f():
            print("ready", flush=True)
            await asyncio.sleep(30)

        asyncio.run(f())
    """
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    process.stdout.close()
    assert process.wait(10) == -signal.SIGTERM


def b37() -> None:
    f = flow(lambda: one(return_state=True), name="f")
    addresses = [list(f.run_engine(return_tasks="*").task_states) for _ in range(2)]
    assert addresses == [["one:0"], ["one:0"]]


def b38() -> None:
    @flow
    def f() -> Any:
        return one(wait_for=[fails.submit()], return_state=True)

    with pytest.raises(UnfinishedRun):
        f()
    assert f(return_state=True).message == "1/1 states are not final."


def b39() -> None:
    f = flow(lambda: one(), name="f")
    assert f.run_engine(task_states={"one:0": Completed(data=7)}).result() == 7


def b40() -> None:
    thing = object()
    assert flow(lambda x: runtime.flow_run.parameters["x"], name="f")(thing) is thing


ROWS = [
    Row("B1", "a flow's later tries are named Running", "Retrying, as for tasks", b1),
    Row("B2", "a returned generator is drained", "passed through untouched", b2),
    Row("B3", "returning Cancelling leaves the run CANCELLING for ever", "hooks, then CANCELLED", b3),
    Row("B4", "returning Running loops for ever, Pending raises Abort", "FAILED, says why", b4),
    Row("B5", "negative retries accepted", "ValueError", b5),
    Row("B6", "any object accepted as task_runner", "TypeError at decoration", b6),
    Row("B7", "negative flow timeout accepted", "ValueError", b7),
    Row("B8", "a returned list with a failed member is returned", "the call raises the first failure", b8),
    Row("B9", "any TimeoutError becomes TimedOut", "TimedOut means the engine's timeout", b9),
    Row("B10", "a worker in a C call times out when the call returns", "recorded on time, thread abandoned", b10),
    Row("B11", "a timeout while waiting is recorded after the task", "on time", b11),
    Row("B12", "return_state=True gives a generator that fails when pulled", "ValueError at the call", b12),
    Row("B13", "a failed generator yields its values again", "no retry after a pull", b13),
    Row("B14", "a direct call with a failed upstream returns None", "UnfinishedRun", b14),
    Row("B15", "a retry delay occupies its worker", "slot given up", b15),
    Row("B16", "a run object as argument is refused", "plain data", b16),
    Row("B17", "unbounded pool", "bounded at 32", b17),
    Row("B18", "a bounded pool deadlocks on nested submits", "slots are given up while blocked", b18),
    Row("B19", "a task waiting for upstreams occupies a worker", "it holds nothing", b19),
    Row("B20", "futures cannot be awaited", "await future gives the result", b20),
    Row("B21", "negative timeout on a single future ignored", "ValueError everywhere", b21),
    Row("B22", "queued tasks are dropped at flow end", "all run", b22),
    Row("B23", "a body that catches BaseException ends Completed", "Cancelled, says what the body did", b23),
    Row("B28", "the timeout clock runs while paused", "stands still", b28),
    Row("B29", '"5" refused for an int input', "pydantic lax mode", b29),
    Row("B30", "two tasks with equal arguments share an entry", "task identity is part of the key", b30),
    Row("B31", "a caught failure rolls a transaction back at once", "decided once, at the end", b31),
    Row("B32", "hooks get positional or keyword arguments", "always positional", b32),
    Row("B33", "on_running fires again when the body crashes", "once per entry", b33),
    Row("B34", "run_count is 0 in a flow's first on_running", "1", b34),
    Row("B35", "each sync flow waits up to 1 s for its heartbeat thread", "never", b35),
    Row("B36", "an async flow on SIGTERM exits with 1", "-15, as a sync one", b36),
    Row("B37", "dynamic keys of task runs are random", "addresses, equal in every attempt", b37),
    Row("B38", "a returned NotReady dependant raises ValueError", "UnfinishedRun", b38),
    Row("B39", "no way to start from given task states", "run_engine", b39),
    Row("B40", "parameters are encoded at each call", "kept by reference", b40),
]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.number}: Prefect: {row.prefect}; ours: {row.ours}" for row in ROWS])
def test_better(row: Row) -> None:
    row.check()
