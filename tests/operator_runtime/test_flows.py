"""Flows at work: statuses that are written once and not by a loop, runs that are made once, counts that follow at a distance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from penstock_operator.core.model import Checked, Decision
from penstock_operator.runtime.flows import Flows
from penstock_operator.runtime.queue import WorkQueue
from penstock_operator.runtime.resources import FLOWRUNS, FLOWS, Key
from tests.support import virtualtime
from tests.support.fakeapi import FakeApi, Request, refusal
from tests.support.runtimeobjects import flow, flowrun
from tests.support.runtimerig import Rig, half, on

FLOW = Key("default", "etl")
FINE = {"Ready": "True", "Reconciling": "False", "Stalled": "False", "Suspended": "False", "Degraded": "False"}


def with_flows(
    api: FakeApi,
    story: Callable[[Rig, Flows], Coroutine[Any, Any, None]],
    *,
    late: float = 0.0,
    checker: Any = None,
) -> None:
    """Tell a story; the operator's clock begins so many seconds later than usual, and somebody else may check schemas."""

    async def told(rig: Rig) -> None:
        rig.set_by = late
        queue: WorkQueue[Key] = WorkQueue(clock=virtualtime.clock, random=half)
        flows = Flows(
            rig.client, rig.store, queue, rig.recorder, checker or rig.checker, now=rig.wall, clock=virtualtime.clock
        )
        rig.flow_changed, rig.flow_counted = lambda key: flows.concern([key]), flows.counted
        rig.sync()
        working = asyncio.create_task(flows.work())
        events = asyncio.create_task(rig.recorder.run())
        await story(rig, flows)
        flows.close()
        await working
        events.cancel()

    on(api, lambda _: Decision(), told)


def conditions(api: FakeApi) -> dict[str, str]:
    return {c["type"]: c["status"] for c in api.get("flows", "etl").get("status", {}).get("conditions", [])}


def test_written_once() -> None:
    api = FakeApi()
    api.put("flows", flow())

    async def story(rig: Rig, flows: Flows) -> None:
        await asyncio.sleep(1)
        flows.concern([FLOW])  # the event of its own write
        await asyncio.sleep(1)

    with_flows(api, story)
    assert conditions(api) == FINE
    assert len(api.asked("patch")) == 1


@pytest.mark.parametrize(
    "answer",
    [refusal(409, "Conflict", "changed"), refusal(403, "Forbidden", "no right yet"), refusal(500, "InternalError", "")],
)
def test_tried_again(answer: Any) -> None:
    """Whatever was in the way, it is written when that is gone."""
    api = FakeApi()
    api.put("flows", flow())
    api.fail("patch", "flows/status", answer)

    async def story(_rig: Rig, _flows: Flows) -> None:
        await asyncio.sleep(30)

    with_flows(api, story)
    assert conditions(api)["Ready"] == "True"


def test_a_source_that_comes_later() -> None:
    """Applied in the wrong order is applied all the same."""
    api = FakeApi()
    api.put("flows", flow(source={"configMap": {"name": "code"}}))

    async def story(rig: Rig, _flows: Flows) -> None:
        await asyncio.sleep(1)
        assert conditions(api) == {**FINE, "Ready": "False", "Reconciling": "True"}
        rig.store.apply(FLOWS, api.get("flows", "etl"))
        api.put("configmaps", {"metadata": {"name": "code"}, "data": {"etl.py": ""}})
        await asyncio.sleep(20)

    with_flows(api, story)
    assert conditions(api)["Ready"] == "True"


def test_gone_is_no_error() -> None:
    api = FakeApi()
    api.put("flows", flow())

    async def story(_rig: Rig, _flows: Flows) -> None:
        api.remove("flows", "etl")
        await asyncio.sleep(5)

    with_flows(api, story)
    assert len(api.asked("patch")) == 1


# --- runs that are due -------------------------------------------------------------------------------------------------------------------


