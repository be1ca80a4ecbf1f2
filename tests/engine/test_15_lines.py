"""The lines of a run's pods in the log of who waits: when they end, and whom they hold up. The test is the kubelet."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from penstock.clusterruns import telling, waiting
from penstock.clusterruns.podlines import PodLines
from penstock.clusterruns.reading import Place
from penstock.clusterruns.steps import perform
from penstock.clusterruns.telling import Lines
from penstock.clusterruns.view import FlowRunView
from penstock.kube.client import Answer, Refused
from tests.support.world import until

LOG = logging.getLogger("penstock.tests.lines")


class Kubelet:
    """Pods that say what the test puts down for them; one without a place to put it is not there yet."""

    def __init__(self, *pods: str) -> None:
        self.said: dict[str, queue.Queue[bytes | None]] = {pod: queue.Queue() for pod in pods}
        self.asked: list[str] = []
        self.open = 0

    @contextlib.contextmanager
    def lines(
        self, path: str, query: Mapping[str, str], *, opened: Callable[[Callable[[], None]], None], **more: Any
    ) -> Iterator[Iterator[bytes]]:
        pod = path.split("/")[-2]
        self.asked.append(pod)
        if pod not in self.said:
            raise Refused(Answer(400, {"message": "container engine is waiting to start"}))
        self.open += 1
        opened(lambda: self.said[pod].put(None))
        try:
            yield iter(self.said[pod].get, None)
        finally:
            self.open -= 1

    def connection(self) -> Any:
        return SimpleNamespace(cluster=SimpleNamespace(client=self), leave=lambda follower: None)


def run(name: str, kind: str = "Running") -> FlowRunView:
    status = {"state": {"type": kind, "name": kind}, "attempt": {"number": 1, "podName": name}}
    return FlowRunView({"metadata": {"name": name, "namespace": "n", "uid": name}, "status": status})


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level("INFO", LOG.name)
    return lambda: [record.getMessage() for record in caplog.records]


BEGINS = '{"ts": "2026-11-21T10:00:00Z", "level": "'
RECORD = BEGINS + 'WARNING", "logger": "penstock", "msg": "%s"}'


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["a print", '{"msg": "a print, too", "n": 1}', "[1]"], ["a print", '{"msg": "a print, too", "n": 1}', "[1]"]),
        ([RECORD % "one"], ["WARNING one"]),
        ([BEGINS + 'ERROR", "logger": "x", "msg": "m", "exc": "T: e\\n"}'], ["ERROR m\nT: e"]),
        ([BEGINS + 'INFO", "logger": "x", "msg": "m", "event": "state"}'], []),
        (["half a line" + RECORD % "one"], ["half a line", "WARNING one"]),
        ([RECORD % "one" + RECORD % "two"], ["WARNING one", "WARNING two"]),
        ([RECORD % '{\\"ts\\": \\"1'], ['WARNING {"ts": "1']),
        ([BEGINS + "cut"], [BEGINS + "cut"]),
        (["half", "", RECORD % "one" + " "], ["half", "WARNING one"]),
        (["", "", RECORD % "one" + " ", RECORD % "two"], ["", "WARNING one", "WARNING two"]),
        (["", RECORD % "one", "", "print", ""], ["", "WARNING one", "", "print", ""]),
    ],
)
def test_what_a_line_says(lines: list[str], said: list[str]) -> None:
    reader = PodLines()
    told = [each for line in lines for each in reader.take(line)] + reader.rest()
    shown = [text if level == logging.INFO else f"{logging.getLevelName(level)} {text}" for level, text in told]
    assert shown == said


def test_who_waits_no_more_hears_no_more(told: Callable[[], list[str]]) -> None:
    """The wait has timed out while the pod was silent: its stream is given back, and what the pod says later is nobody's."""
    kubelet = Kubelet("a")
    lines = Lines(kubelet.connection(), LOG)
    lines.see(run("a"))
    kubelet.said["a"].put(b"one")
    until("the first line is told", lambda: told() == ["a | one"])
    lines.close()
    lines.drained.result(10)
    assert kubelet.open == 0
    kubelet.said["a"].put(b"two")
    lines.see(run("a", "Completed"))
    assert told() == ["a | one"]
    assert kubelet.asked == ["a"]


def test_closed_while_the_stream_is_being_opened(told: Callable[[], list[str]]) -> None:
    kubelet = Kubelet("a")
    lines = Lines(kubelet.connection(), LOG)
    lines.close()
    lines._opened(lambda: kubelet.said["a"].put(None))
    assert kubelet.said["a"].get(timeout=1) is None


def test_pods_that_have_not_started_hold_nobody_up(
    told: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "_streams", threading.BoundedSemaphore(1))
    kubelet = Kubelet("b")
    waits, speaks = (Lines(kubelet.connection(), LOG) for _ in range(2))
    waits.see(run("a"))
    until("the first has asked in vain", lambda: "a" in kubelet.asked)
    speaks.see(run("b"))
    kubelet.said["b"].put(b"one")
    until("the second is told", lambda: told() == ["b | one"])
    for each in (waits, speaks):
        each.close()
    for each in (waits, speaks):
        each.drained.result(10)


def test_the_last_lines_are_waited_for_while_they_come(
    told: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are; a pod that falls silent holds up its run for a moment only."""
    monkeypatch.setattr(waiting, "DRAIN_SECONDS", 0.2)
    kubelet = Kubelet("a")
    watched = waiting._Waiting(Place("n", "a"), stream_states=False, stream_logs=True)
    watched._lines = Lines(kubelet.connection(), LOG)
    watched._lines.see(run("a", "Completed"))
    slow = threading.Event()

    def speak() -> None:
        for number in range(8):
            kubelet.said["a"].put(b"%d" % number)
            slow.wait(0.1)

    threading.Thread(target=speak).start()
    perform(cast("Any", watched._last_lines()))
    assert told() == [f"a | {number}" for number in range(8)]
    watched.leave()
    watched._lines.drained.result(10)
