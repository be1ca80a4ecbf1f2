"""kopf as event source: what it asks for, what it delivers, and how it ends, against a server that misbehaves."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import aiohttp
import pytest

from penstock_operator.core.model import Decision, Observed
from penstock_operator.runtime import app, source
from penstock_operator.runtime.app import Operator
from penstock_operator.runtime.config import Config
from penstock_operator.runtime.resources import Key, Resource
from penstock_operator.runtime.session import Beats, session
from penstock_operator.runtime.source import EventSource
from tests.support.runtimeobjects import flowrun, pod
from tests.support.watchserver import WatchServer, serving


class Watching:
    """An event source at work, and what it delivered."""

    def __init__(self, server: WatchServer, *namespaces: str) -> None:
        self.server = server
        self.beats = Beats(time.monotonic)
        self.delivered: list[tuple[str, str, bool]] = []
        self.begun: list[tuple[str, str | None]] = []
        self.source = EventSource(server.credentials, namespaces, self.take, self.begins, self.beats)
        self.task = asyncio.create_task(self.source.run())

    def take(self, resource: Resource, raw: Mapping[str, Any], *, deleted: bool, size: int) -> None:
        assert size > 0
        assert threading.current_thread() is threading.main_thread()
        if raw["metadata"]["name"] == "poison":
            raise KeyError("name")
        self.delivered.append((resource.plural, raw["metadata"]["name"], deleted))

    def begins(self, resource: Resource, namespace: str | None) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.begun.append((resource.plural, namespace))

    async def until(self, condition: Callable[[], bool]) -> None:
        await reached(condition, lambda: f"{self.delivered} {self.server.asked}")


async def reached(condition: Callable[[], bool], told: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, told()
        await asyncio.sleep(0.01)


def watching(
    story: Callable[[Watching], Coroutine[Any, Any, None]],
    *namespaces: str,
    before: Callable[[WatchServer], None] = lambda _: None,
) -> None:
    async def main() -> None:
        async with serving() as server:
            server.objects["flowruns"].append(flowrun("first", uid="first", version=5))
            before(server)
            one = Watching(server, *namespaces)
            try:
                await server.until_watched()
                await story(one)
            finally:
                one.task.cancel()
                await asyncio.gather(one.task, return_exceptions=True)

    asyncio.run(main())


def test_what_is_watched_is_delivered_in_order() -> None:
    async def story(one: Watching) -> None:
        for type_ in ("ADDED", "MODIFIED", "DELETED"):
            one.server.tell("pods", type_, "p")
        one.server.tell("flows", "ADDED", "f")
        await one.until(lambda: len(one.delivered) == 4)
        assert [d for d in one.delivered if d[0] == "pods"] == [
            ("pods", "p", False),
            ("pods", "p", False),
            ("pods", "p", True),
        ]
        assert ("flows", "f", False) in one.delivered

    watching(story)


def test_a_watch_begins_at_once_however_much_there_is() -> None:
    """It asks for the version, and for nothing else; whoever is told lists beside it."""

    async def story(one: Watching) -> None:
        await one.until(lambda: len(one.begun) == 3)
        assert sorted(one.begun) == [("flowruns", None), ("flows", None), ("pods", None)]
        assert one.server.lists == {"flowruns": 1, "flows": 1, "pods": 1}
        assert {limit for _, limit in one.server.limits} == {"1"}
        one.server.tell("flows", "ADDED", "f")
        await one.until(lambda: bool(one.delivered))
        assert one.delivered == [("flows", "f", False)]

    def much(server: WatchServer) -> None:
        server.objects["flowruns"] = [flowrun(f"run-{n}", uid=f"{n}", version=5) for n in range(50)]

    watching(story, before=much)


def test_it_asks_for_our_pods_only_and_writes_nothing() -> None:
    async def story(one: Watching) -> None:
        one.server.tell("flowruns", "ADDED", "r", spec={"flowSpec": {"entrypoint": "a.py:f"}})
        one.server.tell("flowruns", "MODIFIED", "r", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
        await one.until(lambda: len(one.delivered) == 2)
        asked = set(one.server.asked)
        assert {line.split()[0] for line in asked} == {"GET", "WATCH"}
        pods = {line for line in asked if "pods" in line}
        assert pods == {f"{verb} /api/v1/pods penstock.dev/flow-run-uid" for verb in ("GET", "WATCH")}
        assert not [line for line in asked if "namespaces" in line or "customresourcedefinitions" in line]

    watching(story)


def test_namespaces() -> None:
    async def story(one: Watching) -> None:
        watches = {line.split()[1] for line in one.server.asked if line.startswith("WATCH")}
        expected = set()
        for namespace in ("a", "b"):
            expected |= {f"/apis/penstock.dev/v1alpha1/namespaces/{namespace}/{kind}" for kind in ("flowruns", "flows")}
            expected.add(f"/api/v1/namespaces/{namespace}/pods")
        await one.until(lambda: {ln.split()[1] for ln in one.server.asked if ln.startswith("WATCH")} == expected)
        assert watches <= expected
        assert {namespace for _, namespace in one.begun} == {"a", "b"}

    watching(story, "a", "b")


def test_a_version_that_is_too_old_begins_anew() -> None:
    async def story(one: Watching) -> None:
        one.begun.clear()
        one.server.error("pods", 410)
        await one.until(lambda: one.begun == [("pods", None)])
        assert not one.task.done()

    watching(story)


def test_a_connection_that_is_cut_is_opened_again() -> None:
    async def story(one: Watching) -> None:
        one.server.send("pods", None)
        await one.until(lambda: sum(line.startswith("WATCH /api/v1/pods") for line in one.server.asked) == 2)
        await one.server.until_watched()
        one.server.tell("pods", "ADDED", "after")
        await one.until(lambda: ("pods", "after", False) in one.delivered)

    watching(story)


def test_what_ends_kopf_is_told() -> None:
    async def story(one: Watching) -> None:
        one.server.error("flowruns", 500)
        async with asyncio.timeout(2):  # kopf itself would take five seconds, and be deaf meanwhile
            assert "PrevKv=nil" in await one.task

    watching(story)


@pytest.mark.parametrize("times", [1, 2, 3, 5])
def test_credentials_that_are_refused_for_a_moment(
    times: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As by a server that has just started. kopf logs in anew, or gives up and must not take its time for that: nobody watches meanwhile."""
    monkeypatch.setattr(app, "FIRST_RESTART_SECONDS", 0.05)

    async def story(operator: Operator, server: WatchServer) -> None:
        server.unauthorized["pods"] = times
        server.send("pods", None)
        await reached(lambda: not server.unauthorized["pods"])

        def seen() -> bool:
            server.tell("pods", "ADDED", "after", metadata={"labels": {"penstock.dev/flow-run-uid": "u"}})
            return operator.store.pods.get(Key("default", "after")) is not None

        await reached(seen)
        await reached(lambda: len([t for t in threading.enumerate() if t.name == "watches"]) == 1)

    operating(story)
    assert not [record for record in caplog.records if record.levelname == "ERROR" and record.name == "asyncio"]


