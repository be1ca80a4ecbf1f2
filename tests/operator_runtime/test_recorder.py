"""Kubernetes Events: well-formed, repeated as a series, dropped rather than waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from penstock_operator.api.metadata import ObjectMeta
from penstock_operator.core.model import Emit
from penstock_operator.runtime.metrics import Metrics
from penstock_operator.runtime.recorder import BACKLOG, PRESSED_SECONDS, QUEUED, SERIES_SECONDS, Recorder
from tests.support import virtualtime
from tests.support.fakeapi import FakeApi, refusal
from tests.support.runtimeobjects import flowrun
from tests.support.runtimerig import client, now

RUN = ObjectMeta.model_validate(flowrun()["metadata"])
DONE = Emit("Normal", "Completed", "it is done", "Complete")


def telling(api: FakeApi, story: Callable[[Recorder], Coroutine[Any, Any, None]], **more: Any) -> Metrics:
    async def main() -> Metrics:
        metrics = Metrics()
        c = client(api, metrics)
        recorder = Recorder(c, "operator-0", metrics, now=now, clock=virtualtime.clock, **more)
        task = asyncio.create_task(recorder.run())
        await story(recorder)
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await c.close()
        return metrics

    return virtualtime.run(main)


def posted(metrics: Metrics, outcome: str) -> float:
    return metrics.registry.get_sample_value("penstock_events_posted_total", {"outcome": outcome}) or 0.0


def test_an_event_as_the_api_wants_it() -> None:
    api = FakeApi()

    async def story(recorder: Recorder) -> None:
        recorder.emit(RUN, DONE)

    telling(api, story)
    (event,) = [o for (kind, _, _), o in api.objects.items() if kind == "events"]
    assert event["apiVersion"] == "events.k8s.io/v1"
    assert event["eventTime"] == "2026-01-01T00:00:00.000000Z"
    assert (event["reportingController"], event["reportingInstance"]) == ("penstock.dev/operator", "operator-0")
    assert (event["action"], event["reason"], event["type"], event["note"]) == (
        "Complete",
        "Completed",
        "Normal",
        "it is done",
    )
    regarding = event["regarding"]
    assert (regarding["kind"], regarding["name"], regarding["uid"]) == ("FlowRun", "etl", "run-1")
    assert regarding["apiVersion"] == "penstock.dev/v1alpha1"
    assert event["metadata"]["name"].startswith("etl.")


def test_a_repetition_becomes_a_series() -> None:
    api = FakeApi()

    async def story(recorder: Recorder) -> None:
        for _ in range(3):
            recorder.emit(RUN, DONE)
            await asyncio.sleep(10)

    metrics = telling(api, story)
    (event,) = [o for (kind, _, _), o in api.objects.items() if kind == "events"]
    assert event["series"] == {"count": 3, "lastObservedTime": "2026-01-01T00:00:20.000000Z"}
    assert (posted(metrics, "posted"), posted(metrics, "repeated")) == (1, 2)


def test_what_differs_or_comes_much_later_is_an_event_of_its_own() -> None:
    api = FakeApi()

    async def story(recorder: Recorder) -> None:
        recorder.emit(RUN, DONE)
        recorder.emit(RUN, Emit("Normal", "Completed", "it is done again", "Complete"))
        await asyncio.sleep(SERIES_SECONDS + 1)
        recorder.emit(RUN, DONE)

    telling(api, story)
    assert api.asked() == ["create events"] * 3


def test_a_series_whose_event_is_gone_begins_anew() -> None:
    api = FakeApi()

    async def story(recorder: Recorder) -> None:
        recorder.emit(RUN, DONE)
        await asyncio.sleep(1)
        api.objects.clear()
        recorder.emit(RUN, DONE)

    telling(api, story)
    assert len(api.objects) == 1


def test_a_refusal_is_counted_and_stops_nothing() -> None:
    api = FakeApi()
    api.fail("create", "events", refusal(403, "Forbidden", "namespace is being terminated"))

    async def story(recorder: Recorder) -> None:
        recorder.emit(RUN, DONE)
        await asyncio.sleep(1)
        recorder.emit(RUN, Emit("Normal", "Other", "note", "Act"))

    metrics = telling(api, story)
    assert (posted(metrics, "refused"), posted(metrics, "posted")) == (1, 1)


def warnings(api: FakeApi) -> list[str]:
    return [o["note"] for (kind, _, _), o in api.objects.items() if kind == "events" and o["type"] == "Warning"]


def test_too_many_are_dropped_and_nobody_waits() -> None:
    api = FakeApi()

    async def story(recorder: Recorder) -> None:
        for number in range(QUEUED + 5):
            recorder.emit(RUN, Emit("Warning", "Failed", str(number), "Fail"))
        assert virtualtime.clock() == 0

    metrics = telling(api, story)
    assert (posted(metrics, "dropped"), posted(metrics, "posted")) == (5, QUEUED)
    assert warnings(api)[-1] == str(QUEUED + 4), "the newest are kept"


def test_a_warning_has_the_place_of_what_goes_well() -> None:
    api = FakeApi()

    async def story(recorder: Recorder) -> None:
        for number in range(QUEUED):  # a Flow's, which are not shed
            recorder.emit(RUN, Emit("Normal", "Started", str(number), "Start"), kind="Flow")
        recorder.emit(RUN, Emit("Warning", "Failed", "it failed", "Fail"))
        recorder.emit(RUN, Emit("Normal", "Started", "one more", "Start"), kind="Flow")

    metrics = telling(api, story)
    assert (posted(metrics, "dropped"), posted(metrics, "posted")) == (2, QUEUED)
    assert warnings(api) == ["it failed"]


@pytest.mark.parametrize(("type_", "told"), [("Normal", 1), ("Warning", 3)])
def test_what_goes_well_is_not_told_while_runs_wait(type_: Any, told: int) -> None:
    api, crowd = FakeApi(), [True]

    async def story(recorder: Recorder) -> None:
        recorder.emit(RUN, Emit(type_, "Submitting", "in the crowd", "Submit"))
        crowd[0] = False
        await asyncio.sleep(PRESSED_SECONDS / 2)
        recorder.emit(RUN, Emit(type_, "Running", "a moment later", "Run"))
        await asyncio.sleep(PRESSED_SECONDS)
        recorder.emit(RUN, Emit(type_, "Completed", "when it is quiet", "Complete"))

    metrics = telling(api, story, crowded=lambda: crowd[0])
    assert (posted(metrics, "posted"), posted(metrics, "shed")) == (told, 3 - told)
    notes = [o["note"] for (kind, _, _), o in api.objects.items() if kind == "events"]
    assert notes[-1] == "when it is quiet"


def test_events_that_wait_are_a_crowd_too() -> None:
    api = FakeApi()

    async def story(recorder: Recorder) -> None:
        for number in range(100):
            recorder.emit(RUN, Emit("Normal", "Completed", str(number), "Complete"))

    metrics = telling(api, story)
    assert (posted(metrics, "posted"), posted(metrics, "shed")) == (BACKLOG + 1, 99 - BACKLOG)


NOTES = [
    ("x" * 5000, 1024),
    ("行が不正です。" * 60, 1024),  # 420 characters, 1,260 bytes
    ("😀" * 300, 1024),
    ("é" * 512, 1024),
    ("lone \ud800", 6),
]


@pytest.mark.parametrize(("note", "size"), NOTES)
def test_a_note_is_cut_to_what_the_api_takes_in_whole_characters(note: str, size: int) -> None:
    """The API server says 1,024 characters, and counts bytes."""
    api = FakeApi()

    async def story(recorder: Recorder) -> None:
        recorder.emit(RUN, Emit("Warning", "Crashed", note, "End"))

    telling(api, story)
    told = api.requests[0].body["note"]
    assert size - 6 < len(told.encode()) <= size
    assert note.startswith(told.rstrip("…?"))


def test_names_are_in_the_order_of_time() -> None:
    """`kubectl describe` sorts Events by name; these are told at one moment and later ones."""
    api = FakeApi()
    notes = [str(number) for number in range(12)]

    async def story(recorder: Recorder) -> None:
        for number, note in enumerate(notes):
            recorder.emit(RUN, Emit("Normal", "Completed", note, "Complete"))
            if number % 3 == 0:
                await asyncio.sleep(number)

    telling(api, story)
    events = sorted((name, event["note"]) for (_, _, name), event in api.objects.items())
    assert [note for _, note in events] == notes
