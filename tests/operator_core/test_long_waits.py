"""Attempts that the engine gave up for a long wait: no pod meanwhile, no budget, and everything else that may happen in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from penstock_operator.api.flowrun import FlowRun
from penstock_operator.api.times import read_time
from penstock_operator.core.concurrency import holds
from tests.support.builders import at, flow_spec, pod_name, report, run_json, running, terminated
from tests.support.stage import Stage, World

WORDS = "task run fetch:0 waits for try 2 of 4: ConnectionError: reset by peer"
POLICY = {"retries": {"infrastructure": 0, "neverStarted": 0}, "activeDeadlineSeconds": 1000}


def begun(attempt: int = 1, play: Stage | None = None) -> Stage:
    """A run whose attempt's engine has claimed."""
    if play is None:
        play = Stage(World(run_json({"flowSpec": flow_spec(), "runPolicy": POLICY})))
        play.settle()
    play.kubelet(running())
    play.engine(report(attempt=attempt))
    play.settle()
    assert play.state == f"Running/{'Running' if attempt == 1 else 'Retrying'}"
    return play


def given_up(play: Stage, seconds: float, attempt: int = 1, *, told: float = 0.0, type_: str = "AwaitingRetry") -> None:
    """The engine reports its last word, and its process ends.

    Args:
        play: the stage.
        seconds: that it wants to wait.
        attempt: its number.
        told: by how much its node's clock is ahead.
        type_: of the report.
    """
    now = play.now + timedelta(seconds=told)
    resume = (now + timedelta(seconds=seconds)).isoformat()
    play.engine(
        report(type_, attempt=attempt, time=now.isoformat(), resumeTime=resume, waiting="fetch:0", message=WORDS)
    )
    play.kubelet(terminated(0), "Succeeded")
    play.settle()


def pods(play: Stage) -> int:
    return [verb for verb, _ in play.writes].count("create-pod")


def wait_of(play: Stage) -> float:
    """Seconds until the next attempt is due."""
    return (read_time(play.status["scheduledTime"]) - play.now).total_seconds()


def test_a_chain_of_three_waits() -> None:
    play = begun()
    for attempt in (1, 2, 3):
        given_up(play, 90, attempt)
        assert play.state == "Scheduled/AwaitingRetry"
        assert play.status["state"]["message"].startswith(f"{WORDS}; until 2026-")
        assert not holds(FlowRun.model_validate(play.run)), "its slot is free meanwhile"
        assert "report" not in play.status
        assert play.status["attempt"] == {"number": attempt + 1, "podName": pod_name(attempt + 1)}
        play.wait(89.9)
        assert play.settle().requeue_at == read_time(play.status["scheduledTime"])
        assert pods(play) == attempt, "no pod in between"
        play.wait(0.1)
        play.settle()
        assert pods(play) == attempt + 1
        begun(attempt + 1, play)
    play.engine(report("Completed", attempt=4))
    play.settle()
    assert play.state == "Completed/Completed"
    assert "retries" not in play.status, "no budget paid for it"
    assert [(a["state"], a["reason"], a.get("budget")) for a in play.status["attempts"]] == [
        ("Scheduled", "AwaitingRetry", None)
    ] * 3


@dataclass(frozen=True)
class Meanwhile:
    """A row: what happens during a wait of 90 s, and what comes of it.

    Attributes:
        id: what happens.
        does: it.
        state: right afterwards.
        due: seconds until the next attempt; None: there is none.
    """

    id: str
    does: Callable[[Stage], Any]
    state: str
    due: float | None = None

    def __str__(self) -> str:
        return self.id


def _wanted(state: str) -> Callable[[Stage], Any]:
    return lambda play: play.world.patch_spec(desiredState=state)


def _deleted(play: Stage) -> None:
    play.run["metadata"]["deletionTimestamp"] = at(20)


def _back(play: Stage) -> None:
    play.wait(-3600)


MEANWHILE = [
    Meanwhile("nothing", lambda play: play.wait(30), "Scheduled/AwaitingRetry", 60),
    Meanwhile("cancelled", _wanted("Cancelled"), "Cancelled/Cancelled"),
    Meanwhile("deleted, and held by a finalizer", _deleted, "Cancelled/Cancelled"),
    Meanwhile("its own deadline passes", lambda play: play.wait(1001), "Failed/TimedOut"),
    Meanwhile("paused", _wanted("Paused"), "Paused/Paused"),
    Meanwhile("suspended", _wanted("Suspended"), "Paused/Suspended"),
    Meanwhile("the clock is set back by an hour", _back, "Scheduled/AwaitingRetry", 3690),
    Meanwhile("the clock is set ahead by an hour", lambda play: play.wait(3600), "Failed/TimedOut"),
]


@pytest.mark.parametrize("row", MEANWHILE, ids=str)
def test_during_a_wait(row: Meanwhile) -> None:
    play = begun()
    given_up(play, 90)
    row.does(play)
    play = Stage(
        play.world, now=play.now, ahead=play.ahead
    )  # another operator, which knows what is written and no more
    play.settle()
    assert play.state == row.state
    assert pods(play) == 0
    if row.due is not None:
        assert wait_of(play) == row.due


def test_a_wait_ends_on_the_runs_own_clock() -> None:
    """Set back by an hour: it lasts no longer than was asked for."""
    play = begun()
    given_up(play, 90)
    play.wait(-3600)
    play.settle()
    play.wait(90)
    play.settle()
    assert pods(play) == 2


@pytest.mark.parametrize("desired", ["Paused", "Suspended"])
def test_resumed_before_its_time_it_waits_on_and_after_it_begins(desired: str) -> None:
    for seconds, made in ((30, 1), (95, 2)):
        play = begun()
        given_up(play, 90)
        play.world.patch_spec(desiredState=desired)
        play.settle()
        assert play.status["state"]["message"].startswith(f"{desired.lower()} between two attempts")
        play.wait(seconds)
        play.world.patch_spec(desiredState="Running")
        play.settle()
        assert (pods(play), play.state) == (made, ("Scheduled/AwaitingRetry", "Pending/Submitting")[made - 1])


@pytest.mark.parametrize(
    ("ahead", "due"), [(0, 90), (300, 90), (-60, 30), (-300, 0)], ids=["equal", "ahead", "behind", "far behind"]
)
def test_the_clock_of_the_node_is_another(ahead: float, due: float) -> None:
    """What is left by the node's own clock, the next attempt waits for itself."""
    play = begun()
    given_up(play, 90, told=ahead)
    if due:
        assert wait_of(play) == due
    else:
        assert play.state == "Pending/Submitting"


def test_a_message_of_any_length_leaves_room_for_the_time() -> None:
    play = begun()
    play.engine(report("AwaitingRetry", resumeTime=at(90), message="x" * 1024))
    play.settle()
    assert play.status["state"]["message"].endswith("; until 2026-11-21T12:01:30Z")


def test_what_is_suspended_for_a_time_goes_on_at_that_time() -> None:
    play = begun()
    given_up(play, 90, type_="Suspended", told=300)
    assert play.state == "Paused/Suspended"
    assert (read_time(play.status["pause"]["deadline"]) - play.now).total_seconds() == 90
    play.wait(90)
    play.settle()
    assert pods(play) == 2
