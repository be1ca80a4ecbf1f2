"""When a wait is worth a pod's end: what is due, what rests, and what a later attempt would do again. No pod is started."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock import flow, pause_flow_run, task
from penstock.cache_policies import NO_CACHE
from penstock.core.runs import FlowRun
from penstock.core.state import State, StateDetails
from penstock.core.state_parts import SCHEDULED
from penstock.interruption.interrupt import Cause, Control
from penstock.pod.leaving import Earlier, Leaving, Paused, Wait, earlier, leaving, record
from penstock.pod.repeats import Repeats
from penstock.pod.report import PausePart
from penstock.pod.resting import Resting
from penstock.settings import PENSTOCK_RESULTS_STORAGE, temporary_settings
from penstock.task_runners import Call, TaskRunner
from penstock.transactions import transaction
from tests.support.world import until

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


# -- what is due -------------------------------------------------------------------------------------------------------


def wait(seconds: float, address: str = "fetch:0") -> Wait:
    return Wait(address, at(seconds), 1, f"{address or 'the flow'} waits")


PART = PausePart("approve", at(-60), at(3600))
DUE: list[tuple[str, list[Wait], Paused | None, float, datetime | None, str | None]] = [
    ("nothing waits", [], None, 60, None, None),
    ("a minute is waited for in the pod", [wait(60)], None, 60, None, None),
    ("longer is not", [wait(60.1)], None, 60, None, "fetch:0 waits"),
    ("0: any wait is", [wait(9999)], None, 0, None, None),
    ("the flow itself", [wait(90, "")], None, 60, None, "the flow waits"),
    ("the first of several counts", [wait(300, "a:0"), wait(90, "b:0")], None, 60, None, "b:0 waits; 1 more wait"),
    ("one of several is due soon", [wait(300, "a:0"), wait(30, "b:0")], None, 60, None, None),
    ("what this attempt was begun for", [wait(90)], None, 60, at(90), None),
    ("what comes after that", [wait(90)], None, 60, at(89), "fetch:0 waits"),
    ("a pause that is young", [], Paused(59, at(3600), PART), 60, None, None),
    ("a pause of a minute", [], Paused(60, at(3600), PART), 60, None, "paused by its own code; the pod was given up"),
    ("a pause that is nearly over", [], Paused(60, at(60), PART), 60, None, None),
    ("a pause without end", [], Paused(60), 60, None, "paused by spec.desiredState; the pod was given up"),
    ("a pause beside a wait", [wait(90)], Paused(60, None, PART), 60, None, None),
]


@pytest.mark.parametrize(
    ("waits", "pause", "limit", "begun_for", "says"), [row[1:] for row in DUE], ids=[r[0] for r in DUE]
)
def test_what_is_worth_the_end(
    waits: list[Wait], pause: Paused | None, limit: float, begun_for: datetime | None, says: str | None
) -> None:
    found = leaving(waits, pause, NOW, limit, begun_for)
    assert (found.message if found else None) == says
    if found is not None and pause is None:
        assert found.until == min(each.due for each in waits)


def test_what_a_later_attempt_reads() -> None:
    left = Leaving(at(90), "waits", "fetch:0")
    noted = record(1, left, [wait(90), wait(300, "other:0")], {"train:0": 2}, {"approve": at(3600)})
    runs = {"fetch:0": (at(90), 1), "other:0": (at(300), 1), "train:0": (None, 2)}
    assert earlier(noted, 2, 1, at(80), 60) == Earlier(at(90), runs, {"approve": at(3600)})
    # By this node's clock ten minutes are left: whoever began the attempt has waited, and a minute is enough.
    late = earlier(noted, 2, 1, at(-510), 60)
    assert late is not None
    assert late.runs["fetch:0"] == (at(-450), 1)
    assert late.runs["other:0"] == (at(300), 1), "that one is not due yet"
    # It was lost before it could say that it waits: nobody has waited, and the next may wait without a pod.
    assert earlier(noted, 2, 0, at(-510), 60) == Earlier(None, runs, {"approve": at(3600)})


@pytest.mark.parametrize(
    "noted",
    [None, {}, [], {"attempt": 2}, {"attempt": 3, "until": None, "runs": {}}, {"attempt": 1}, {"attempt": "1"},
     {"attempt": 1, "until": "soon", "runs": {}, "deadlines": {}}, {"attempt": 1, "until": None, "runs": {"a": 1}, "deadlines": {}}],
)  # fmt: skip
def test_what_is_no_record_of_an_earlier_attempt(noted: object) -> None:
    assert earlier(noted, 2, 1, NOW, 60) is None


# -- what rests, and what would be done again -----------------------------------------------------------------------------


@dataclass
class Watched:
    """A flow that runs in a thread, as a pod's body watches it."""

    flow: Any
    control: Control = field(default_factory=lambda: Control(handle_signals=False))
    repeats: Repeats = field(default_factory=Repeats)
    waiting: threading.Event = field(default_factory=threading.Event)
    root: Any = None
    state: Any = None
    left: bool = False
    tries: dict[int, Any] = field(default_factory=dict)

    @property
    def delayed(self) -> list[Any]:
        """The states of the runs that wait for a try of their own."""
        return [run.state for run in self.tries.values()]

    def __post_init__(self) -> None:
        self.resting = Resting(self.control, lambda run: False)
        self.root = FlowRun(control=self.control)

    def observe(self, run: Any, old: Any, new: Any) -> None:
        if run.control is not self.control:
            return
        self.resting.observe(run, new)
        if run is not self.root:
            self.repeats.observe(run, old, new)
        if new.type.value in ("SCHEDULED", "PAUSED"):
            self.waiting.set()
        if new.type is SCHEDULED and not self.left:
            self.tries[id(run)] = run

    def run(self) -> None:
        ended = self.flow.run_engine(flow_run=self.root, retry_wait_limit=None)
        if self.flow.isasync:
            import asyncio

            ended = asyncio.run(ended)
        self.state = ended


