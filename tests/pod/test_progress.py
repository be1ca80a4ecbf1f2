"""What a report says of task runs: counts, a summary that does not lie, and the table of the last one."""

from __future__ import annotations

import itertools
import json
import threading
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from penstock import flow, task
from penstock.core.runs import FlowRun
from penstock.core.state import State
from penstock.drivers import observing
from penstock.pod.attempt import Attempt
from penstock.pod.progress import Pace, Progress
from penstock.pod.report import PausePart
from penstock.pod.task_summary import BYTES, KEPT, TaskSummary
from penstock_operator.api.report import Tasks


class Watched:
    """A run of a flow with the pod's two observers."""

    def __init__(self, fn: Any, **parameters: Any) -> None:
        self.progress, self.tasks = Progress(), TaskSummary()
        self.root = FlowRun(name="etl")
        self.progress.count(self.root.progress)
        end = observing.subscribe(self._observe)
        try:
            self.state = fn.run_engine(parameters=parameters, context={}, flow_run=self.root, retry_wait_limit=None)
        finally:
            end()

    def _observe(self, run: Any, old: Any, new: Any) -> None:
        if run is not self.root:
            self.tasks.observe(run, old, new)
            if not run.is_flow:
                self.progress.observe(run, old, new)

    @property
    def summary(self) -> str:
        part = self.progress.part()
        return part.summary if part is not None else ""

    @property
    def rows(self) -> list[dict[str, Any]]:
        part = self.tasks.part((), self.progress.total)
        return [dict(row) for row in part["runs"]] if part is not None else []


@task
def one(n: int = 0) -> int:
    return n


@task(name="bad", retries=1)
def bad(n: int = 0) -> int:
    raise ValueError(n)


@task(task_run_name="named-{n}")
def named(n: int) -> int:
    return n


@flow(flow_run_name="the-child")
def child() -> None:
    one()
    bad(return_state=True)


def sequence() -> None:
    one()
    one()


def mapping() -> None:
    one.map(range(40)).wait()


def two_maps() -> None:
    one.map(range(3)).wait()
    bad.map(range(2)).wait()


def mixed() -> None:
    one()
    one.map(range(4)).wait()


def below() -> None:
    one.map(range(2)).wait()
    child()


SUMMARIES = {
    "nothing": (lambda: None, ""),
    "one after the other": (sequence, "2 done"),
    "a map": (mapping, "40/40"),
    "maps, some of it failed": (two_maps, "3/5"),
    "a map and others": (mixed, "5 done"),
    "a map and a subflow's": (below, "3 done"),
    "an empty map": (lambda: [one(), one.map([])], "1 done"),
}


@pytest.mark.parametrize(("body", "want"), SUMMARIES.values(), ids=SUMMARIES.keys())
def test_a_summary_at_the_end(body: Any, want: str) -> None:
    assert Watched(flow(body, name="etl")).summary == want


def test_summaries_while_maps_are_under_way() -> None:
    seen: list[str] = []
    go, begun = threading.Event(), threading.Semaphore(0)
    watched: Any = SimpleNamespace()

    @task
    def held(n: int) -> None:
        begun.release()
        assert go.wait(10)

    @flow
    def etl() -> None:
        one.map(range(3)).wait()
        seen.append(watched.progress.part().summary)
        futures = held.map(range(2))
        begun.acquire()
        begun.acquire()
        seen.append(watched.progress.part().summary)
        one()
        seen.append(watched.progress.part().summary)
        go.set()
        futures.wait()
        seen.append(watched.progress.part().summary)

    def watch(self: Any, run: Any, old: Any, new: Any) -> None:
        watched.progress = self.progress
        original(self, run, old, new)

    original = Watched._observe
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watched, "_observe", watch)
        run = Watched(etl)
    assert run.state.is_completed()
    assert seen == ["3/3", "3/5", "4 done, 0/2 of held:0", "6 done"]
    assert run.root.progress.maps == {}, "what is over is forgotten"


def test_the_table_of_the_last_report() -> None:
    @flow
    def etl() -> None:
        child()
        named(7)
        one.map([1])[0].wait()

    watched = Watched(etl)
    rows = watched.rows
    for row in rows:
        assert row.pop("startTime").endswith("Z")
        assert row.pop("durationSeconds") >= 0
    assert rows[0] == {"address": "child:0/bad:0", "state": "Failed", "tries": 2}, "the failed first"
    assert sorted(rows[1:], key=lambda row: str(row["address"])) == [
        {"address": "child:0", "name": "the-child", "state": "Completed", "subflow": True},
        {"address": "child:0/one:0", "state": "Completed"},
        {"address": "named:0", "name": "named-7", "state": "Completed"},
        {"address": "one:0[0]", "state": "Completed"},
    ]


