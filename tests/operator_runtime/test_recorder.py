"""Kubernetes Events: well-formed, repeated as a series, dropped rather than waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from penstock_operator.api.flowrun import FlowRun
from penstock_operator.core.model import Emit
from penstock_operator.runtime.metrics import Metrics
from penstock_operator.runtime.recorder import QUEUED, SERIES_SECONDS, Recorder
from tests.support import virtualtime
from tests.support.fakeapi import FakeApi, refusal
from tests.support.runtimeobjects import flowrun
from tests.support.runtimerig import client, now

RUN = FlowRun.model_validate(flowrun())
DONE = Emit("Normal", "Completed", "it is done", "Complete")


def telling(api: FakeApi, story: Callable[[Recorder], Coroutine[Any, Any, None]]) -> Metrics:
    async def main() -> Metrics:
        metrics = Metrics()
        c = client(api, metrics)
        recorder = Recorder(c, "operator-0", metrics, now=now, clock=virtualtime.clock)
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


def test_too_many_are_dropped_and_nobody_waits() -> None:
    api = FakeApi()

    async def story(recorder: Recorder) -> None:
        for number in range(QUEUED + 5):
            recorder.emit(RUN, Emit("Normal", "Completed", str(number), "Complete"))
        assert virtualtime.clock() == 0

    metrics = telling(api, story)
    assert (posted(metrics, "dropped"), posted(metrics, "posted")) == (5, QUEUED)


def test_a_long_note_is_cut_to_what_the_api_takes() -> None:
    api = FakeApi()

    async def story(recorder: Recorder) -> None:
        recorder.emit(RUN, Emit("Warning", "Crashed", "x" * 5000, "End"))

    telling(api, story)
    assert len(api.requests[0].body["note"]) == 1024