def test_it_ends_at_once_when_cancelled_and_leaves_no_thread() -> None:
    async def story(one: Watching) -> None:
        begun = time.monotonic()
        one.task.cancel()
        await asyncio.gather(one.task, return_exceptions=True)
        assert time.monotonic() - begun < 1.0
        await reached(lambda: not [t for t in threading.enumerate() if t.name == "watches"])

    watching(story)


@pytest.mark.parametrize("failure", [False, True])
def test_its_connections_are_closed(
    failure: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[aiohttp.ClientSession] = []

    def make(*arguments: Any) -> aiohttp.ClientSession:
        made.append(session(*arguments))
        return made[-1]

    monkeypatch.setattr(source, "session", make)

    async def story(one: Watching) -> None:
        if failure:
            one.server.error("flowruns", 500)
        else:
            one.task.cancel()
        await asyncio.gather(one.task, return_exceptions=True)
        await reached(lambda: all(opened.closed for opened in made))
        assert len(made) == 1, "and none is opened on the way out"

    watching(story)
    assert not [record for record in caplog.records if record.levelname == "ERROR" and record.name == "asyncio"]


def test_an_object_that_cannot_be_taken_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    async def story(one: Watching) -> None:
        for name in ("poison", "healthy"):
            one.server.tell("pods", "ADDED", name)
        await one.until(lambda: ("pods", "healthy", False) in one.delivered)

    watching(story)
    assert "an object of pods could not be taken" in caplog.text


def test_each_word_of_a_watch_is_noted_bookmarks_too() -> None:
    async def story(one: Watching) -> None:
        paths = {"/api/v1/pods", "/apis/penstock.dev/v1alpha1/flowruns", "/apis/penstock.dev/v1alpha1/flows"}
        await one.until(lambda: {path for path, _ in one.beats.ages()} == paths)

        def age() -> float:
            return dict(one.beats.ages())["/api/v1/pods"]

        await reached(lambda: age() > 0.2)
        one.server.tell("pods", "BOOKMARK")
        await reached(lambda: age() < 0.15)
        assert ("pods", "x", False) not in one.delivered

    watching(story)


# --- and the operator around it ---------------------------------------------------------------------------------------------------------


def test_nothing_is_decided_in_the_middle_of_a_listing() -> None:
    async def main() -> None:
        async with serving() as server:
            server.objects["flowruns"] = [flowrun(name, uid=name, version=5) for name in ("a", "b", "c")]
            server.page_size = 1
            listed: list[bool] = []

            def decide(_: Observed) -> Decision:
                listed.append(server.lists["pods"] > 0)
                return Decision()

            stop = asyncio.Event()
            task = asyncio.create_task(Operator(Config(), server.credentials, decide).run(stop))
            await reached(lambda: len(listed) >= 3)
            stop.set()
            assert await task == 0
            assert all(listed)

    asyncio.run(main())


def operating(
    story: Callable[[Operator, WatchServer], Coroutine[Any, Any, None]],
    before: Callable[[WatchServer], None] = lambda _: None,
) -> None:
    async def main() -> None:
        async with serving() as server:
            before(server)
            operator = Operator(Config(), server.credentials, lambda _: Decision())
            stop = asyncio.Event()
            task = asyncio.create_task(operator.run(stop))
            try:
                await server.until_watched()
                await story(operator, server)
            finally:
                stop.set()
                assert await task == 0

    asyncio.run(main())


def restarts(operator: Operator) -> float:
    return operator.metrics.registry.get_sample_value("penstock_watch_restarts_total") or 0.0


def test_watches_that_ended_begin_anew(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """What was missed meanwhile is found by the listing."""
    monkeypatch.setattr(app, "FIRST_RESTART_SECONDS", 0.05)

    async def story(operator: Operator, server: WatchServer) -> None:
        server.objects["flowruns"].append(flowrun("missed", uid="missed", version=50))
        server.error("flowruns", 500)
        await reached(lambda: restarts(operator) == 1)
        await reached(lambda: bool(operator.store.runs.get(Key("default", "missed"))))
        await server.until_watched()
        server.version = 100
        # It is there, too: everything is listed beside a watch that begins.
        server.objects["flowruns"].append(flowrun("later", uid="later", version=101))
        server.tell("flowruns", "ADDED", "later", spec={"flowSpec": {"entrypoint": "a.py:f"}})
        await reached(lambda: bool(operator.store.runs.get(Key("default", "later"))))
        assert operator.problem() is None

    operating(story)
    assert "the watches ended and begin anew" in caplog.text


def test_a_deletion_that_no_watch_told_is_found_when_the_next_watch_begins() -> None:
    """Not minutes later: between a listing and its watch, or after a version that is too old, nothing else ever tells of it."""

    async def story(operator: Operator, server: WatchServer) -> None:
        key = Key("default", "ghost")
        await reached(lambda: operator.store.pods.get(key) is not None)
        server.objects["pods"].clear()
        server.version += 1
        server.error("pods", 410)
        await reached(lambda: operator.store.pods.get(key) is None)
        assert restarts(operator) == 0

    def ghost(server: WatchServer) -> None:
        server.objects["pods"].append(pod("ghost", uid="ghost", version=9))

    operating(story, ghost)


def test_watches_that_are_silent_for_too_long_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "FIRST_RESTART_SECONDS", 0.05)
    monkeypatch.setattr(app, "WATCH_SILENT_RESTART", 0.4)

    async def story(operator: Operator, server: WatchServer) -> None:
        await reached(lambda: restarts(operator) >= 1)
        await server.until_watched()
        assert server.lists["flowruns"] >= 3

    operating(story)


def test_silence_is_a_problem_only_while_the_server_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "WATCH_SILENT_SECONDS", 0.2)

    async def story(operator: Operator, server: WatchServer) -> None:
        await reached(lambda: operator._beats.oldest() > 0.25)
        operator._client.answered_at = time.monotonic()
        assert "has not been heard of" in str(operator.problem())
        operator._client.answered_at = time.monotonic() - 60
        assert operator.problem() is None
        assert operator.readiness() == (True, "ok: leading")

    operating(story)


