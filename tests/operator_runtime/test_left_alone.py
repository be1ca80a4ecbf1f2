"""One run's trouble is its own: what can't be read, what is not answered, what the watch does not show."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from penstock_operator.api.reading import read_run
from penstock_operator.core.model import Decision, Look, Observed
from penstock_operator.runtime import store
from penstock_operator.runtime.client import READ_SECONDS
from penstock_operator.runtime.controller import IMPATIENT, SETTLE_SECONDS, UNWATCHED_SECONDS
from penstock_operator.runtime.resources import CONFIGMAPS, Key
from penstock_operator.runtime.unreadable import FAILURES
from tests.support import virtualtime
from tests.support.fakeapi import FakeApi, Request, refusal
from tests.support.runtimeobjects import flowrun, pod, state
from tests.support.runtimerig import RUN, Rig, on
from tests.support.smallcore import nothing, server

OTHER = Key("default", "other")


async def for_a_while(rig: Rig, seconds: float) -> None:
    """Work, and post Events, for so long."""
    tasks = [asyncio.create_task(rig.controller.work()), asyncio.create_task(rig.recorder.run())]
    await asyncio.sleep(seconds)
    rig.queue.close()
    await tasks[0]
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def events(api: FakeApi) -> list[dict[str, Any]]:
    return [body for (plural, _, _), body in api.objects.items() if plural == "events"]


@pytest.mark.parametrize("status", [{}, {"state": state("Running")}])
def test_a_run_that_can_not_be_read_is_told_and_the_others_go_on(
    status: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def reader(raw: Any) -> Any:
        if raw["metadata"]["name"] == "etl":
            raise OverflowError("date value out of range")
        return read_run(raw)

    monkeypatch.setattr(store, "read_run", reader)
    api = server(status=status)
    api.put("flowruns", flowrun("other", uid="run-2"))

    async def story(rig: Rig) -> None:
        rig.sync()
        for key in (RUN, OTHER):
            rig.queue.add(key)
        await for_a_while(rig, 30)

    rig = on(api, nothing, story)
    assert [seen.run.metadata.name for seen in rig.seen] == ["other"]
    (event,) = events(api)
    assert (event["reason"], event["type"], event["regarding"]["uid"]) == ("Unreadable", "Warning", "run-1")
    assert "date value out of range" in event["note"]
    told = api.get("flowruns", "etl")["status"]["state"]
    assert told["type"] == ("Running" if status else "Scheduled"), "what somebody has said stays"
    assert "Traceback" not in caplog.text
    assert rig.queue.delayed == 0, "it is looked at again when it changes"


def test_a_fault_of_the_operator_s_own_is_told_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    api = server()

    def fails(_: Observed) -> Decision:
        raise ZeroDivisionError("division by zero")

    async def story(rig: Rig) -> None:
        rig.sync()
        rig.queue.add(RUN)
        await for_a_while(rig, 300)

    rig = on(api, fails, story)
    assert len(rig.seen) > FAILURES
    (event,) = events(api)
    assert event["reason"] == "OperatorError"
    assert "ZeroDivisionError: division by zero" in event["note"]


def test_a_pass_that_never_ends_is_cut_off_and_taken_up_again() -> None:
    api = server()
    calls: list[float] = []

    async def story(rig: Rig) -> None:
        async def never(*_: Any, **__: Any) -> Any:
            calls.append(virtualtime.clock())
            await asyncio.sleep(10**6)

        rig.controller._gatherer.look = never  # type: ignore[method-assign]
        rig.sync()
        rig.queue.add(RUN)
        await for_a_while(rig, 3 * SETTLE_SECONDS)
        assert rig.sample("penstock_reconcile_errors_total", kind="timeout") >= 2

    on(api, lambda _: Decision(looks=frozenset({Look.RUN})), story)
    assert len(calls) >= 3


def test_a_look_has_its_time() -> None:
    class Silent(FakeApi):
        async def send(self, method: str, path: str, **more: Any) -> Any:
            await asyncio.sleep(10**6)

    async def story(rig: Rig) -> None:
        begun = virtualtime.clock()
        with pytest.raises(Exception, match="no answer in"):
            await rig.client.request("get", CONFIGMAPS, "default", "x", tries=1)
        assert virtualtime.clock() - begun == READ_SECONDS

    on(Silent(), nothing, story)


def test_a_run_without_a_state_is_told_of_a_look_that_is_not_answered() -> None:
    """At first it is asked again; then the core is told, and can say why nothing happens."""
    api = server(spec={"flowRef": {"name": "etl"}})

    def away(request: Request) -> httpx.Response | None:
        return refusal(504, "Timeout", "request did not complete") if request.resource == "flows" else None

    api.faults.append(away)

    def decide(seen: Observed) -> Decision:
        return Decision() if Look.FLOW in seen.refused else Decision(looks=frozenset({Look.FLOW}))

    async def story(rig: Rig) -> None:
        rig.sync()
        rig.queue.add(RUN)
        await for_a_while(rig, 60)

    rig = on(api, decide, story)
    assert rig.seen[-1].refused[Look.FLOW].message == "request did not complete"
    assert sum(1 for seen in rig.seen if not seen.refused) == IMPATIENT + 1


@pytest.mark.parametrize("kept", [True, False])
def test_a_pod_whose_label_was_taken_off_is_looked_at_now_and_then(kept: bool) -> None:
    """No watch tells of it. The core asks for it live, since the store has none."""
    api = server(status={"state": state("Running"), "attempt": {"number": 1, "podName": "etl-1", "podUID": "pod-1"}})
    shown = pod()
    if not kept:
        shown["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "platform-team"}
    api.put("pods", shown)

    async def story(rig: Rig) -> None:
        rig.sync()
        rig.queue.add(RUN)
        await for_a_while(rig, 5 * UNWATCHED_SECONDS)

    rig = on(api, nothing, story)
    assert len(rig.seen) == 1 if kept else len(rig.seen) >= 5