def hourly(**more: Any) -> dict[str, Any]:
    """A Flow that is due every hour, created when the clock began; what it is due at first is 01:00."""
    made = flow(schedules=[{"name": "hourly", "cron": "0 * * * *"}], **more)
    made["metadata"] |= {"generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {**made, "status": {"observedGeneration": -1}}


HOUR = 3600.0
FIRST = "etl-hourly-202601010100"


def runs(api: FakeApi) -> list[str]:
    return sorted(name for plural, _, name in api.objects if plural == "flowruns")


def row(api: FakeApi) -> dict[str, Any]:
    (found,) = api.get("flows", "etl")["status"]["schedules"]
    assert isinstance(found, dict)
    return found


def test_a_run_is_made_when_it_is_due() -> None:
    """A live look, a run, a status: no more, and not a second too early or late."""
    api = FakeApi()
    api.put("flows", hourly())

    async def story(_rig: Rig, _flows: Flows) -> None:
        await asyncio.sleep(HOUR - 0.01)
        assert runs(api) == []
        api.requests.clear()
        await asyncio.sleep(0.02)
        assert runs(api) == [FIRST]
        assert api.asked() == ["get flows etl", "create flowruns", "patch flows/status etl"]
        assert row(api)["lastScheduledTime"] == "2026-01-01T01:00:00Z"
        await asyncio.sleep(2 * HOUR)

    with_flows(api, story)
    assert len(runs(api)) == 3


def test_what_is_due_after_an_outage() -> None:
    """An operator comes three hours late: the status says what was not settled, and the policy what is made of it."""
    api = FakeApi()
    api.put("flows", hourly())

    async def before(_rig: Rig, _flows: Flows) -> None:
        await asyncio.sleep(1)

    async def after(rig: Rig, _flows: Flows) -> None:
        await asyncio.sleep(1)
        assert runs(api) == ["etl-hourly-202601010300"]
        assert row(api)["nextScheduledTime"] == "2026-01-01T04:00:00Z"

    with_flows(api, before)
    with_flows(api, after, late=3 * HOUR + 600)
    notes = [o["note"] for (plural, _, _), o in api.objects.items() if plural == "events"]
    assert notes == [
        "schedule 'hourly': what was due until 2026-01-01T02:00:00Z was missed, and only the latest run is started"
    ]


def test_suspended_a_moment_ago() -> None:
    """No watch has told of it yet: nothing is made that somebody has stopped."""
    api = FakeApi()
    api.put("flows", hourly())

    async def story(_rig: Rig, _flows: Flows) -> None:
        await asyncio.sleep(HOUR - 1)
        api.change("flows", "etl", {"spec": {"suspend": True}})
        await asyncio.sleep(HOUR)
        assert runs(api) == []
        assert conditions(api)["Suspended"] == "True"

    with_flows(api, story)


@pytest.mark.parametrize("answer", [httpx.ReadTimeout("lost"), refusal(500, "InternalError", "")])
def test_an_answer_that_was_lost(answer: Any) -> None:
    """The server has the run, and nobody was told: it is not made twice, and not told as a trouble."""
    api = FakeApi()
    api.put("flows", hourly())
    lost = [answer]

    def fault(request: Request) -> httpx.Response | None:
        if request.verb == "create" and request.resource == "flowruns" and lost:
            api._create(request)
            found = lost.pop()
            if isinstance(found, Exception):
                raise found
            return found  # type: ignore[no-any-return]
        return None

    api.faults.append(fault)

    async def story(_rig: Rig, _flows: Flows) -> None:
        await asyncio.sleep(HOUR + 5)
        assert runs(api) == [FIRST]
        assert row(api).get("overdueTimes") is None
        assert row(api)["lastScheduledTime"] == "2026-01-01T01:00:00Z"
        assert conditions(api)["Degraded"] == "False"

    with_flows(api, story)


def test_a_run_that_is_refused() -> None:
    """It is told, in a condition and one Event, and made when it is taken; the hour after begins on time."""
    api = FakeApi()
    api.put("flows", hourly())
    full = refusal(403, "Forbidden", 'flowruns "x" is forbidden: exceeded quota: few')
    api.fail("create", "flowruns", *[full] * 5)

    async def story(_rig: Rig, _flows: Flows) -> None:
        await asyncio.sleep(HOUR + 1)
        assert row(api)["overdueTimes"] == ["2026-01-01T01:00:00Z"]
        assert row(api)["nextScheduledTime"] == "2026-01-01T02:00:00Z"
        assert conditions(api)["Degraded"] == "True"
        await asyncio.sleep(10 + 20 + 40 + 60 + 60)
        assert runs(api) == [FIRST]
        assert conditions(api)["Degraded"] == "False"
        assert row(api).get("overdueTimes") is None

    with_flows(api, story)
    told = [o for (plural, _, _), o in api.objects.items() if plural == "events"]
    assert [o["reason"] for o in told] == ["RunRefused"]
    assert told[0]["regarding"]["kind"] == "Flow"
    assert "exceeded quota" in told[0]["note"]


def test_a_name_that_somebody_elses_run_has() -> None:
    """It is told whose name it is, and the next hour goes on."""
    api = FakeApi()
    api.put("flows", hourly())
    api.put("flowruns", {"metadata": {"name": FIRST}, "spec": {"flowRef": {"name": "etl"}}})

    async def story(_rig: Rig, _flows: Flows) -> None:
        await asyncio.sleep(HOUR + 1)
        message = next(c["message"] for c in api.get("flows", "etl")["status"]["conditions"] if c["type"] == "Degraded")
        assert f"there is another FlowRun '{FIRST}' already, which is not of this Flow" in message
        await asyncio.sleep(HOUR)
        assert runs(api) == [FIRST, "etl-hourly-202601010200"]
        assert conditions(api)["Degraded"] == "False"

    with_flows(api, story)


def test_the_wall_clock_is_set_forward() -> None:
    """Timers go by the other clock: what has become due is looked at when it is noticed."""
    api = FakeApi()
    api.put("flows", hourly())

    async def story(rig: Rig, flows: Flows) -> None:
        await asyncio.sleep(1)
        rig.set_by = HOUR
        await asyncio.sleep(1)
        assert runs(api) == []
        flows.hurry()
        await asyncio.sleep(1)
        assert runs(api) == [FIRST]
        rig.set_by = 0
        flows.hurry()
        await asyncio.sleep(HOUR)
        assert runs(api) == [FIRST]

    with_flows(api, story)


def test_a_schema_that_is_none() -> None:
    """The operator's other process finds it out, once for each generation."""
    api = FakeApi()
    bad = flow(parametersSchema={"type": "objct"})
    bad["metadata"]["generation"] = 1
    asked: list[Any] = []

    async def story(rig: Rig, flows: Flows) -> None:
        await asyncio.sleep(1)
        message = next(c["message"] for c in api.get("flows", "etl")["status"]["conditions"] if c["type"] == "Stalled")
        assert message == "parametersSchema.type: no"
        flows.concern([FLOW])
        await asyncio.sleep(1)
        assert len(asked) == 1

    class Other:
        """In place of the process: virtual time has none."""

        async def check(self, schema: Any, parameters: Any, *, asks: str) -> Checked:
            asked.append((schema, parameters, asks))
            return Checked(unusable="parametersSchema.type: no")

    api.put("flows", bad)
    with_flows(api, story, checker=Other())


# --- counts ------------------------------------------------------------------------------------------------------------------------------


def of_flow(number: int, version: int, kind: str) -> dict[str, Any]:
    attempt = {} if kind == "Scheduled" else {"attempt": {"number": 1, "podName": f"r{number}-1"}}
    queue = {"queue": {"position": 1}} if kind == "Scheduled" else {}
    name = "AwaitingConcurrencySlot" if kind == "Scheduled" else kind
    end = {"completionTime": f"2026-01-01T00:{number // 60:02}:{number % 60:02}Z"} if kind == "Completed" else {}
    status = {"state": {"type": kind, "name": name}, **attempt, **queue, **end}
    spec = {"flowRef": {"name": "etl"}}
    return flowrun(f"r{number}", uid=f"run-{number}", version=version, spec=spec, status=status)


@pytest.mark.parametrize("seconds", [5.0, 60.0, 300.0])
@pytest.mark.parametrize("answered", [0.0, 0.4])
def test_a_burst_of_runs_is_no_burst_of_writes(seconds: float, answered: float) -> None:
    """Five hundred runs wait, run and end: ten writes at most, and in the end the status is right, seconds later.

    What changes while a write is under way is told later, and not at once when its answer has come.
    """
    api = FakeApi()
    api.put("flows", flow())

    async def story(rig: Rig, _flows: Flows) -> None:
        await asyncio.sleep(10)
        patch = rig.client.patch

        async def slowly(*arguments: Any, **options: Any) -> Any:
            await asyncio.sleep(answered)
            return await patch(*arguments, **options)

        rig.client.patch = slowly  # type: ignore[method-assign]
        api.requests.clear()
        version = 10_000
        kinds = ("Scheduled", "Pending", "Running", "Completed")
        pause = seconds / 500
        for number in range(500 + 30):
            # Each run is three steps behind the one before.
            for behind, kind in zip((0, 10, 20, 30), kinds, strict=True):
                if 0 <= number - behind < 500:
                    version += 1
                    rig.store.apply(FLOWRUNS, of_flow(number - behind, version, kind))
            await asyncio.sleep(pause)
        await asyncio.sleep(6)
        status = api.get("flows", "etl")["status"]
        assert (status["activeRuns"], status["queuedRuns"]) == (0, 0)
        assert status["lastOutcome"] == {
            "runName": "r499",
            "state": "Completed",
            "reason": "Completed",
            "completionTime": "2026-01-01T00:08:19Z",
        }
        assert len(api.asked("patch")) <= 10

    with_flows(api, story)


def test_one_run_is_counted_soon() -> None:
    """Within seconds it is shown as active, and as the last one that has ended."""
    api = FakeApi()
    api.put("flows", flow())

    async def story(rig: Rig, _flows: Flows) -> None:
        await asyncio.sleep(10)
        for version, kind, seen in ((20_000, "Running", 1), (20_001, "Completed", 0)):
            rig.store.apply(FLOWRUNS, of_flow(0, version, kind))
            await asyncio.sleep(2.5)
            assert api.get("flows", "etl")["status"]["activeRuns"] == seen

    with_flows(api, story)