@contextmanager
def watched(made: Any) -> Iterator[Watched]:
    """The flow, once something in it waits; it is left for that wait at the end."""
    from penstock import observers

    seen = Watched(made)
    end = observers.subscribe(seen.observe)
    thread = threading.Thread(target=contextvars.copy_context().run, args=(seen.run,))
    thread.start()
    try:
        assert seen.waiting.wait(10)
        yield seen
    finally:
        waits = State(SCHEDULED, "AwaitingRetry", message="for long", state_details=StateDetails(scheduled_time=at(0)))
        seen.left = True
        seen.control.interrupt(Cause("waiting", state=waits))
        thread.join(10)
        end()
    assert not thread.is_alive()


@task(retries=1, retry_delay_seconds=300)
def fails() -> None:
    raise ConnectionError("reset by peer")


@task(retries=1, retry_delay_seconds=300)
async def fails_async() -> None:
    raise ConnectionError("reset by peer")


@task
def after(value: Any) -> None: ...


@flow
def direct() -> None:
    fails()


@flow
def submitted() -> None:
    after.submit(fails.submit()).result()


@flow
def many() -> None:
    for future in after.map([fails.submit() for _ in range(3)]):
        future.wait()


@flow
def drained() -> None:
    fails.submit()


@flow
def below() -> None:
    direct()


@flow(retries=1, retry_delay_seconds=300)
def itself() -> None:
    raise ConnectionError("reset by peer")


@flow
def pauses() -> None:
    pause_flow_run(timeout=3600)


@flow
async def awaited() -> None:
    await fails_async()


@flow
async def gathered() -> None:
    import asyncio

    await asyncio.gather(fails_async(), fails_async())


@flow
async def in_a_group() -> None:
    import asyncio

    async with asyncio.TaskGroup() as group:
        group.create_task(fails_async())
        group.create_task(fails_async())


@flow
async def submits() -> None:
    await fails_async.submit()


@flow
async def blocks() -> None:
    fails.submit().result()


@flow
def calls_async() -> None:
    fails_async()  # type: ignore[unused-coroutine]


@flow
async def pauses_async() -> None:
    from penstock import apause_flow_run

    await apause_flow_run(timeout=3600)


@pytest.mark.parametrize(
    "made",
    [direct, submitted, many, drained, below, itself, pauses, awaited, gathered, in_a_group, submits, blocks, calls_async, pauses_async],
    ids=lambda made: made.name,
)  # fmt: skip
def test_it_rests_and_can_be_left(made: Any) -> None:
    with watched(made) as seen:
        until("it rests", seen.resting.at_rest)
    assert seen.state.type is SCHEDULED
    # Those that had not begun are let go of by the pool's thread, when the flow may have been left already.
    until("nothing is left behind", lambda: not seen.resting.live())
    due = [state.state_details.scheduled_time for state in seen.delayed]
    assert all(each > datetime.now(UTC) for each in due), "what is between two tries stays as it is"
    assert (seen.root.state.name, seen.state.is_final()) == ("AwaitingRetry", False)


GO_ON = threading.Event()


@task
def busy() -> None:
    GO_ON.wait(10)


@flow
def beside_a_task() -> None:
    busy.submit()
    fails()


@flow
def with_a_timeout() -> None:
    fails.submit().wait(timeout=30)


@flow
def in_its_own_body() -> None:
    fails.submit()
    GO_ON.wait(10)