def test_readiness_tells_what_the_server_refuses() -> None:
    async def story(operator: Operator, _: WatchServer) -> None:
        await reached(lambda: operator.readiness()[0])
        operator._client.refused_since = time.monotonic() - 7
        ready, word = operator.readiness()
        assert not ready
        assert "has not accepted the operator's credentials for 7 s" in word
        sample = operator.metrics.registry.get_sample_value("penstock_credentials_refused_seconds")
        assert sample is not None
        assert sample >= 7
        # Nobody asks for anything; it is found out all the same that they are accepted again.
        await reached(lambda: operator.readiness() == (True, "ok: leading"))
        operator._sync.refused = "list flowruns: there is no such resource"
        assert operator.readiness() == (False, "list flowruns: there is no such resource")

    operating(story)


def test_runs_that_wait_and_are_not_taken_up_are_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "NO_PROGRESS_SECONDS", 0.3)

    async def story(operator: Operator, _: WatchServer) -> None:
        await reached(operator._sync.complete.is_set)
        operator.queue.stalled = lambda: 0.5  # type: ignore[method-assign]
        operator._client.answered_at = time.monotonic()
        assert "runs wait, and none has been taken up" in str(operator.problem())
        operator._client.answered_at = time.monotonic() - 1
        assert operator.problem() is None, "a server that answers nobody is no reason to start anew"

    operating(story)