def ended(number: int, seconds: float, state: State, **more: Any) -> tuple[Any, Any, State]:
    run = SimpleNamespace(
        address=f"load:{number}", name=f"é\n{'x' * 400}", definition=SimpleNamespace(name="load"), is_flow=False,
        _start=1000.0, _end=1000.0 + seconds, run_count=1, cached=False, state=state, **more,
    )  # fmt: skip
    return run, State("RUNNING"), state


def test_the_table_is_bounded_and_has_the_failed_and_the_longest() -> None:
    summary = TaskSummary()
    for number in range(10_000):
        failed = number % 1000 == 5
        summary.observe(*ended(number, number / 10, State("FAILED" if failed else "COMPLETED")))
    assert len(summary._heap) == KEPT
    part = summary.part((), 10_000)
    assert part is not None
    assert len(json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode()) <= BYTES
    rows = part["runs"]
    assert [row["address"] for row in rows[:11]] == [f"load:{n}" for n in (*range(9005, 0, -1000), 9999)]
    assert part["omitted"] == 10_000 - len(rows)
    Tasks.model_validate(part)


def test_what_runs_is_told_after_what_has_failed() -> None:
    summary = TaskSummary()
    summary.observe(*ended(0, 5, State("COMPLETED")))
    summary.observe(*ended(1, 1, State("FAILED", name="TimedOut")))
    running, *_ = ended(2, 0, State("RUNNING"))
    running._end = None
    part = summary.part([running], 3)
    assert part is not None
    assert [(row["address"], row["state"], row.get("type"), row.get("durationSeconds")) for row in part["runs"]] == [
        ("load:1", "TimedOut", "Failed", 1.0),
        ("load:2", "Running", None, None),
        ("load:0", "Completed", None, 5.0),
    ]


def test_what_was_rolled_back_is_told_as_that() -> None:
    summary = TaskSummary()
    run, old, new = ended(0, 1, State("COMPLETED"))
    summary.observe(run, old, new)
    summary.observe(run, new, State("COMPLETED", name="RolledBack"))
    part = summary.part((), 1)
    assert part is not None
    assert [(row["state"], row["type"]) for row in part["runs"]] == [("RolledBack", "Completed")]


def test_the_pace_of_progress() -> None:
    """First after 2 s, every second until there is something, then every 30 s."""
    pace, asked = Pace(100.0, 2.0, 30.0), []
    for told in (False, False, True, False, True):
        asked.append(pace.due)
        pace.asked(pace.due, told=told)
    assert asked == [102.0, 103.0, 104.0, 134.0, 164.0]
    assert all(after - before >= 1 for before, after in itertools.pairwise(asked))


def test_progress_of_a_paused_run_says_that_it_is_paused() -> None:
    """What was done just before the pause is told a moment later: it must not end the pause for those who read the report."""

    @task
    def step() -> None: ...

    @flow
    def steps(count: int) -> None:
        for _ in range(count):
            step()

    def submit(report: Any, **_: Any) -> Any:
        return SimpleNamespace(document=report, delivered=True)

    identity: Any = SimpleNamespace(attempt=1, instance="i", uid="u")
    reporter: Any = SimpleNamespace(submit=submit)
    attempt = Attempt(identity, reporter, "/dev/null", lambda: datetime.now(UTC))

    def told(count: int) -> dict[str, Any]:
        attempt.progress = Watched(steps.with_options(name=str(count)), count=count).progress
        report = attempt.progress_report()
        assert report is not None
        assert report["progress"]["completed"] == count
        return report

    pause = PausePart(key="approve", since=datetime.now(UTC))
    attempt.report_running(attempt.running("Paused", pause), 1.0)
    report = told(1)
    assert (report["type"], report["name"], report["pause"]["key"]) == ("Paused", "Paused", "approve")
    attempt.report_running(attempt.running("Paused"), 1.0)
    report = told(2)
    assert (report["type"], report.get("pause")) == ("Paused", None)
    attempt.report_running(attempt.running(), 1.0)
    report = told(3)
    assert (report["type"], report.get("pause")) == ("Running", None)