@flow
def shielded() -> None:
    from penstock.flow_engine import shield

    with shield():
        fails.submit().wait()


@flow
async def beside_a_sleep() -> None:
    import asyncio

    await asyncio.gather(fails_async(), asyncio.sleep(5))


@flow
async def beside_an_event() -> None:
    import asyncio

    await asyncio.gather(fails_async(), asyncio.Event().wait())


class Elsewhere(TaskRunner):
    """Executes where this process does not see it."""

    def run(self, call: Call) -> Future[State]:
        future: Future[State] = Future()

        def execute() -> None:
            GO_ON.wait(10)
            try:
                future.set_result(call())
            except BaseException as exc:  # noqa: BLE001 - as an executor does: the flow may have ended meanwhile
                future.set_exception(exc)

        threading.Thread(target=execute).start()
        return future


@flow(task_runner=Elsewhere())
def elsewhere() -> None:
    busy.submit()
    fails()


@flow
async def within_a_timeout() -> None:
    import asyncio

    async with asyncio.timeout(30):
        await fails_async()


@flow
async def in_a_sleep_of_its_own() -> None:
    import asyncio

    other = asyncio.ensure_future(fails_async())
    await asyncio.sleep(5)
    await other


@pytest.mark.parametrize(
    "made",
    [
        beside_a_task,
        with_a_timeout,
        in_its_own_body,
        shielded,
        beside_a_sleep,
        beside_an_event,
        elsewhere,
        within_a_timeout,
        in_a_sleep_of_its_own,
    ],
    ids=lambda made: made.name,
)
def test_it_does_not_rest(made: Any) -> None:
    GO_ON.clear()
    with watched(made) as seen:
        for _ in range(5):
            assert not seen.resting.at_rest()
            time.sleep(0.002)
        GO_ON.set()


def test_a_runner_is_closed_when_its_flow_is_left() -> None:
    """What it still waits for then keeps the flow's last state from nobody."""
    GO_ON.clear()

    def end_when_left() -> None:
        until("the flow is left", lambda: seen.root.state.type is SCHEDULED)
        GO_ON.set()

    ends = threading.Thread(target=end_when_left)
    with watched(elsewhere) as seen:
        ends.start()
    ends.join()
    assert seen.state.type is SCHEDULED


@task(persist_result=True)
def kept() -> int:
    return 1


@task(persist_result=True, cache_policy=NO_CACHE)
def kept_without_a_key() -> int:
    return 1


@task
def not_kept() -> int:
    return 1


@task
def fails_for_good() -> None:
    raise ValueError("no rows")


@task(persist_result=True)
def around() -> int:
    not_kept()
    return 1


@flow
def nothing_again() -> None:
    kept()
    around()
    fails()


@flow
def unstored() -> None:
    not_kept()
    fails()


@flow
def unkeyed() -> None:
    kept_without_a_key()
    fails()


@flow
def failed() -> None:
    fails_for_good(return_state=True)
    fails()


@flow
def in_a_transaction() -> None:
    with transaction():
        kept()
        fails()


@flow(persist_result=True)
def subflow() -> int:
    fails_for_good(return_state=True)
    return 1


@flow
def after_a_subflow() -> None:
    subflow()
    fails()


AGAIN = [
    (nothing_again, None),
    (unstored, "the result of task run not_kept:0 is not stored, so that it would run again"),
    (unkeyed, "the result of task run kept_without_a_key:0 is not stored, so that it would run again"),
    (failed, "task run fails_for_good:0 has ended as Failed, and would run again"),
    (in_a_transaction, "task run kept:0 belongs to a transaction that is open"),
    (after_a_subflow, None),
]


@pytest.mark.parametrize(("made", "why"), AGAIN, ids=[row[0].name for row in AGAIN])
def test_what_would_be_done_again(made: Any, why: str | None, tmp_path: Path) -> None:
    with temporary_settings({PENSTOCK_RESULTS_STORAGE: f"file://{tmp_path}"}), watched(made) as seen:
        assert seen.repeats.why() == why


def test_results_that_die_with_the_pod_would_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_LASTING_PATHS", "/mnt")
    with temporary_settings({PENSTOCK_RESULTS_STORAGE: f"file://{tmp_path}"}), watched(nothing_again) as seen:
        assert seen.repeats.why() == "the result of task run kept:0 is not stored, so that it would run again"


def test_a_flow_that_waits_itself_does_everything_again_anyway() -> None:
    @flow(retries=1, retry_delay_seconds=300)
    def whole() -> None:
        not_kept()
        fails_for_good()

    with watched(whole) as seen:
        assert seen.repeats.why() is not None
        seen.repeats.forget()
        assert seen.repeats.why() is None
